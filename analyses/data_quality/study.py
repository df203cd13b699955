"""Faults in maps of a detector, found with a stated rate of false alarms: read it from top to bottom.

Maps of the occupancy are simulated, lumisection by lumisection. A convolutional autoencoder learns how good maps drift
from run to run; beside it stand its linear rival (principal components) and the classical way, which expects every map
to be as their mean. All are calibrated on other good maps, and judged on good maps and on faults that none has seen.
With --files the same is done with real ones: histograms (histograms.py) or maps of a calorimeter (calorimeter.py).
"""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import awkward as ak
import hist
import numpy as np
from rich.console import Console
from rich.table import Table

import cortado
from cortado import bundle, metrics, monitoring, plotting, reading, training
from cortado.histograms import axis_category
from cortado.models import ImageAutoencoder
from cortado.representations import OccupancyMap
from cortado.representations.occupancy_map import reference_shares
from cortado.simulation import FAULTS, simulate_maps
from cortado.splits import Split
from cortado.tasks import Reconstruct
from cortado.training import Objects, Recipe, Study
from cortado.weights import binomial_interval, efficiency, false_alarms

from . import calorimeter, histograms

HITS = 1e5
RATES = (0.01, 0.001)  # false alarms per good map
SAMPLES = {  # seeds have different runs
    "train": {"maps": 4000, "seed": 1},
    "calibration": {"maps": 5000, "seed": 2},
    "good": {"maps": 5000, "seed": 3},
    "faulty": {"maps": 5000, "seed": 4, "faulty": 1.0},
    "monitored": {"maps": 1000, "seed": 5, "faulty": 0.3, "lasting": True, "starved": 0.02},
}
PRESETS = {  # network and recipe
    "quick": ({"filters": 16, "hidden": 64, "latent": 20}, Recipe(epochs=12, batch_size=64, learning_rate=2e-3)),
    "full": ({"filters": 32, "hidden": 64, "latent": 20}, Recipe(epochs=30, batch_size=64, learning_rate=2e-3)),
}
TITLES = {"autoencoder": "autoencoder", "linear": "principal components", "classical": "mean map"}
CYCLIC = "x"  # phi
COMPONENTS = 20  # as many as the autoencoder has latent numbers
RIGHT = r"32 $\times$ 32 cells, $10^5$ hits"
console = Console(highlight=False)


def studies(preset, folder):
    """The training of the autoencoder on good maps; the reference of its pulls is their mean."""
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; there are {', '.join(PRESETS)}")
    network, recipe = PRESETS[preset]
    study = Study(
        name="autoencoder",
        objects=Objects(
            files=(str(sample(folder, "train")),), collection="maps", split=Split(validation=0.1, test=0.0, seed=1)
        ),
        representation=OccupancyMap(reference=reference_shares(maps(folder, "train"))),
        scaling=None,  # pulls have unit width
        model=partial(ImageAutoencoder, size=(32, 32), softmax=False, **network),
        task=Reconstruct(loss="squared"),
        recipe=recipe,
    )
    return {study.name: study}


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def maps(folder, name):
    return reading.read_maps(sample(folder, name))


def run(*, preset, folder, files, accelerator, **_):
    """Simulate, train, calibrate, judge, write the report; what is there already is kept."""
    if files:
        real_maps(files, folder, preset, accelerator)
        return
    simulate(folder)
    for name, study in studies(preset, folder).items():
        training.train(study, folder / name, resume=True, accelerator=accelerator)
    watchers = calibrate(folder)
    judged = judge(watchers, folder)
    np.savez(folder / "scores.npz", **judged)
    (folder / "results.json").write_text(json.dumps(results(watchers, judged), indent=1))
    console.print(table(results(watchers, judged)))
    write_report(watchers["autoencoder"], folder)
    figures = plot(folder, folder / "plots")
    console.print(f"wrote {len(figures)} figures to {folder / 'plots'}, numbers to {folder / 'results.json'}")


def simulate(folder):
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    for name, recipe in SAMPLES.items():
        if sample(folder, name).exists():
            console.print(f"{sample(folder, name)} is there")
            continue
        made = simulate_maps(sample(folder, name), hits=HITS, **recipe)
        console.print(f"wrote {made.path}: {made.maps} maps, {made.hits:.0f} hits in the mean")


def calibrate(folder):
    """Both ways, with thresholds for alarms, as bundles; written to the folder."""
    good, others = maps(folder, "train"), maps(folder, "calibration")
    trained = bundle.load(folder / "autoencoder" / "autoencoder.cortado")
    bare = {
        "autoencoder": monitoring.watching(trained, good, cyclic=CYCLIC),
        "linear": monitoring.linear(good, COMPONENTS, cyclic=CYCLIC),
        "classical": monitoring.classical(good, cyclic=CYCLIC),
    }
    watchers = {name: monitoring.calibrated(watcher, others, RATES) for name, watcher in bare.items()}
    for name, watcher in watchers.items():
        bundle.save(watcher, folder / f"{name}.cortado", canary=good[:16])
    return watchers


