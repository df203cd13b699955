"""Weak supervision in the signal region of the LHC Olympics: read it from top to bottom.

Data with 0.7 % of signal, background without, and signal alone: the same events with other labels. Told data from
background, a classifier finds the signal without having seen a label of it (idealised weak supervision); told signal
from background it does as well as anything can (supervised); anomaly scores know the data alone. All are judged on
events that no training has seen, by how much a cut on the score improves the significance.
"""

import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import awkward as ak
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.neighbors import NearestNeighbors

import cortado
from cortado import metrics, models, ntuples, plotting, reading, scoring, training
from cortado.readers.dijets import columns_of_signal_region
from cortado.representations import Columns
from cortado.splits import Split
from cortado.tasks import Classify, FindAnomalies, Fit, Reconstruct
from cortado.training import Objects, Recipe, Study

FEATURES = ("mj2", "delta_mj", "tau21_1", "tau21_2")  # not mjj: the signal region is chosen by it
TREES = partial(
    HistGradientBoostingClassifier, learning_rate=0.05, max_iter=200, max_leaf_nodes=63, min_samples_leaf=100,
    early_stopping=True, validation_fraction=0.2,
)  # fmt: skip
TITLES = {
    "supervised": "supervised, trees",
    "idealised": "idealised, trees",
    "autoencoder": "autoencoder",
    "neighbours": "nearest neighbours",
    "forest": "isolation forest",
}
DATA, REFERENCE, EXTRA = 0, 1, 2  # `sample` of an event
ARRAYS = {"innerdata_train": DATA, "innerdata_val": REFERENCE, "innerdata_extrasig_train": EXTRA}
TEST = "innerdata_test"  # begins the name of the array that judges
BACKGROUND_EFFICIENCY, FLOOR = 0.002, 25
REGION = r"3.3 < $m_\mathrm{jj}$ < 3.7 TeV"
console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How often everything is repeated, and how many trainings answer together."""

    seeds: int
    members: int
    epochs: int


PRESETS = {"quick": Preset(seeds=2, members=2, epochs=5), "full": Preset(seeds=10, members=3, epochs=10)}


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


IDEALISED = Classify(classes={"background": is_reference, "signal": in_data}, signal="signal")
SUPERVISED = Classify(classes={"background": is_background, "signal": is_signal}, signal="signal")
STRANGE = {"normal": in_data, "anomalies": {"signal": is_extra_signal}}


def studies(preset, folder):
    """All trainings of a preset, `idealised_1_2` the second of the first seed."""
    chosen = preset_named(preset)
    every = {}
    for seed in range(1, chosen.seeds + 1):
        for member in range(1, chosen.members + 1):
            number = 100 * seed + member
            name = f"{seed}_{member}"
            for method, task in (("idealised", IDEALISED), ("supervised", SUPERVISED)):
                fitted = Fit(estimator=TREES, task=task)
                every[f"{method}_{name}"] = {"model": partial(models.BoostedTrees), "task": fitted, "seed": number}
    for seed in range(1, chosen.seeds + 1):
        every |= {f"{name}_{seed}": dict(each, seed=seed) for name, each in anomaly_scores(chosen).items()}
    return {name: study_of(name, Path(folder), **each) for name, each in every.items()}


def anomaly_scores(chosen):
    """Model, task and recipe of what learns from the data alone."""
    forest = Fit(estimator=partial(IsolationForest, n_estimators=200), task=FindAnomalies(**STRANGE))
    neighbours = Fit(estimator=partial(NearestNeighbors, n_neighbors=20), task=FindAnomalies(**STRANGE))
    dense = partial(models.DenseAutoencoder, features=len(FEATURES), hidden=(32, 16), latent=2)
    return {
        "forest": {"model": partial(models.IsolationForest), "task": forest},
        "neighbours": {"model": partial(models.NearestNeighbours), "task": neighbours, "scaling": "fit"},
        "autoencoder": {"model": dense, "task": Reconstruct(**STRANGE), "scaling": "fit", "epochs": chosen.epochs},
    }


def study_of(name, folder, *, model, task, seed, scaling=None, epochs=1):
    """One training; its seed also chooses the validation events, a tenth."""
    return Study(
        name=name,
        objects=Objects(
            files=(str(folder / "training.h5"),),
            collection="events",
            split=Split(validation=0.1, test=0.0, seed=seed),
        ),
        representation=Columns(features=FEATURES),
        scaling=scaling,
        model=model,
        task=task,
        recipe=Recipe(epochs=epochs, batch_size=512, workers=0, seed=seed, step_size=200_000, shuffle_pool=200_000),
    )


def preset_named(name):
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def run(*, preset, folder, files, accelerator, **_):
    """Convert the arrays, train, judge, plot; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    convert(arrays(files), folder)
    for name, study in studies(preset, folder).items():
        if not (folder / name / f"{name}.cortado").exists():
            training.train(study, folder / name, resume=True, accelerator=accelerator, progress=False)
            console.print(f"trained {name}")
    events = reading.read(folder / "test.h5")
    scored = {method: score(method, events, preset, folder) for method in TITLES}
    np.savez(folder / "scores.npz", is_signal=ak.to_numpy(events.is_signal), **scored)
    numbers = results(folder)
    (folder / "results.json").write_text(json.dumps(numbers, indent=1))
    console.print(table(numbers))
    figures = plot(folder, folder / "plots")
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, numbers to {folder / 'results.json'}")


