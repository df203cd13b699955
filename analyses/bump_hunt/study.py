"""A resonance found in data alone: from events to a p-value and a limit, read it from top to bottom.

Two ways to a score without labels: trees learn what events of the signal region have that those of the sidebands do not
(CWoLa), or that events do not have which a flow, trained on the sidebands, samples in the signal region (CATHODE). Five
folds, so that no event is scored by what it trained. A coffea processor fills the dijet mass in bins of the score, a
dijet function is fitted to each, a hunt ends in a p-value, and pyhf in a limit. The truth only judges.
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

import cortado
from cortado import metrics, ntuples, plotting, processors, readers, reading, scoring, searches, training
from cortado.histograms import axis_category
from cortado.models import BoostedTrees, ConditionalFlow
from cortado.representations import Columns, ConditionalColumns
from cortado.simulation import simulate_dijets
from cortado.splits import Split
from cortado.tasks import Classify, EstimateDensity, Fit
from cortado.training import Objects, Recipe, Study
from cortado.weights import score_cuts

REGION, NEAR, FAR = (3300.0, 3700.0), (2800.0, 4400.0), (2400.0, 6000.0)  # GeV; sidebands of CWoLa and of the flow
FOLDS = 5
FEATURES = {"mj2": (0, None), "delta_mj": (0, None), "tau21_1": (0, 1), "tau21_2": (0, 1)}  # not the dijet mass
EFFICIENCIES = (0.05, 0.005)  # of the sidebands
EDGES = np.geomspace(2400, 7000, 55)  # GeV
ENERGY = 13_000.0
SHAPE = searches.SignalShape(resolution=0.04)
SAMPLES = {"data": 1, "background": 2}  # seeds; the second without a signal
JUDGES = {"reference": 3, "test": 4, "resonance": 5}  # seeds of what is simulated to judge
METHODS = {"cwola": "CWoLa", "cathode": "CATHODE"}
TITLES = METHODS | {"idealised": "idealised", "supervised": "supervised"}
REFERENCE, DATA = 0, 1  # `sample` of an event that trees tell apart
FLOOR = 25  # background events
TREES = partial(HistGradientBoostingClassifier, learning_rate=0.05, min_samples_leaf=100, early_stopping=True)
RECIPE = Recipe(batch_size=1024, learning_rate=5e-3, workers=0, step_size=200_000, shuffle_pool=200_000, averaging=0.9)
console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes: events and the signal among them, toys, events that judge, epochs of the flow, samples per real event."""

    events: int
    signal: int
    toys: int
    judged: int
    epochs: int
    oversampling: int = 4


PRESETS = {
    "quick": Preset(events=100_000, signal=100, toys=200, judged=600_000, epochs=8),
    "full": Preset(events=400_000, signal=200, toys=1000, judged=2_000_000, epochs=20),
}


def in_region(events):
    return (events.mjj > REGION[0]) & (events.mjj < REGION[1])


def beside(events, ends):
    return (events.mjj > ends[0]) & (events.mjj < ends[1]) & ~in_region(events)


def in_far_sidebands(events):
    return beside(events, FAR)


def is_reference(events):
    return events["sample"] == REFERENCE


def is_data(events):
    return events["sample"] == DATA


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def flow(name, preset, folder):
    """Density of the features given the dijet mass, learned from the sidebands; five folds."""
    return Study(
        name="flow",
        objects=objects(sample(folder, name), mask=in_far_sidebands),
        representation=ConditionalColumns(features=FEATURES, condition={"mjj": FAR}),
        scaling="fit",
        model=partial(ConditionalFlow, features=len(FEATURES), kind="spline", transforms=3, hidden=(64, 64)),
        task=EstimateDensity(),
        recipe=replace(RECIPE, epochs=preset.epochs),
    )


def trees(path, **options):
    """Trees that tell two samples in one file apart."""
    classes = Classify(classes={"reference": is_reference, "data": is_data}, signal="data")
    return Study(
        name="trees",
        objects=objects(path, **options),
        representation=Columns(features=tuple(FEATURES)),
        model=partial(BoostedTrees),
        task=Fit(estimator=TREES, task=classes),
        recipe=RECIPE,
    )


def objects(path, **options):
    chosen = {"folds": FOLDS, "split": Split(validation=0.1, test=0.0, seed=1)} | options
    return Objects(files=(path,), collection="events", **chosen)


