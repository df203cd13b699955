"""Histograms of one dimension of real runs: a small autoencoder beside principal components and the mean shape.

The runs are shared out: half of them to learn from, a quarter to calibrate, a quarter to judge. The autoencoder gives
Poisson rates that add up to the entries of each histogram. What is found is measured with faults put into good
histograms; the certificate of a lumisection ("golden") is of the whole detector, and no label of one histogram.
"""

import json
from functools import partial

import awkward as ak
import numpy as np
from rich.console import Console
from rich.table import Table

from cortado import bundle, metrics, monitoring, ntuples, plotting, training
from cortado.models import HistogramAutoencoder
from cortado.readers.occupancy import map_record
from cortado.representations import OccupancyMap
from cortado.representations.occupancy_map import reference_shares
from cortado.splits import Split, fold
from cortado.tasks import Reconstruct
from cortado.training import Objects, Recipe, Study

FEWEST = 100  # entries of a histogram that is judged
RATES = (0.01, 0.05)  # false alarms per good histogram
COMPONENTS = 6  # as many as the autoencoder has latent numbers
FAULTS = ("peak shifted by 3 bins", "half missing", "spike", "lower efficiency")
TITLES = {"autoencoder": "autoencoder", "linear": "principal components", "classical": "mean shape"}
EPOCHS = {"quick": 60, "full": 200}
console = Console(highlight=False)


def run(every, files, folder, preset, accelerator):
    """Train, calibrate, judge on runs of their own, write a report and a table."""
    folder.mkdir(parents=True, exist_ok=True)
    quarter = fold(every.event_key, 4)
    golden = ak.to_numpy(every.golden) if "golden" in every.fields else np.ones(len(every), bool)
    enough = ak.to_numpy(ak.sum(every["values"], axis=1)) >= FEWEST
    learn, others = every[(quarter < 2) & golden & enough], every[(quarter == 2) & golden]
    judged, certified = every[quarter == 3], golden[quarter == 3]
    watchers = calibrate(learn, others, folder, preset, accelerator)
    numbers = {name: measured(watcher, judged, certified) for name, watcher in watchers.items()}
    parts = {"to learn from": learn, "to calibrate": others, "to judge": judged}
    counts = {title: {"histograms": len(part), "runs": len(set(part.run.tolist()))} for title, part in parts.items()}
    content = {"files": list(files), "parts": counts, "ways": numbers}
    (folder / "histograms.json").write_text(json.dumps(content, indent=1))
    console.print(counts)
    console.print(table(numbers))
    write_report(watchers["autoencoder"], judged, files, folder)
    figures(watchers, judged, certified, folder / "plots")


def calibrate(learn, others, folder, preset, accelerator):
    """The three ways as bundles with a threshold; what has been trained already is kept."""
    bins = ak.to_numpy(learn["values"]).shape[1]
    sample = write(folder / "samples" / "histograms.root", learn)
    study = Study(
        name="histograms",
        objects=Objects(files=(str(sample),), collection="maps", split=Split(validation=0.15, test=0.0, seed=1)),
        representation=OccupancyMap(reference=reference_shares(learn), image="counts"),
        scaling=None,
        model=partial(HistogramAutoencoder, size=(1, bins), latent=COMPONENTS),
        task=Reconstruct(loss="poisson"),
        recipe=Recipe(epochs=EPOCHS[preset], batch_size=32, learning_rate=3e-3),
    )
    training.train(study, folder / "histograms", resume=True, accelerator=accelerator)
    trained = bundle.load(folder / "histograms" / "histograms.cortado")
    bare = {
        "autoencoder": monitoring.watching(trained, learn, fewest_hits=FEWEST),
        "linear": monitoring.linear(learn, COMPONENTS, fewest_hits=FEWEST),
        "classical": monitoring.classical(learn, fewest_hits=FEWEST),
    }
    watchers = {name: monitoring.calibrated(watcher, others, RATES) for name, watcher in bare.items()}
    for name, watcher in watchers.items():
        bundle.save(watcher, folder / f"histograms_{name}.cortado", canary=learn[:16])
    return watchers


