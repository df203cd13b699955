"""Weak supervision in the signal region of the LHC Olympics: read networks.py, then this file.

Data with 0.7 % of signal, background without, and signal alone: the same events with other labels. Told data from
background, a classifier finds the signal without having seen a label of it (idealised weak supervision); told signal
from background it does as well as anything can (supervised); anomaly scores know the data alone. All are judged on
events that no training has seen, by how much a cut on the score improves the significance.
"""

import os
from pathlib import Path

import numpy as np

from cortado import analysis, metrics, ntuples, plotting, reading, scoring
from cortado.readers.dijets import columns_of_signal_region

from .networks import DATA, EXTRA, LABELLED, PRESETS, REFERENCE, TITLES, studies

__all__ = ["PRESETS", "plot", "run", "studies"]

ARRAYS = {"innerdata_train": DATA, "innerdata_val": REFERENCE, "innerdata_extrasig_train": EXTRA}
TEST = "innerdata_test"  # begins the name of the array that judges
BACKGROUND_EFFICIENCY, FLOOR = 0.002, 25
REGION = r"3.3 < $m_\mathrm{jj}$ < 3.7 TeV"


def run(*, preset, folder, files, accelerator, **_):
    """Convert the arrays, train, judge, plot; what is there already is kept."""
    chosen = analysis.preset_named(PRESETS, preset)
    convert(files, folder, chosen.events)
    analysis.train(studies(preset, folder), folder, accelerator=accelerator, progress=False)
    events = reading.read(folder / "test.h5")
    scores = {method: [score(method, events, chosen, folder, 1 + k) for k in range(chosen.seeds)] for method in TITLES}
    np.savez(folder / "scores.npz", is_signal=events.is_signal, **scores)
    results = {method: merits(curves) for method, curves in curves_of(folder).items()}
    analysis.write_results(folder, results)
    analysis.console.print(table(results, chosen.seeds))
    analysis.done(folder, plot(folder, folder / "plots"))


def convert(files, folder, most):
    """The arrays as two tables of events: one to learn from, one to judge."""
    if (folder / "test.h5").exists():
        analysis.console.print(f"{folder / 'test.h5'} is there", markup=False)
        return
    rng, loaded = np.random.default_rng(1), arrays(files)
    folder.mkdir(parents=True, exist_ok=True)
    if most is not None:
        loaded = {stem: rng.permutation(rows)[:most] for stem, rows in loaded.items()}
    learned = [columns_of_signal_region(loaded[name], sample=sample) for name, sample in ARRAYS.items()]
    judged = [columns_of_signal_region(rows) for stem, rows in loaded.items() if stem.startswith(TEST)]
    for name, tables in (("training", learned), ("test", judged)):
        written = ntuples.write_hdf5(folder / f"{name}.h5", tables)
        analysis.console.print(f"wrote {folder / name}.h5: {written:,} events", markup=False)


def arrays(files):
    """The arrays by name: of the files, of $CORTADO_TEST_DATA, or toys."""
    default = Path(os.environ.get("CORTADO_TEST_DATA", "")) / "anomaly" / "lhco_signal_region"
    if not files and not default.is_dir():
        analysis.console.print("no arrays of the LHC Olympics (--files innerdata_*.npy): Gaussian toys in their place")
        return toys()
    paths = {Path(file).stem: Path(file) for file in files or sorted(default.glob("innerdata_*.npy"))}
    lacking = [name for name in (*ARRAYS, TEST) if not any(stem.startswith(name) for stem in paths)]
    if lacking:
        raise ValueError(f"no array {', '.join(lacking)} among {', '.join(map(str, paths.values())) or 'no files'}")
    return {stem: np.load(path) for stem, path in paths.items()}


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


def score(method, events, chosen, folder, seed):
    """Score of one seed, higher for signal, shape (n,)."""
    if method not in LABELLED:
        return analysis.load(folder, f"{method}_{seed}")(events).anomaly
    paths = [analysis.bundle_path(folder, f"{method}_{seed}_{1 + k}") for k in range(chosen.members)]
    said = scoring.ensemble(paths).probabilities(events)
    return np.log(said.signal) - np.log(said.background)


def curves_of(folder):
    """ROC curve of each seed by method."""
    with np.load(Path(folder) / "scores.npz") as stored:
        return {method: [metrics.roc(stored["is_signal"], each) for each in stored[method]] for method in TITLES}


def merits(curves):
    """AUC, greatest significance improvement, and that at a fixed background efficiency, of all seeds."""
    best = [metrics.significance_improvement_of(curve, floor=FLOOR).best for curve in curves]
    at = [metrics.significance_improvement_at(curve, BACKGROUND_EFFICIENCY) for curve in curves]
    figures = {"auc": [curve.auc for curve in curves], "best": best, "at": at}
    return {name: metrics.repeated(each) for name, each in figures.items()}


def table(results, seeds):
    columns = {"auc": "AUC", "best": "largest improvement", "at": f"at {100 * BACKGROUND_EFFICIENCY:g} %"}
    rows = {name: {title: row[each].mean for each, title in columns.items()} for name, row in results.items()}
    title = f"significance improvement, test events; means of {seeds} seed{'s' if seeds > 1 else ''}"
    return analysis.results_table(rows, title=title, titles=TITLES, first="method")


def plot(folder, plots):
    """All figures from what `run` has saved."""
    curves = {TITLES[method]: each for method, each in curves_of(folder).items()}
    improvements = {
        title: [metrics.significance_improvement_of(curve, floor=FLOOR) for curve in each]
        for title, each in curves.items()
    }
    figures = {
        "significance": plotting.significance_improvement(improvements, right=REGION),
        "roc": plotting.roc_curves({title: each[0] for title, each in curves.items()}, right=REGION),
    }
    return analysis.save_figures(figures, plots)