def studies(preset, folder):
    """The flow of each sample, and trees by sample and method; the files of the trees are made between the two."""
    chosen, every = preset_named(preset), {}
    for name in SAMPLES:
        every[f"{name}_flow"] = flow(name, chosen, folder)
        every |= {f"{name}_{method}": trees(pair(folder, name, method, 0)) for method in METHODS}
    return every


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def pair(folder, name, method, fold):
    return Path(folder) / "pairs" / f"{name}_{method}_{fold}.root"


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train, search both samples, judge, plot; what is there already is kept."""
    if files:
        raise ValueError("this study searches its own samples; study.py shows how to search yours")
    chosen, results = preset_named(preset), {}
    simulate(chosen, folder)
    for name in SAMPLES:
        quiet = {"resume": True, "accelerator": accelerator, "progress": False}
        training.train_folds(flow(name, chosen, folder), folder / f"{name}_flow", **quiet)
        for method in METHODS if name == "background" else TITLES:
            train(chosen, folder, name, method, quiet)
        results[name] = searched(chosen, folder, name, options)
    results["samples"] = {method: told_apart(chosen, folder, method) for method in METHODS}
    results["improvement"] = {method: each.best for method, each in improvements(folder).items()}
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    for table in tables(results):
        console.print(table)
    figures = plot(folder, folder / "plots", preset=preset)
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, numbers to {folder / 'results.json'}")


def simulate(chosen, folder):
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    few = chosen.judged // 50
    sizes = {name: (chosen.events, chosen.signal if name == "data" else 0) for name in SAMPLES}
    sizes |= {"reference": (4 * chosen.events, few), "test": (chosen.judged, few), "resonance": (few, few)}
    for name, (events, signal) in sizes.items():
        if not sample(folder, name).exists():
            simulate_dijets(sample(folder, name), events=events, signal=signal, seed=(SAMPLES | JUDGES)[name])
            console.print(f"wrote {sample(folder, name)}: {events:,} events")


def train(chosen, folder, name, method, options):
    """One training a fold, each on a file of its own: CATHODE's has what the flow of that fold has sampled."""
    for fold in range(FOLDS):
        path = pair(folder, name, method, fold)
        if not path.exists():
            write_pair(path, *sources(chosen, folder, name, method, fold))
        training.train(trees(path), folder / f"{name}_{method}" / f"fold{fold}", fold=fold, **options)
    console.print(f"trained {name}, {TITLES[method]}")


def sources(chosen, folder, name, method, fold):
    """Events that stand for background, and those that may hold a signal."""
    events = reading.read(sample(folder, name))
    inside = events[in_region(events)]
    if method == "cwola":
        return events[beside(events, NEAR)], inside
    if method == "cathode":
        number = chosen.oversampling * len(inside)
        return sampled(folder, name, fold, number, seed=fold), inside
    known = of_region(folder, "reference")
    background, signal = (known[known.is_signal == truth] for truth in (0, 1))
    return background, inside if method == "idealised" else signal


def of_region(folder, name):
    events = reading.read(sample(folder, name))
    return events[in_region(events)]


def sampled(folder, name, fold, number, *, seed):
    """Events of the flow in the signal region, at dijet masses that the fit of the sidebands gives."""
    masses = np.asarray(reading.read(sample(folder, name)).mjj)
    spectrum = np.histogram(masses, EDGES)[0]
    function = searches.choose_function(spectrum, EDGES, collision_energy=ENERGY, window=REGION).function
    fit = searches.fit_background(spectrum, EDGES, function=function, window=REGION)
    drawn = searches.draw_masses(fit, number, window=REGION, seed=seed)
    return cortado.load(folder / f"{name}_flow" / f"fold{fold}" / "flow.cortado").sample({"mjj": drawn}, seed=seed)


