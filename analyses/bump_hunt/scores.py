"""Scores without labels: what is trained for the search of `study.py`, and on which events.

Trees tell events that may hold a signal from events that stand for background, in files of two samples. What stands for
background are the sidebands (CWoLa), or what a flow that was trained on them samples in the signal region (CATHODE); to
judge, true background of the signal region (idealised), told from data or from true signal (supervised).
"""

from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

import cortado
from cortado import ntuples, reading, scoring, searches, training
from cortado.models import BoostedTrees, ConditionalFlow
from cortado.readers import dijets
from cortado.representations import Columns, ConditionalColumns
from cortado.splits import Split
from cortado.tasks import Classify, EstimateDensity, Fit
from cortado.training import Objects, Recipe, Study

REGION, NEAR, FAR = (3300.0, 3700.0), (2800.0, 4400.0), (2400.0, 6000.0)  # GeV; sidebands of CWoLa and of the flow
FEATURES = {"mj2": (0, None), "delta_mj": (0, None), "tau21_1": (0, 1), "tau21_2": (0, 1)}  # not the dijet mass
FOLDS = 5
EDGES = np.geomspace(2400, 7000, 55)  # GeV
ENERGY = 13_000.0
SAMPLES = {"data": 1, "background": 2}  # seeds; the second without a signal
JUDGES = {"reference": 3, "test": 4, "resonance": 5}  # the same of what only judges
METHODS = {"cwola": "CWoLa", "cathode": "CATHODE"}
TITLES = METHODS | {"idealised": "idealised", "supervised": "supervised"}
BACKGROUND, DATA = 0, 1  # `sample` of an event that trees tell apart
TREES = partial(HistGradientBoostingClassifier, learning_rate=0.05, min_samples_leaf=100, early_stopping=True)
RECIPE = Recipe(batch_size=1024, learning_rate=5e-3, workers=0, step_size=200_000, shuffle_pool=200_000, averaging=0.9)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes: events and the signal among them, toys, events that judge, epochs of the flow, samples per real event."""

    events: int
    signal: int
    toys: int
    judged: int
    epochs: int = 8
    oversampling: int = 4

    @property
    def resonance(self):
        """Events of the resonance alone."""
        return self.judged // 50


PRESETS = {
    "quick": Preset(events=100_000, signal=100, toys=200, judged=600_000),
    "full": Preset(events=400_000, signal=200, toys=1000, judged=1_000_000),
}


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def in_region(events):
    return (events.mjj > REGION[0]) & (events.mjj < REGION[1])


def beside(events, ends):
    return (events.mjj > ends[0]) & (events.mjj < ends[1]) & ~in_region(events)


def in_far_sidebands(events):
    return beside(events, FAR)


def is_background(events):
    return events["sample"] == BACKGROUND


def is_data(events):
    return events["sample"] == DATA


def studies(preset, folder):
    """The flow of each sample, and the trees of its first fold by method, whose files `cortado run` writes."""
    chosen, every = preset_named(preset), {}
    for name in SAMPLES:
        every[f"{name}_flow"] = flow(chosen, folder, name)
        every |= {f"{name}_{method}": trees(pair(folder, name, method, 0)) for method in METHODS}
    return every


def flow(chosen, folder, name):
    """Density of the features given the dijet mass, learned from the sidebands."""
    return Study(
        name="flow",
        objects=objects(sample(folder, name), mask=in_far_sidebands),
        representation=ConditionalColumns(features=FEATURES, condition={"mjj": FAR}),
        scaling="fit",
        model=partial(ConditionalFlow, features=len(FEATURES), kind="spline", transforms=3, hidden=(64, 64)),
        task=EstimateDensity(),
        recipe=replace(RECIPE, epochs=chosen.epochs),
    )


def trees(path, **options):
    """Trees that tell the two samples in a file apart."""
    return Study(
        name="trees",
        objects=objects(path, **options),
        representation=Columns(features=tuple(FEATURES)),
        model=partial(BoostedTrees),
        task=Fit(
            estimator=TREES,
            task=Classify(classes={"background": is_background, "data": is_data}, signal="data"),
        ),
        recipe=RECIPE,
    )


def objects(path, **options):
    chosen = {"folds": FOLDS, "split": Split(validation=0.1, test=0.0, seed=1)} | options
    return Objects(files=(path,), collection="events", **chosen)


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def pair(folder, name, method, fold):
    return Path(folder) / "pairs" / f"{name}_{method}_{fold}.root"


def train(chosen, folder, name, method, accelerator):
    """A training for each fold, on a file of its own: that of CATHODE has what the flow of this fold has sampled."""
    options = {"resume": True, "accelerator": accelerator, "progress": False}
    if method == "cathode":
        training.train_folds(flow(chosen, folder, name), folder / f"{name}_flow", **options)
    for fold in range(FOLDS):
        path = pair(folder, name, method, fold)
        if not path.exists():
            write_pair(path, *sources(chosen, folder, name, method, fold))
        training.train(trees(path), folder / f"{name}_{method}" / f"fold{fold}", fold=fold, **options)


def sources(chosen, folder, name, method, fold):
    """Events that stand for background, and those that may hold a signal."""
    events = reading.read(sample(folder, name))
    inside = events[in_region(events)]
    if method == "cwola":
        return events[beside(events, NEAR)], inside
    if method == "cathode":
        return sampled(folder, name, fold, chosen.oversampling * len(inside), seed=fold), inside
    known = of_region(folder, "reference")
    return known[known.is_signal == 0], inside if method == "idealised" else known[known.is_signal == 1]


@cache
def of_region(folder, name):
    """Events of a sample in the signal region."""
    events = reading.read(sample(folder, name))
    return events[in_region(events)]


def sampled(folder, name, fold, number, *, seed):
    """Events of the flow in the signal region, at dijet masses that follow the fit of the sidebands."""
    masses = np.histogram(reading.read(sample(folder, name)).mjj, EDGES)[0]
    function = searches.choose_function(masses, EDGES, collision_energy=ENERGY, window=REGION).function
    fit = searches.fit_background(masses, EDGES, function=function, window=REGION)
    drawn = searches.draw_masses(fit, number, window=REGION, seed=seed)
    return cortado.load(folder / f"{name}_flow" / f"fold{fold}" / "flow.cortado").sample({"mjj": drawn}, seed=seed)


def write_pair(path, background, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    both = {BACKGROUND: background, DATA: data}
    ntuples.write(path, "Events", [dijets.columns_of(events, sample=number) for number, events in both.items()])


def scorer(folder, name, method):
    """Each event is scored by the trees that have not seen it."""
    return scoring.folds([folder / f"{name}_{method}" / f"fold{fold}" / "trees.cortado" for fold in range(FOLDS)])
