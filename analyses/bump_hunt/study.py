"""A resonance found in data alone: from events to a p-value, read it from top to bottom.

Dijet events with a hidden resonance are told apart by where they are: trees learn what events of the signal region have
that those of the sidebands do not (CWoLa). Five folds, so that no event is scored by what it trained. A coffea
processor fills the dijet mass in bins of the score, a dijet function is fitted to each, and a hunt ends in a p-value.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

from cortado import ntuples, plotting, processors, readers, reading, scoring, training
from cortado.models import BoostedTrees
from cortado.representations import Columns
from cortado.searches import SignalShape, bump_hunt, choose_function
from cortado.simulation import simulate_dijets
from cortado.splits import Split
from cortado.tasks import Classify, Fit
from cortado.training import Objects, Recipe, Study
from cortado.weights import score_cuts

REGION, SIDEBANDS = (3300.0, 3700.0), (2800.0, 4400.0)  # GeV
FOLDS = 5
FEATURES = ("mj2", "delta_mj", "tau21_1", "tau21_2")  # not the dijet mass
EFFICIENCIES = (0.05, 0.005)  # of the sidebands
EDGES = np.geomspace(2400, 7000, 55)  # GeV
ENERGY = 13_000.0
SHAPE = SignalShape(resolution=0.04)
PRESETS = {"quick": (100_000, 100, 200), "full": (400_000, 200, 1000)}  # events, signal among them, toys
SAMPLES = {"data": 1, "background": 2}  # seeds; the second without a signal
console = Console(highlight=False)


def in_region(events):
    return (events.mjj > REGION[0]) & (events.mjj < REGION[1])


def in_sidebands(events):
    return (events.mjj > SIDEBANDS[0]) & (events.mjj < SIDEBANDS[1]) & ~in_region(events)


def studies(preset, folder):
    """A training for the data and one for the sample without a signal; both have five folds."""
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(PRESETS)}")
    trees = partial(HistGradientBoostingClassifier, learning_rate=0.05, min_samples_leaf=100, early_stopping=True)
    classes = Classify(classes={"sidebands": in_sidebands, "region": in_region}, signal="region")
    return {
        name: Study(
            name=name,
            objects=Objects(
                files=(sample(folder, name),),
                collection="events",
                split=Split(validation=0.1, test=0.0, seed=1),
                folds=FOLDS,
            ),
            representation=Columns(features=FEATURES),
            model=partial(BoostedTrees),
            task=Fit(estimator=trees, task=classes),
            recipe=Recipe(seed=1),
        )
        for name in SAMPLES
    }


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def run(*, preset, folder, files, executor, workers, scheduler, accelerator):
    """Simulate, train, search both samples, plot; what is there already is kept."""
    if files:
        raise ValueError("this study searches its own samples; study.py shows how to search yours")
    trained = studies(preset, folder)
    simulate(preset, folder)
    results = {}
    for name, study in trained.items():
        training.train_folds(study, folder / name, resume=True, accelerator=accelerator)
        cuts = cuts_of(folder, name)
        histogram = searched(folder, name, cuts, executor=executor, workers=workers, scheduler=scheduler)
        ntuples.write_histograms(folder / f"{name}.json", {"mass": histogram})
        results[name] = hunted(preset, histogram, cuts)
    (folder / "results.json").write_text(json.dumps(results, indent=1))
    console.print(table(folder))
    figures = plot(folder, folder / "plots", preset=preset)
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, numbers to {folder / 'results.json'}")


def simulate(preset, folder):
    events, signal, _ = PRESETS[preset]
    for name, seed in SAMPLES.items():
        path = sample(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            simulate_dijets(path, events=events, signal=signal if name == "data" else 0, seed=seed)
            console.print(f"wrote {path}: {events:,} events")


def scorer(folder, name):
    """Each event is scored by the trees that have not seen it."""
    return scoring.folds([folder / name / f"fold{fold}" / f"{name}.cortado" for fold in range(FOLDS)])


def cuts_of(folder, name):
    """Scores that so many events of the sidebands pass."""
    events = reading.read(sample(folder, name))
    beside = events[in_sidebands(events)]
    return {cut.name: cut.threshold for cut in score_cuts(scorer(folder, name)(beside), EFFICIENCIES)}


def searched(folder, name, cuts, **options):
    """Dijet mass in bins of the score, by a coffea processor."""
    instance = processors.SearchProcessor(scorer(folder, name), cuts=cuts, edges=EDGES, objects=readers.record)
    fileset = {name: {"files": {str(sample(folder, name)): "Events"}}}
    return processors.run(fileset, instance, **options)["mass"]


def spectra(histogram, cuts):
    """Mass of all events, and of those that pass each cut."""
    dataset = histogram.axes["dataset"][0]
    nominal = histogram[{"dataset": dataset, "variation": "nominal"}]
    passed, names = {}, ["rest", *cuts]
    for index, name in enumerate(names):
        chosen = [each for each in names[index:] if each in nominal.axes["score_bin"]]
        title = "all" if name == "rest" else name
        passed[title] = sum(nominal[{"score_bin": each}] for each in chosen)
    return passed


def hunts(preset, histogram, cuts):
    """A hunt for each cut; the number of parameters is chosen without the signal region."""
    found = {}
    for title, spectrum in spectra(histogram, cuts).items():
        function = choose_function(spectrum, collision_energy=ENERGY, window=REGION).function
        found[title] = bump_hunt(spectrum, function=function, shape=SHAPE, toys=PRESETS[preset][2])
    return found


def hunted(preset, histogram, cuts):
    """What the hunts say, in numbers."""
    return {
        title: {
            "cuts": cuts,
            "mass": found.mass,
            "observed": found.observed,
            "expected": found.expected,
            "local significance": found.local_significance,
            "global p": found.global_p,
        }
        for title, found in hunts(preset, histogram, cuts).items()
    }


def table(folder):
    """The results as a table."""
    results = json.loads((Path(folder) / "results.json").read_text())
    lines = Table("sample", "cut", "window at", "observed", "expected", "local", "global p", box=SIMPLE)
    for name, each in results.items():
        for title, one in each.items():
            expected, error, *_ = one["expected"]
            p, p_error, *_ = one["global p"]
            lines.add_row(
                name, title, f"{one['mass']:.0f} GeV", f"{one['observed']:.0f}", f"{expected:.1f} ± {error:.1f}",
                f"{one['local significance']:.1f} sigma", f"{p:.3f} ± {p_error:.3f}",
            )  # fmt: skip
    return lines


def titled(cut):
    return "all events" if cut == "all" else f"cut that {cut} of the sidebands pass"


def plot(folder, plots, preset="quick"):
    """Mass with its fit, and local p-values, of all events and of those that pass the tightest cut."""
    folder = Path(folder)
    results = json.loads((folder / "results.json").read_text())["data"]
    cuts = next(iter(results.values()))["cuts"]
    histogram = ntuples.read_histograms(folder / "data.json")["mass"]
    found = list(hunts(preset, histogram, cuts).items())
    figures = {}
    for name, (title, one) in {"all": found[0], "tight": found[-1]}.items():
        figures[f"mass_{name}"] = plotting.mass_spectrum(one.background, bump=one, right=titled(title))
        figures[f"p_values_{name}"] = plotting.local_p_values(one, right=titled(title))
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, *_) in figures.items()]