def write_pair(path, reference, data):
    """Both in one file, with `sample`; events that were sampled get numbers of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chunks = []
    for number, events in ((REFERENCE, reference), (DATA, data)):
        columns = {each: ak.to_numpy(events[each]) for each in ("mjj", "mj2", "tau21_1", "tau21_2")}
        columns["mj1"] = columns["mj2"] + ak.to_numpy(events.delta_mj)
        own = "event" in events.fields
        names = {"run": "run", "luminosityBlock": "luminosity_block", "event": "event"}
        keys = {key: ak.to_numpy(events[field]) if own else np.arange(len(events)) for key, field in names.items()}
        whole = {key: column.astype(np.int64) for key, column in keys.items()}
        columns = {key: column.astype(np.float32) for key, column in columns.items()} | whole
        chunks.append(columns | {"sample": np.full(len(events), number, np.int32)})
    ntuples.write(path, "Events", chunks)


def scorer(folder, name, method):
    """Each event is scored by the trees that have not seen it."""
    return scoring.folds([folder / f"{name}_{method}" / f"fold{fold}" / "trees.cortado" for fold in range(FOLDS)])


def searched(chosen, folder, name, options):
    """Hunts and limits of a sample, of all events and by method, in numbers."""
    numbers = {}
    for method in METHODS:
        path = folder / f"{name}_{method}.json"
        cuts = cuts_of(folder, name, method)
        ntuples.write_histograms(path, {"mass": filled(chosen, folder, name, method, cuts, options)})
        numbers[method] = {"cuts": cuts} | {"limit": limit(path, name, cuts)}
        numbers[method]["hunts"] = {title: said(found) for title, found in hunts(chosen, path, name, cuts).items()}
    return numbers


def cuts_of(folder, name, method):
    """Scores that so many events of the sidebands pass."""
    events = reading.read(sample(folder, name))
    events = events[beside(events, NEAR)]
    return {cut.name: cut.threshold for cut in score_cuts(scorer(folder, name, method)(events), EFFICIENCIES)}


def filled(chosen, folder, name, method, cuts, options):
    """Dijet mass in bins of the score, by a coffea processor; of the resonance as many events as are hidden."""
    normalise = partial(normalised, factor=chosen.signal / (chosen.judged // 50))
    score = scorer(folder, name, method)
    instance = processors.SearchProcessor(score, cuts=cuts, edges=EDGES, objects=readers.record, reweight=normalise)
    fileset = {each: {"files": {str(sample(folder, each)): "Events"}} for each in (name, "resonance")}
    return processors.run(fileset, instance, **options)["mass"]


def normalised(events, weights, *, factor):
    size = factor if events.metadata["dataset"] == "resonance" else 1.0
    weights.add("normalisation", np.full(len(events), size))


def spectra(path, name, cuts):
    """Mass of all events, and of those that pass each cut."""
    nominal = ntuples.read_histograms(path)["mass"][{"dataset": name, "variation": "nominal"}]
    names = ["rest", *cuts]
    chosen = {title: [each for each in names[i:] if each in nominal.axes[0]] for i, title in enumerate(names)}
    passed = {title: sum(nominal[{"score_bin": each}] for each in bins) for title, bins in chosen.items()}
    return {"all": passed.pop("rest"), **passed}


def hunts(chosen, path, name, cuts):
    """A hunt for each cut; the number of parameters is chosen without the signal region."""
    found = {}
    for title, spectrum in spectra(path, name, cuts).items():
        function = searches.choose_function(spectrum, collision_energy=ENERGY, window=REGION).function
        found[title] = searches.bump_hunt(spectrum, function=function, shape=SHAPE, toys=chosen.toys)
    return found


def said(found):
    """What a hunt says, in numbers."""
    names = ("mass", "observed", "expected", "local_significance", "global_p")
    return {name: getattr(found, name) for name in names}


def limit(path, name, cuts):
    """Limit and fitted strength, in units of what is hidden in the data, of all bins of the score together."""
    function = searches.choose_function(
        spectra(path, name, cuts)["all"], collision_energy=ENERGY, window=REGION
    ).function
    histogram = ntuples.read_histograms(path)["mass"]
    fitted = searches.channels(histogram, data=name, signal="resonance", window=REGION, function=function)
    spec = searches.workspace(fitted)
    limits, strength = searches.limits(spec), searches.fit_strength(spec)
    return {"limits": limits._replace(expected=limits.expected.tolist()), "strength": strength}


def told_apart(chosen, folder, method):
    """How well trees tell what stands for background from true background of the signal region: AUC of a half is best.

    Of the sample without signal, half of the events for training, and half to judge.
    """
    path = pair(folder, "background", method, "test")
    true = of_region(folder, "test")
    true = true[true.is_signal == 0]
    if not path.exists():
        other = sampled(folder, "background", 0, len(true), seed=99)
        if method == "cwola":
            other = reading.read(sample(folder, "test"))
            other = other[(other.is_signal == 0) & beside(other, NEAR)]
        write_pair(path, true, other)
    study = trees(path, folds=None, split=Split(validation=0.1, test=0.5, seed=2))
    trained = training.train(study, folder / f"told_apart_{method}", resume=True, accelerator="cpu", progress=False)
    judged = training.evaluate(trained.bundle, study, subset="test")
    return metrics.roc(judged.category == DATA, ak.to_numpy(judged.answers.data)).auc


def improvements(folder):
    """Significance improvement of each method on events of the signal region that nobody has trained on."""
    events = of_region(folder, "test")
    truth = ak.to_numpy(events.is_signal)
    scores = {method: ak.to_numpy(scorer(folder, "data", method)(events)) for method in TITLES}
    curves = {method: metrics.roc(truth, score) for method, score in scores.items()}
    return {method: metrics.significance_improvement_of(curve, floor=FLOOR) for method, curve in curves.items()}


def tables(results):
    """Searches, limits and figures of merit as tables."""
    lines = Table("sample", "score", "cut", "window at", "observed", "expected", "local", "global p", box=SIMPLE)
    bounds = Table("sample", "score", "fitted", "limit", "expected limit, 68 % of searches", box=SIMPLE)
    for name in SAMPLES:
        for method, each in results[name].items():
            for title, one in each["hunts"].items():
                if title != "all" or method == "cwola":
                    lines.add_row(name, "" if title == "all" else METHODS[method], title, *cells(one))
            limits, strength = each["limit"]["limits"], each["limit"]["strength"]
            _, low, median, high, _ = limits.expected
            median = f"{median:.2f} ({low:.2f} to {high:.2f})"
            bounds.add_row(name, METHODS[method], str(strength), f"{limits.observed:.2f}", median)
    merits = Table("score", f"largest improvement (floor {FLOOR})", "AUC of its reference against truth", box=SIMPLE)
    for method, best in results["improvement"].items():
        merits.add_row(TITLES[method], str(best), str(results["samples"].get(method, "")))
    return lines, bounds, merits


def cells(one):
    expected, p = one["expected"], one["global_p"]
    where, local = f"{one['mass']:.0f} GeV", f"{one['local_significance']:.1f} sigma"
    return where, f"{one['observed']:.0f}", str(expected), local, str(p)


def plot(folder, plots, preset="quick"):
    """Mass and local p-values, limits, significance improvement, and what was sampled over what is true."""
    folder, chosen = Path(folder), preset_named(preset)
    figures, bounds = {}, {}
    for name in SAMPLES:
        for method, title in METHODS.items():
            path, cuts = folder / f"{name}_{method}.json", cuts_of(folder, name, method)
            one = limit(path, name, cuts)
            limits = one["limits"]._replace(expected=np.array(one["limits"].expected))
            bounds[f"{title}, {'signal' if name == 'data' else 'none'}"] = limits, one["strength"]
            if name == "data":
                found = hunts(chosen, path, name, cuts)
                figures |= shown(found["all"], "all", "all events")
                figures |= shown(list(found.values())[-1], method, f"{title}, {list(found)[-1]} of the sidebands")
    figures["limits"] = plotting.strength_limits(bounds, true=1.0, xlabel=f"Signal / {chosen.signal} events")
    right = f"{REGION[0]:.0f} < dijet mass < {REGION[1]:.0f} GeV"
    curves = {TITLES[method]: each for method, each in improvements(folder).items()}
    figures["improvement"] = plotting.significance_improvement(curves, right=right)
    names = {"true": "true background", "sampled": "sampled"}
    figures["sampled"] = plotting.shape_histograms(compared(folder), names, reference="true", right=right)
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, *_) in figures.items()]


def shown(found, name, right):
    return {
        f"mass_{name}": plotting.mass_spectrum(found.background, bump=found, right=right),
        f"p_values_{name}": plotting.local_p_values(found, right=right),
    }


def compared(folder):
    """Features of true background in the signal region and of what was sampled there."""
    true = of_region(folder, "test")
    true = true[true.is_signal == 0]
    both = {"true": true, "sampled": sampled(folder, "data", 0, len(true), seed=98)}
    axes = {
        "mj2": hist.axis.Regular(40, 0, 500, name="mj2", label="Mass of the lighter jet [GeV]"),
        "delta_mj": hist.axis.Regular(40, 0, 700, name="delta_mj", label="Difference of the jet masses [GeV]"),
        "tau21_1": hist.axis.Regular(40, 0.1, 1, name="tau21_1", label=r"$\tau_{21}$ of the heavier jet"),
        "tau21_2": hist.axis.Regular(40, 0.1, 1, name="tau21_2", label=r"$\tau_{21}$ of the lighter jet"),
    }
    made = [hist.Hist(axis_category("origin"), axis, storage=hist.storage.Weight()) for axis in axes.values()]
    for histogram, feature in zip(made, axes):
        for origin, events in both.items():
            histogram.fill(origin=origin, **{feature: ak.to_numpy(events[feature])})
    return made
