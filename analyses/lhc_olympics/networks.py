"""What is trained: the same events with different labels, boosted trees on those, and scores that know data alone."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.neighbors import NearestNeighbors

from cortado import models
from cortado.analysis import preset_named
from cortado.representations import Columns
from cortado.splits import Split
from cortado.tasks import Classify, FindAnomalies, Fit, Reconstruct
from cortado.training import Objects, Recipe, Study

FEATURES = ("mj2", "delta_mj", "tau21_1", "tau21_2")  # not mjj: the signal region is chosen by it
TREES = partial(
    HistGradientBoostingClassifier, learning_rate=0.05, max_iter=200, max_leaf_nodes=63, min_samples_leaf=100,
    early_stopping=True, validation_fraction=0.2,
)  # fmt: skip
DATA, REFERENCE, EXTRA = 0, 1, 2  # `sample` of an event
TITLES = {
    "supervised": "supervised, trees",
    "idealised": "idealised, trees",
    "autoencoder": "autoencoder",
    "neighbours": "nearest neighbours",
    "forest": "isolation forest",
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How often all is repeated, how many trainings answer together, and the most events of each array."""

    seeds: int
    members: int
    epochs: int
    events: int | None = None


PRESETS = {
    "quick": Preset(seeds=2, members=2, epochs=5),
    "full": Preset(seeds=10, members=3, epochs=10),
    "tiny": Preset(seeds=1, members=2, epochs=1, events=3000),
}


def in_data(events):
    return events["sample"] == DATA


def is_reference(events):
    return (events["sample"] == REFERENCE) & (events.is_signal == 0)


def is_extra_signal(events):
    return events["sample"] == EXTRA


def is_signal(events):
    return events.is_signal == 1


def is_background(events):
    return events.is_signal == 0


LABELLED = {
    "idealised": Classify(classes={"background": is_reference, "signal": in_data}, signal="signal"),
    "supervised": Classify(classes={"background": is_background, "signal": is_signal}, signal="signal"),
}
STRANGE = {"normal": in_data, "anomalies": {"signal": is_extra_signal}}


def studies(preset, folder):
    """All trainings of a preset, `idealised_1_2` the second of the first seed."""
    chosen = preset_named(PRESETS, preset)
    study, every = partial(study_of, Path(folder)), []
    strange = FindAnomalies(**STRANGE)
    forest = Fit(estimator=partial(IsolationForest, n_estimators=200), task=strange)
    neighbours = Fit(estimator=partial(NearestNeighbors, n_neighbors=20), task=strange)
    dense = partial(models.DenseAutoencoder, features=len(FEATURES), hidden=(32, 16), latent=2)
    for seed in range(1, chosen.seeds + 1):
        for member in range(1, chosen.members + 1):
            name, number = f"{seed}_{member}", 100 * seed + member
            for method, task in LABELLED.items():
                fitted = Fit(estimator=TREES, task=task)
                every.append(study(f"{method}_{name}", partial(models.BoostedTrees), fitted, number))
    for seed in range(1, chosen.seeds + 1):
        every += [
            study(f"forest_{seed}", partial(models.IsolationForest), forest, seed),
            study(f"neighbours_{seed}", partial(models.NearestNeighbours), neighbours, seed, scaling="fit"),
            study(f"autoencoder_{seed}", dense, Reconstruct(**STRANGE), seed, scaling="fit", epochs=chosen.epochs),
        ]
    return {each.name: each for each in every}


def study_of(folder, name, model, task, seed, *, scaling=None, epochs=1):
    """One training; its seed also chooses the validation events, a tenth."""
    return Study(
        name=name,
        objects=Objects(
            files=(str(folder / "training.h5"),),
            collection="events",
            class_weights="given",
            split=Split(validation=0.1, test=0.0, seed=seed),
        ),
        representation=Columns(features=FEATURES),
        scaling=scaling,
        model=model,
        task=task,
        recipe=Recipe(epochs=epochs, batch_size=512, workers=0, seed=seed, step_size=200_000, shuffle_pool=200_000),
    )
