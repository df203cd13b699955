"""A resonance found in data alone: from events to a p-value and a limit, read it from top to bottom.

Two scores without labels, CWoLa and CATHODE, whose trainings are in `scores.py`: five folds, so that no event is scored
by what it trained. A coffea processor fills the dijet mass in bins of the score, a dijet function is fitted to each, a
hunt ends in a p-value, and pyhf in a limit. The truth only judges.
"""

import json
from functools import cache, partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from cortado import metrics, ntuples, plotting, processors, readers, reading, searches, training
from cortado.histograms import axis_category
from cortado.simulation import simulate_dijets
from cortado.splits import Split
from cortado.weights import score_cuts

from . import scores
from .scores import (
    EDGES,
    ENERGY,
    JUDGES,
    METHODS,
    NEAR,
    REGION,
    SAMPLES,
    TITLES,
    beside,
    of_region,
    preset_named,
    sample,
    studies,
)  # fmt: skip

__all__ = ["plot", "run", "studies"]

EFFICIENCIES = (0.05, 0.005)  # of the sidebands
SHAPE = searches.SignalShape(resolution=0.04)
FLOOR = 25  # background events
AXES = {
    "mj2": hist.axis.Regular(40, 0, 500, name="mj2", label="Mass of the lighter jet [GeV]"),
    "delta_mj": hist.axis.Regular(40, 0, 700, name="delta_mj", label="Difference of the jet masses [GeV]"),
    "tau21_1": hist.axis.Regular(40, 0.1, 1, name="tau21_1", label=r"$\tau_{21}$ of the heavier jet"),
    "tau21_2": hist.axis.Regular(40, 0.1, 1, name="tau21_2", label=r"$\tau_{21}$ of the lighter jet"),
}
console = Console(highlight=False)


def run(*, preset, folder, files, accelerator, **options):
    """Simulate, train, search both samples, judge, plot; what is there already is kept."""
    if files:
        raise ValueError("this study searches its own samples; study.py shows how to search yours")
    chosen, results = preset_named(preset), {"preset": preset}
    simulate(chosen, folder)
    for name in SAMPLES:
        for method in TITLES if name == "data" else METHODS:
            scores.train(chosen, folder, name, method, accelerator)
            console.print(f"trained {name}, {TITLES[method]}")
        results[name] = {method: searched(chosen, folder, name, method, options) for method in METHODS}
    results["improvement"] = {method: each.best for method, each in improvements(folder).items()}
    results["told apart"] = {method: told_apart(folder, method, accelerator) for method in METHODS}
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    for table in tables(results):
        console.print(table)
    figures = plot(folder, folder / "plots")
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, numbers to {folder / 'results.json'}")


def simulate(chosen, folder):
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    few = chosen.resonance
    sizes = {name: (chosen.events, chosen.signal if name == "data" else 0) for name in SAMPLES}
    sizes |= {"reference": (4 * chosen.events, few), "test": (chosen.judged, few), "resonance": (few, few)}
    for name, (events, signal) in sizes.items():
        if not sample(folder, name).exists():
            simulate_dijets(sample(folder, name), events=events, signal=signal, seed=(SAMPLES | JUDGES)[name])
            console.print(f"wrote {sample(folder, name)}: {events:,} events")


def searched(chosen, folder, name, method, options):
    """Cuts on the score, hunts and limit of a sample, in numbers."""
    cuts = cuts_of(folder, name, method)
    path = folder / f"{name}_{method}.json"
    ntuples.write_histograms(path, {"mass": filled(chosen, folder, name, method, cuts, options)})
    bounds, strength = limit(path, name)
    numbers = {"cuts": cuts, "strength": strength, "limit": bounds.observed, "expected": bounds.expected.tolist()}
    names = ("mass", "observed", "expected", "local_significance", "global_p")
    found = hunts(chosen, path, name).items()
    return numbers | {"hunts": {title: {each: getattr(one, each) for each in names} for title, one in found}}


def cuts_of(folder, name, method):
    """Scores that so many events of the sidebands pass."""
    events = reading.read(sample(folder, name))
    found = score_cuts(scores.scorer(folder, name, method)(events[beside(events, NEAR)]), EFFICIENCIES)
    return {cut.name: cut.threshold for cut in found}


def filled(chosen, folder, name, method, cuts, options):
    """Dijet mass in bins of the score, by a coffea processor; of the resonance as many events as are hidden."""
    score = scores.scorer(folder, name, method)
    weigh = partial(normalised, factor=chosen.signal / chosen.resonance)
    instance = processors.SearchProcessor(score, cuts=cuts, edges=EDGES, objects=readers.record, reweight=weigh)
    fileset = {each: {"files": {str(sample(folder, each)): "Events"}} for each in (name, "resonance")}
    return processors.run(fileset, instance, **options)["mass"]


def normalised(events, weights, *, factor):
    size = factor if events.metadata["dataset"] == "resonance" else 1.0
    weights.add("normalisation", np.full(len(events), size))


def spectra(path, name):
    """Mass of all events, and of those that pass each cut, the loosest first."""
    nominal = ntuples.read_histograms(path)["mass"][{"dataset": name, "variation": "nominal"}]
    cuts = sorted((each for each in nominal.axes["score_bin"] if each != "rest"), key=lambda cut: -float(cut[:-1]))
    names = ["rest", *cuts]
    passed = [sum(nominal[{"score_bin": each}] for each in names[first:]) for first in range(len(names))]
    return dict(zip(["all", *cuts], passed))


def function_of(spectrum):
    """A dijet function with as many parameters as the spectrum beside the signal region asks for."""
    return searches.choose_function(spectrum, collision_energy=ENERGY, window=REGION).function


