"""Scores without labels: what is trained for the search of `study.py`, and on which events.

Trees tell events that may hold a signal from events that stand for background, in files of two samples. What stands for
background are the sidebands (CWoLa), or what a flow that was trained on them samples in the signal region (CATHODE); to
judge, true background of the signal region (idealised), told from data or from true signal (supervised).
"""

from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import awkward as ak
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from cortado import analysis, metrics, ntuples, reading, scoring, searches, training
from cortado.models import BoostedTrees, ConditionalFlow
from cortado.readers import dijets
from cortado.representations import Columns, ConditionalColumns
from cortado.splits import Split
from cortado.tasks import Classify, EstimateDensity, Fit
from cortado.training import Objects, Recipe, Study

REGION, NEAR, FAR = (3300.0, 3700.0), (2800.0, 4400.0), (2400.0, 6000.0)  # GeV; sidebands of CWoLa and of the flow
FEATURES = {"mj2": (0, None), "delta_mj": (0, None), "tau21_1": (0, 1), "tau21_2": (0, 1)}  # not the dijet mass
EDGES = np.geomspace(2400, 7000, 55)  # GeV
ENERGY = 13_000.0
SAMPLES = {"data": 1, "background": 2}  # seeds; the second without a signal
JUDGES = {"reference": 3, "test": 4, "resonance": 5}  # the same of what only judges
METHODS = {"cwola": "CWoLa", "cathode": "CATHODE"}
TITLES = METHODS | {"idealised": "idealised", "supervised": "supervised"}
FLOOR = 25  # background events, of the significance improvement
BACKGROUND, DATA = 0, 1  # `sample` of an event that trees tell apart
TREES = partial(HistGradientBoostingClassifier, learning_rate=0.05, min_samples_leaf=100, early_stopping=True)
RECIPE = Recipe(batch_size=1024, learning_rate=5e-3, workers=0, step_size=200_000, shuffle_pool=200_000, averaging=0.9)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Sizes of samples and trainings, and where the score is cut.

    Attributes:
        events: Of the data, with `signal` among them.
        toys: Of a hunt.
        judged: Events that judge.
        epochs: Of the flow.
        oversampling: Samples of the flow for each event of the region.
        folds: Of all trainings.
        efficiencies: Of the cuts, in the sidebands.
    """

    events: int
    signal: int
    toys: int
    judged: int
    epochs: int = 8
    oversampling: int = 4
    folds: int = 5
    efficiencies: tuple[float, ...] = (0.05, 0.005)

    @property
    def resonance(self):
        """Events of the resonance alone."""
        return self.judged // 50


PRESETS = {
    "quick": Preset(events=100_000, signal=100, toys=200, judged=600_000),
    "full": Preset(events=400_000, signal=200, toys=1000, judged=1_000_000),
    "tiny": Preset(
        events=15_000,
        signal=200,
        toys=20,
        judged=30_000,
        epochs=2,
        oversampling=2,
        folds=2,
        efficiencies=(0.2, 0.05),
    ),
}


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
    chosen, every = analysis.preset_named(PRESETS, preset), {}
    for name in SAMPLES:
        every[f"{name}_flow"] = flow(chosen, folder, name)
        every |= {f"{name}_{method}": trees(pair(folder, name, method, 0), chosen.folds) for method in METHODS}
    return every


def flow(chosen, folder, name):
    """Density of the features given the dijet mass, learned from the sidebands."""
    return Study(
        name="flow",
        objects=objects(sample(folder, name), chosen.folds, mask=in_far_sidebands),
        representation=ConditionalColumns(features=FEATURES, condition={"mjj": FAR}),
        scaling="fit",
        model=partial(ConditionalFlow, features=len(FEATURES), kind="spline", transforms=3, hidden=(64, 64)),
        task=EstimateDensity(),
        recipe=replace(RECIPE, epochs=chosen.epochs),
    )


def trees(path, folds, **options):
    """Trees that tell the two samples in a file apart."""
    return Study(
        name="trees",
        objects=objects(path, folds, **options),
        representation=Columns(features=tuple(FEATURES)),
        model=partial(BoostedTrees),
        task=Fit(
            estimator=TREES,
            task=Classify(classes={"background": is_background, "data": is_data}, signal="data"),
        ),
        recipe=RECIPE,
    )


def objects(path, folds, **options):
    chosen = {"split": Split(validation=0.1, test=0.0, seed=1)} | options
    return Objects(files=(path,), collection="events", class_weights="given", folds=folds, **chosen)


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def pair(folder, name, method, fold):
    return Path(folder) / "pairs" / f"{name}_{method}_{fold}.root"


def train(chosen, folder, name, method, accelerator):
    """A training for each fold, on a file of its own: that of CATHODE has what the flow of this fold has sampled."""
    options = {"resume": True, "accelerator": accelerator, "progress": False}
    if method == "cathode":
        training.train_folds(flow(chosen, folder, name), folder / f"{name}_flow", **options)
    for fold in range(chosen.folds):
        path = pair(folder, name, method, fold)
        if not path.exists():
            write_pair(path, *sources(chosen, folder, name, method, fold))
        training.train(trees(path, chosen.folds), folder / f"{name}_{method}" / f"fold{fold}", fold=fold, **options)


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
    flow_of_fold = scoring.load(folder / f"{name}_flow" / f"fold{fold}" / "flow.cortado")
    return flow_of_fold.sample({"mjj": drawn}, seed=seed)


def write_pair(path, background, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    both = {BACKGROUND: background, DATA: data}
    ntuples.write(path, "Events", [dijets.columns_of(events, sample=number) for number, events in both.items()])


def scorer(folder, name, method):
    """Each event is scored by the trees that have not seen it."""
    return scoring.folds(sorted((folder / f"{name}_{method}").glob("fold*/trees.cortado")))


def true_background(folder):
    events = of_region(folder, "test")
    return events[events.is_signal == 0]


def told_apart(folder, method, accelerator):
    """AUC of trees that tell what stands for background from true background of the region: a half is best.

    Of the sample without signal; half of the events train, the others judge.
    """
    path, true = pair(folder, "background", method, "judged"), true_background(folder)
    if not path.exists():
        if method == "cathode":
            other = sampled(folder, "background", 0, len(true), seed=99)
        else:
            other = reading.read(sample(folder, "test"))
            other = other[(other.is_signal == 0) & beside(other, NEAR)]
        write_pair(path, true, other)
    study = trees(path, None, split=Split(validation=0.1, test=0.5, seed=2))
    options = {"resume": True, "accelerator": accelerator, "progress": False}
    bundle = training.train(study, folder / f"told_apart_{method}", **options).bundle
    judged = training.evaluate(bundle, study, subset="test")
    return metrics.roc(judged.category, ak.to_numpy(judged.answers.data)).auc


@cache
def improvements(folder):
    """Significance improvement of each method on events of the signal region that no training has seen."""
    events = of_region(folder, "test")
    said = {method: ak.to_numpy(scorer(folder, "data", method)(events)) for method in TITLES}
    curves = {method: metrics.roc(ak.to_numpy(events.is_signal), score) for method, score in said.items()}
    return {method: metrics.significance_improvement_of(curve, floor=FLOOR) for method, curve in curves.items()}