def write(path, maps):
    """Maps as an ntuple, which trainings read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"run": ak.to_numpy(maps.run).astype(np.uint32), "luminosityBlock": ak.to_numpy(maps.lumi)}
    columns["luminosityBlock"] = columns["luminosityBlock"].astype(np.uint32)
    ntuples.write(path, "maps", [{**columns, "map_values": ak.to_numpy(maps["values"]).astype(np.int32)}])
    return path


def measured(watcher, judged, certified):
    """False alarms, faults that were put in, and what the certificate would make of it, with 95 % by drawing runs."""
    answers, run = bundle.answers(watcher, judged), ak.to_numpy(judged.run)
    score = ak.to_numpy(answers.anomaly)
    seen = ~ak.to_numpy(answers.few_hits)
    good = seen & certified
    alarms = {"alarms": [vars(alarm) for alarm in watcher.alarms]}
    numbers = {**alarms, "few entries": int((~seen).sum()), "judged": int(seen.sum())}
    for title, chosen in (("golden", good), ("not golden", seen & ~certified)):
        if chosen.sum() and len(set(run[chosen])) > 1:
            numbers[title] = {"histograms": int(chosen.sum()), "found": above(watcher, score[chosen], run[chosen])}
    if (seen & ~certified).any():
        numbers["auc of the certificate"] = metrics.clustered_auc(~certified[seen], score[seen], run[seen])
    numbers["faults"] = {}
    for fault in FAULTS:
        broken = ak.to_numpy(bundle.answers(watcher, with_fault(judged[good], fault)).anomaly)
        labels = np.repeat([0, 1], good.sum())
        area = metrics.clustered_auc(labels, np.concatenate([score[good], broken]), np.tile(run[good], 2))
        numbers["faults"][fault] = {"auc": area, "found": above(watcher, broken, run[good])}
    return numbers


def above(watcher, scores, runs):
    """Part above each threshold."""
    return [metrics.clustered_proportion(scores > alarm.threshold, runs) for alarm in watcher.alarms]


def with_fault(maps, fault, seed=1):
    """Good histograms, each with a fault at a place of its own."""
    rng = np.random.default_rng(seed)
    values = ak.to_numpy(maps["values"]).astype(np.int64)
    n, bins = values.shape
    total, place = values.sum(axis=1, keepdims=True), np.arange(bins)
    middle = (values.cumsum(axis=1) >= total / 2).argmax(axis=1)[:, np.newaxis]
    # Around a bin with entries, each as probable as it has entries.
    centre = (values.cumsum(axis=1) > rng.random((n, 1)) * total).argmax(axis=1)[:, np.newaxis]
    side = rng.choice([-1, 1], (n, 1))
    if fault == "peak shifted by 3 bins":
        made = np.take_along_axis(values, (place - 3 * side) % bins, axis=1)
    elif fault == "half missing":
        made = np.where((place - middle) * side > 0, 0, values)
    elif fault == "spike":  # a tenth of the entries
        made = values + np.where(place == centre, rng.poisson(0.1 * total), 0)
    elif fault == "lower efficiency":  # 70 % in 9 bins
        made = np.where(np.abs(place - centre) <= 4, rng.binomial(values, 0.7), values)
    else:
        raise ValueError(f"unknown fault {fault!r}; there are {', '.join(FAULTS)}")
    return map_record(maps.run, maps.lumi, maps.name.tolist(), made)


def table(numbers):
    titles = [f"above the {100 * rate:g} % threshold" for rate in RATES]
    lines = Table("way", "histograms", "AUC", *titles, title="runs to judge")
    for name, each in numbers.items():
        for title in ("golden", "not golden"):
            if title in each:
                area = str(each["auc of the certificate"]) if title == "not golden" else ""
                lines.add_row(
                    TITLES[name], f"{each[title]['histograms']} {title}", area, *map(str, each[title]["found"])
                )
        for fault, row in each["faults"].items():
            lines.add_row(TITLES[name], fault, str(row["auc"]), *map(str, row["found"]))
    return lines


def write_report(watcher, judged, files, folder):
    found = monitoring.report(watcher, monitoring.examine(watcher, judged))
    worst = judged[monitoring.worst_maps(found)]
    page, _ = monitoring.write_report(found, watcher, folder / "report", worst=worst, source={"files": list(files)})
    console.print(f"wrote {page}: {len(found.faults)} faults")


def figures(watchers, judged, certified, plots):
    """A good histogram with each fault, as the autoencoder sees it."""
    watcher = watchers["autoencoder"]
    entries = ak.to_numpy(ak.sum(judged["values"], axis=1))
    chosen = judged[np.flatnonzero(certified & (entries >= 1000))[:1]]
    for fault in FAULTS:
        shown = monitoring.pictures(watcher, with_fault(chosen, fault))
        figure, _ = plotting.fault_map(*(each[0] for each in shown), right=fault, simulation=False)
        plotting.save(figure, plots / f"histogram_{fault.replace(' ', '_')}.png")