@cache
def hunts(chosen, path, name):
    """A hunt for each cut."""
    options = {"shape": SHAPE, "toys": chosen.toys}
    every = spectra(path, name).items()
    return {title: searches.bump_hunt(one, function=function_of(one), **options) for title, one in every}


@cache
def limit(path, name):
    """Limit and fitted strength, in units of what is hidden in the data, of all bins of the score together."""
    histogram, function = ntuples.read_histograms(path)["mass"], function_of(spectra(path, name)["all"])
    regions = searches.channels(histogram, data=name, signal="resonance", window=REGION, function=function)
    # Of thousands of signal events: an error of each bin would be below 2 % and cost most of the time.
    spec = searches.workspace([each._replace(signal_error=np.zeros_like(each.signal)) for each in regions])
    return searches.limits(spec), searches.fit_strength(spec)


def true_background(folder):
    events = of_region(folder, "test")
    return events[events.is_signal == 0]


def told_apart(folder, method, accelerator):
    """AUC of trees that tell what stands for background from true background of the region: a half is best.

    Of the sample without signal; half of the events train, the others judge.
    """
    path, true = scores.pair(folder, "background", method, "judged"), true_background(folder)
    if not path.exists():
        if method == "cathode":
            other = scores.sampled(folder, "background", 0, len(true), seed=99)
        else:
            other = reading.read(sample(folder, "test"))
            other = other[(other.is_signal == 0) & beside(other, NEAR)]
        scores.write_pair(path, true, other)
    study = scores.trees(path, folds=None, split=Split(validation=0.1, test=0.5, seed=2))
    options = {"resume": True, "accelerator": accelerator, "progress": False}
    bundle = training.train(study, folder / f"told_apart_{method}", **options).bundle
    judged = training.evaluate(bundle, study, subset="test")
    return metrics.roc(judged.category, ak.to_numpy(judged.answers.data)).auc


@cache
def improvements(folder):
    """Significance improvement of each method on events of the signal region that no training has seen."""
    events = of_region(folder, "test")
    said = {method: ak.to_numpy(scores.scorer(folder, "data", method)(events)) for method in TITLES}
    curves = {method: metrics.roc(ak.to_numpy(events.is_signal), score) for method, score in said.items()}
    return {method: metrics.significance_improvement_of(curve, floor=FLOOR) for method, curve in curves.items()}


def tables(results):
    """Hunts, limits and figures of merit as tables."""
    lines = Table("sample", "score", "cut", "window at", "observed", "expected", "local", "global p", box=SIMPLE)
    bounds = Table("sample", "score", "fitted strength", "limit", "expected", "of 68 % of searches", box=SIMPLE)
    merits = Table("score", f"largest improvement (floor {FLOOR})", "AUC of its background against truth", box=SIMPLE)
    for name in SAMPLES:
        for method, each in results[name].items():
            for title, one in each["hunts"].items():
                where, local = f"{one['mass']:.0f} GeV", f"{one['local_significance']:.1f} sigma"
                cells = (f"{one['observed']:.0f}", str(one["expected"]), local, str(one["global_p"]))
                lines.add_row(name, METHODS[method], title, where, *cells)
            _, low, median, high, _ = each["expected"]
            cells = (str(each["strength"]), f"{each['limit']:.2f}", f"{median:.2f}", f"{low:.2f} to {high:.2f}")
            bounds.add_row(name, METHODS[method], *cells)
    for method, best in results["improvement"].items():
        merits.add_row(TITLES[method], str(best), str(results["told apart"].get(method, "")))
    return lines, bounds, merits


def plot(folder, plots):
    """Mass and local p-values, limits, significance improvement, and what was sampled over what is true."""
    folder, figures, bounds = Path(folder), {}, {}
    chosen = preset_named(json.loads((folder / "results.json").read_text())["preset"])
    for name in SAMPLES:
        for method, title in METHODS.items():
            path = folder / f"{name}_{method}.json"
            bounds[f"{title}, {'with' if name == 'data' else 'no'} signal"] = limit(path, name)
            if name == "data":
                found, drawn = hunts(chosen, path, name), spectra(path, name)
                tightest = list(found)[-1]
                figures |= shown(found["all"], drawn["all"], "all", "all events")
                figures |= shown(found[tightest], drawn[tightest], method, f"{title}, {tightest} of the sidebands")
    figures["limits"] = plotting.strength_limits(bounds, true=1.0, xlabel=f"Signal / {chosen.signal} events")
    right = f"{REGION[0]:.0f} < dijet mass < {REGION[1]:.0f} GeV"
    curves = {TITLES[method]: each for method, each in improvements(folder).items()}
    figures["improvement"] = plotting.significance_improvement(curves, right=right)
    names = {"true": "true background", "sampled": "sampled"}
    figures["sampled"] = plotting.shape_histograms(
        compared(folder), names, reference="true", counted="events", right=right
    )
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, *_) in figures.items()]


def shown(found, spectrum, name, right):
    """The spectrum over the background of its sidebands, and the local p-values of the hunt."""
    background = searches.fit_background(spectrum, function=function_of(spectrum), window=REGION)
    return {
        f"mass_{name}": plotting.mass_spectrum(background, bump=found, right=right),
        f"p_values_{name}": plotting.local_p_values(found, right=right),
    }


def compared(folder):
    """Features of true background in the signal region, and of what was sampled there from the data with signal."""
    true = true_background(folder)
    both = {"true": true, "sampled": scores.sampled(folder, "data", 0, len(true), seed=98)}
    made = [hist.Hist(axis_category("origin"), axis, storage=hist.storage.Weight()) for axis in AXES.values()]
    for histogram, feature in zip(made, AXES):
        for origin, events in both.items():
            histogram.fill(origin=origin, **{feature: ak.to_numpy(events[feature])})
    return made