def judge(watchers, folder):
    """Scores of good and faulty maps by each way, and the kind of each fault."""
    good, faulty = maps(folder, "good"), maps(folder, "faulty")
    judged = {"kind": ak.to_numpy(faulty.fault), "run": ak.to_numpy(good.run)}
    for name in watchers:
        load = cortado.load(folder / f"{name}.cortado")
        judged[f"{name}_good"] = ak.to_numpy(load(good).anomaly)
        judged[f"{name}_faulty"] = ak.to_numpy(load(faulty).anomaly)
    return judged


def results(watchers, judged):
    """By way: rates of false alarms with exact intervals; by kind of fault AUC and share found at each rate."""
    numbers = {}
    for name, watcher in watchers.items():
        good, faulty = judged[f"{name}_good"], judged[f"{name}_faulty"]
        alarms = {}
        for alarm in watcher.alarms:
            above = int((good > alarm.threshold).sum())
            expected = false_alarms(alarm, len(good))
            interval = binomial_interval(above, len(good))
            alarms[alarm.name] = {**asdict(alarm), "seen": above, "of": len(good), "interval": interval}
            alarms[alarm.name] |= {"to_expect": expected._asdict(), "holds": expected.low <= above <= expected.high}
        kinds = {}
        for number, kind in enumerate(FAULTS[1:], start=1):
            scores = faulty[judged["kind"] == number]
            area = metrics.auc(np.repeat([0, 1], [len(good), len(scores)]), np.concatenate([good, scores]))
            found = {alarm.name: metrics.Estimate(*efficiency(scores > alarm.threshold)) for alarm in watcher.alarms}
            kinds[kind] = {"maps": len(scores), "auc": area, "found": found}
        numbers[name] = {"alarms": alarms, "kinds": kinds}
    return numbers


def table(numbers):
    """The results as a table."""
    first = f"found at {100 * RATES[0]:g} %"
    lines = Table("way", "fault", "maps", "AUC", first, title="test maps")
    for name, each in numbers.items():
        for rate in each["alarms"].values():
            low, high = (100 * end for end in rate["interval"])
            cells = f"{rate['seen']} of {rate['of']}: {low:.2f} to {high:.2f} %"
            lines.add_row(TITLES[name], f"none, {rate['name']}", str(rate["of"]), "", cells)
        for kind, row in each["kinds"].items():
            found = next(iter(row["found"].values()))
            lines.add_row(TITLES[name], kind, str(row["maps"]), str(row["auc"]), str(found))
    return lines


def write_report(watcher, folder):
    """What `cortado monitor` writes of maps with faults that last."""
    monitored = maps(folder, "monitored")
    alarm = monitoring.alarm_of(watcher, RATES[-1])
    found = monitoring.report(watcher, monitoring.examine(watcher, monitored, alarm), alarm)
    worst = monitored[monitoring.worst_maps(found)]
    page, _ = monitoring.write_report(found, watcher, folder / "report", worst=worst, simulation=True)
    console.print(f"wrote {page}: {len(found.faults)} faults")


def plot(folder, plots):
    """All figures from what `run` has saved."""
    with np.load(folder / "scores.npz") as stored:
        judged = dict(stored)
    figures = {}
    axis = hist.axis.Regular(60, 0, 60, name="score", label="Largest significance of a rectangle")
    titles = {"good": "good"} | {kind: kind.replace("_", " ") for kind in FAULTS[1:]}
    for name, title in TITLES.items():
        histogram = hist.Hist(axis_category("kind"), axis, storage=hist.storage.Weight())
        histogram.fill(kind="good", score=judged[f"{name}_good"])
        for number, kind in enumerate(FAULTS[1:], start=1):
            histogram.fill(kind=kind, score=judged[f"{name}_faulty"][judged["kind"] == number])
        figures[f"scores_{name}"] = plotting.score_distributions(histogram, titles, by="kind", right=title)
    figures["map"] = fault_figure(folder)
    history = np.genfromtxt(folder / "autoencoder" / "history.csv", delimiter=",", names=True)
    columns = {name: history[name] for name in history.dtype.names if name.startswith(("epoch", "train_", "valid"))}
    figures["learning"] = plotting.learning_curves(columns, titles={"loss": "Sum of squared pulls"})
    return [plotting.save(figure, plots / f"{name}.png") for name, (figure, _) in figures.items()]


def fault_figure(folder):
    """A map with a hot region as the autoencoder sees it."""
    watcher, faulty = bundle.load(folder / "autoencoder.cortado"), maps(folder, "faulty")
    chosen = faulty[faulty.fault == FAULTS.index("hot")][:1]
    shown = monitoring.pictures(watcher, chosen)
    return plotting.fault_map(*(each[0] for each in shown), right=RIGHT)


def real_maps(files, folder, preset, accelerator):
    """Histograms of one dimension or maps of a calorimeter, as files of a monitoring system hold them."""
    every = reading.read_maps(files)
    if ak.to_numpy(every["values"][:1]).ndim == 2:
        histograms.run(every, files, folder / "histograms", preset, accelerator)
    else:
        calorimeter.run(every, files, folder / "calorimeter")