def arrays(files):
    """The arrays by name: of the files, of $CORTADO_TEST_DATA, or toys."""
    default = Path(os.environ.get("CORTADO_TEST_DATA", "")) / "anomaly" / "lhco_signal_region"
    if not files and not default.is_dir():
        console.print("no arrays of the LHC Olympics (--files innerdata_*.npy): Gaussian toys in their place")
        return toys()
    found = {Path(file).stem: Path(file) for file in files or sorted(default.glob("innerdata_*.npy"))}
    lacking = [name for name in (*ARRAYS, TEST) if not any(stem.startswith(name) for stem in found)]
    if lacking:
        raise ValueError(f"no array {', '.join(lacking)} among {', '.join(map(str, found.values())) or 'no files'}")
    return {stem: np.load(path) for stem, path in found.items()}


def convert(loaded, folder):
    """The arrays as two tables of events: one to learn from, one to judge."""
    if (folder / "test.h5").exists():
        return
    learned = [columns_of_signal_region(loaded[name], sample=sample) for name, sample in ARRAYS.items()]
    judged = [columns_of_signal_region(rows) for stem, rows in loaded.items() if stem.startswith(TEST)]
    for name, tables in (("training", learned), ("test", judged)):
        written = ntuples.write_hdf5(folder / f"{name}.h5", tables)
        console.print(f"wrote {folder / name}.h5: {written:,} events")


def toys(seed=1):
    """Arrays of the same form and sizes: falling masses of background, Gaussian ones of signal. No physics."""
    rng = np.random.default_rng(seed)

    def rows(background, signal):
        label = np.repeat([0.0, 1.0], [background, signal])
        lighter = np.where(label, rng.normal(0.1, 0.015, len(label)), rng.gamma(2.0, 0.06, len(label)))
        difference = np.where(label, rng.normal(0.4, 0.03, len(label)), rng.exponential(0.12, len(label)))
        tau21 = np.where(label[:, None], rng.normal(0.3, 0.12, (len(label), 2)), rng.normal(0.6, 0.15, (len(label), 2)))
        mjj = rng.uniform(3.3, 3.7, len(label))
        columns = (mjj, lighter.clip(0), difference.clip(0), *tau21.clip(0, 1).T, label)
        return np.stack(columns, axis=1)

    sizes = {"innerdata_train": (59_605, 395), "innerdata_val": (59_631, 369), "innerdata_extrasig_train": (0, 27_263)}
    return {name: rows(*size) for name, size in (sizes | {TEST: (20_000, 10_000)}).items()}


def score(method, events, preset, folder):
    """Score of each seed, higher for signal, shape (seeds, n)."""
    chosen = preset_named(preset)
    seeds = []
    for seed in range(1, chosen.seeds + 1):
        if method in ("idealised", "supervised"):
            names = [f"{method}_{seed}_{member}" for member in range(1, chosen.members + 1)]
            said = scoring.ensemble([folder / name / f"{name}.cortado" for name in names]).probabilities(events)
            seeds.append(np.log(ak.to_numpy(said.signal)) - np.log(ak.to_numpy(said.background)))
        else:
            name = f"{method}_{seed}"
            seeds.append(ak.to_numpy(cortado.load(folder / name / f"{name}.cortado")(events).anomaly))
    return np.array(seeds)


def curves_of(folder):
    """ROC curve of each seed by method."""
    with np.load(folder / "scores.npz") as stored:
        is_signal = stored["is_signal"]
        return {method: [metrics.roc(is_signal, each) for each in stored[method]] for method in TITLES}


def results(folder):
    """By method: AUC, greatest significance improvement, and that at a fixed background efficiency."""
    numbers = {}
    for method, curves in curves_of(folder).items():
        figures = {
            "auc": [curve.auc for curve in curves],
            "best": [metrics.significance_improvement_of(curve, floor=FLOOR).best for curve in curves],
            "at": [metrics.significance_improvement_at(curve, BACKGROUND_EFFICIENCY) for curve in curves],
        }
        numbers[method] = {name: metrics.repeated(each) for name, each in figures.items()}
    return numbers


def table(numbers):
    """The results as a table."""
    at = f"at background efficiency {100 * BACKGROUND_EFFICIENCY:g} %"
    lines = Table("method", "AUC", f"largest improvement (floor {FLOOR})", at, title="test events")
    for method, figures in numbers.items():
        lines.add_row(TITLES[method], *(str(figures[name]) for name in ("auc", "best", "at")))
    return lines


def plot(folder, plots):
    """All figures from what `run` has saved."""
    curves = curves_of(folder)
    improvements = {
        TITLES[method]: [metrics.significance_improvement_of(curve, floor=FLOOR) for curve in each]
        for method, each in curves.items()
    }
    figures = {
        "significance": plotting.significance_improvement(improvements, right=REGION),
        "roc": plotting.roc_curves({TITLES[method]: each[0] for method, each in curves.items()}, right=REGION),
    }
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]
