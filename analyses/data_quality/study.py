"""Faults in maps of a detector, found with a stated rate of false alarms: read it from top to bottom.

Maps of the occupancy are simulated, lumisection by lumisection. A convolutional autoencoder learns how good maps drift
from run to run; beside it stand its linear rival (principal components) and the classical way, which expects every map
to be as their mean. All are calibrated on other good maps, and judged on good maps and on faults that none has seen.
With --files the same is done with real ones: histograms (histograms.py) or maps of a calorimeter (calorimeter.py).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from cortado import analysis, bundle, monitoring, reading
from cortado.models import ImageAutoencoder
from cortado.representations import OccupancyMap
from cortado.representations.occupancy_map import reference_shares
from cortado.simulation import simulate_maps
from cortado.splits import Split
from cortado.tasks import Reconstruct
from cortado.training import Objects, Recipe, Study

from . import calorimeter, histograms
from .figures import maps, plot, sample, scores_of, tables

__all__ = ["PRESETS", "plot", "run", "studies"]

HITS = 1e5
RATES = (0.01, 0.001)  # false alarms per good map
SAMPLES = {  # seeds have different runs
    "train": {"seed": 1},
    "calibration": {"seed": 2},
    "good": {"seed": 3},
    "faulty": {"seed": 4, "faulty": 1.0},
    "monitored": {"seed": 5, "faulty": 0.3, "lasting": True, "starved": 0.02},
}
MANY = dict(zip(SAMPLES, (4000, 5000, 5000, 5000, 1000)))
FEW = dict(zip(SAMPLES, (400, 1000, 200, 200, 100)))  # a rate of 0.1 % takes 1000 maps
COMPONENTS = 20  # as many as the autoencoder has latent numbers


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Filters and epochs of the autoencoder, epochs of that of histograms, maps of each sample."""

    filters: int
    epochs: int
    histogram_epochs: int
    maps: dict[str, int]


PRESETS = {
    "quick": Preset(filters=16, epochs=12, histogram_epochs=60, maps=MANY),
    "full": Preset(filters=32, epochs=30, histogram_epochs=200, maps=MANY),
    "tiny": Preset(filters=4, epochs=1, histogram_epochs=2, maps=FEW),
}


def studies(preset, folder):
    """The training of the autoencoder on good maps; the reference of its pulls is their mean."""
    chosen = analysis.preset_named(PRESETS, preset)
    study = Study(
        name="autoencoder",
        objects=Objects(
            files=(str(sample(folder, "train")),), collection="maps", split=Split(validation=0.1, test=0.0, seed=1)
        ),
        representation=OccupancyMap(reference=reference_shares(maps(folder, "train"))),
        scaling=None,  # pulls have unit width
        model=partial(
            ImageAutoencoder, size=(32, 32), softmax=False, filters=chosen.filters, hidden=64, latent=COMPONENTS
        ),
        task=Reconstruct(loss="squared"),
        recipe=Recipe(epochs=chosen.epochs, batch_size=64, learning_rate=2e-3),
    )
    return {study.name: study}


def run(*, preset, folder, files, accelerator, **_):
    """Simulate, train, calibrate, judge, write the report; what is there already is kept."""
    chosen = analysis.preset_named(PRESETS, preset)
    if files:
        real_maps(files, folder, chosen, accelerator)
        return
    for name, recipe in SAMPLES.items():
        analysis.simulate_once(sample(folder, name), simulate_maps, maps=chosen.maps[name], hits=HITS, **recipe)
    analysis.train(studies(preset, folder), folder, accelerator=accelerator)
    watchers = calibrate(folder)
    judged = judge(watchers, folder)
    np.savez(folder / "scores.npz", **judged)
    results = {
        name: monitoring.alarm_merits(watcher.alarms, *scores_of(judged, name)) for name, watcher in watchers.items()
    }
    analysis.write_results(folder, results)
    for title, rows in tables(results):
        analysis.console.print(analysis.results_table(rows, title=title, first="test maps"))
    monitored, rarely = maps(folder, "monitored"), {"rate": RATES[-1], "simulation": True}
    report = monitoring.report_maps(watchers["autoencoder"], monitored, folder / "report", **rarely)
    analysis.console.print(f"wrote {folder / 'report'}: {len(report.faults)} faults", markup=False)
    analysis.done(folder, plot(folder, folder / "plots"))


def real_maps(files, folder, chosen, accelerator):
    """Histograms of one dimension or maps of a calorimeter, as files of a monitoring system hold them."""
    every = reading.read_maps(files)
    if every["values"].ndim == 2:
        histograms.run(every, files, folder / "histograms", chosen, accelerator)
    else:
        calorimeter.run(every, files, folder / "calorimeter")


def calibrate(folder):
    """The three ways, with thresholds for alarms, as bundles; written to the folder."""
    trained, good = bundle.load(analysis.bundle_path(folder, "autoencoder")), maps(folder, "train")
    calibration = {"rates": RATES, "components": COMPONENTS, "cyclic": "x"}  # phi
    watchers = monitoring.three_ways(trained, good, maps(folder, "calibration"), **calibration)
    for name, watcher in watchers.items():
        bundle.save(watcher, folder / f"{name}.cortado", canary=good[:16])
    return watchers


def judge(watchers, folder):
    """Scores of good and faulty maps by each way, and the kind of each fault."""
    good, faulty = maps(folder, "good"), maps(folder, "faulty")
    judged = {"kind": faulty.fault, "run": good.run}
    for name, watcher in watchers.items():
        for part, some in (("good", good), ("faulty", faulty)):
            judged[f"{name}_{part}"] = bundle.answers(watcher, some).anomaly
    return {name: np.asarray(column) for name, column in judged.items()}
