"""Histograms of one dimension of real runs: a small autoencoder beside principal components and the mean shape.

The runs are shared out: half of them to learn from, a quarter to calibrate, a quarter to judge. The autoencoder gives
Poisson rates that add up to the entries of each histogram. What is found is measured with faults put into good
histograms; the certificate of a lumisection ("golden") is of the whole detector, and no label of one histogram.
"""

from functools import partial

import awkward as ak
import numpy as np

from cortado import analysis, bundle, metrics, monitoring, ntuples, plotting
from cortado.models import HistogramAutoencoder
from cortado.readers import occupancy
from cortado.representations import OccupancyMap
from cortado.representations.occupancy_map import reference_shares
from cortado.splits import Split, fold
from cortado.tasks import Reconstruct
from cortado.training import Objects, Recipe, Study

FEWEST = 100  # entries of a histogram that is judged
RATES = (0.01, 0.05)  # false alarms per good histogram
COMPONENTS = 6  # as many as the autoencoder has latent numbers
TITLES = {"autoencoder": "autoencoder", "linear": "principal components", "classical": "mean shape"}


def run(every, files, folder, chosen, accelerator):
    """Train, calibrate, judge on runs of their own, write a report and a table."""
    quarter = fold(every.event_key, 4)
    golden = ak.to_numpy(every.golden) if "golden" in every.fields else np.ones(len(every), bool)
    enough = every.entries >= FEWEST
    learn, others = every[(quarter < 2) & golden & enough], every[(quarter == 2) & golden]
    judged, certified = every[quarter == 3], golden[quarter == 3]
    sample = folder / "samples" / "histograms.root"
    sample.parent.mkdir(parents=True, exist_ok=True)
    ntuples.write(sample, "maps", [occupancy.columns_of(learn)])
    study = study_of(sample, learn, chosen.histogram_epochs)
    analysis.train({study.name: study}, folder, accelerator=accelerator)
    watchers = calibrate(learn, others, folder)
    ways = {name: measured(watcher, judged, certified) for name, watcher in watchers.items()}
    parts = {"to learn from": learn, "to calibrate": others, "to judge": judged}
    counts = {title: {"histograms": len(part), "runs": len(set(part.run.tolist()))} for title, part in parts.items()}
    analysis.write_results(folder, {"files": list(files), "parts": counts, "ways": ways})
    analysis.console.print(analysis.results_table(counts, title="", first="histograms"))
    analysis.console.print(
        analysis.results_table(rows(ways), title=f"% above the {100 * RATES[0]:g} % threshold, 95 %")
    )
    report = monitoring.report_maps(watchers["autoencoder"], judged, folder / "report", source={"files": list(files)})
    analysis.console.print(f"wrote {folder / 'report'}: {len(report.faults)} faults", markup=False)
    entries = np.where(certified, ak.to_numpy(judged.entries), 0)
    good = judged[entries >= min(1000, entries.max())][:1]
    analysis.done(folder, analysis.save_figures(figures(watchers["autoencoder"], good), folder / "plots"))


def study_of(sample, learn, epochs):
    return Study(
        name="histograms",
        objects=Objects(files=(str(sample),), collection="maps", split=Split(validation=0.15, test=0.0, seed=1)),
        representation=OccupancyMap(reference=reference_shares(learn), image="counts"),
        scaling=None,
        model=partial(HistogramAutoencoder, size=(1, len(learn["values"][0])), latent=COMPONENTS),
        task=Reconstruct(loss="poisson"),
        recipe=Recipe(epochs=epochs, batch_size=32, learning_rate=3e-3),
    )


def calibrate(learn, others, folder):
    """The three ways as bundles with thresholds; written to the folder."""
    trained = bundle.load(analysis.bundle_path(folder, "histograms"))
    watchers = monitoring.three_ways(trained, learn, others, RATES, components=COMPONENTS, fewest_hits=FEWEST)
    for name, watcher in watchers.items():
        bundle.save(watcher, folder / f"histograms_{name}.cortado", canary=learn[:16])
    return watchers


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
    for fault in monitoring.HISTOGRAM_FAULTS:
        broken = ak.to_numpy(bundle.answers(watcher, monitoring.with_histogram_fault(judged[good], fault)).anomaly)
        labels = np.repeat([0, 1], good.sum())
        area = metrics.clustered_auc(labels, np.concatenate([score[good], broken]), np.tile(run[good], 2))
        numbers["faults"][fault] = {"auc": area, "found": above(watcher, broken, run[good])}
    return numbers


def above(watcher, scores, runs):
    """Part above each threshold."""
    return [metrics.clustered_proportion(scores > alarm.threshold, runs) for alarm in watcher.alarms]


def rows(ways):
    """What is above the first threshold by kind of histogram and way, in percent with its 95 %."""
    table = {}
    for name, each in ways.items():
        found = {title: each[title]["found"] for title in ("golden", "not golden") if title in each}
        found |= {fault: row["found"] for fault, row in each["faults"].items()}
        for title, (first, *_) in found.items():
            value, low, high = (100 * number for number in (first.value, first.low, first.high))
            table.setdefault(title, {})[TITLES[name]] = f"{value:.3g} ({low:.3g}, {high:.3g})"
    return table


def figures(watcher, good):
    """A good histogram with each fault, as the autoencoder sees it."""
    drawn = {}
    for fault in monitoring.HISTOGRAM_FAULTS:
        shown = monitoring.pictures(watcher, monitoring.with_histogram_fault(good, fault))
        named = f"histogram_{fault.replace(' ', '_')}"
        drawn[named] = plotting.fault_map(*(each[0] for each in shown), right=fault, simulation=False)
    return drawn
