"""Maps of a calorimeter: faults put into each of a few healthy maps, and looked for with the others.

Each map is judged by the mean of the other maps of its element, and its score compared with theirs: with ten maps no
rate of false alarms below one in ten can be stated. Rows close on themselves (phi).
"""

import awkward as ak
import numpy as np

from cortado import analysis, bundle, metrics, monitoring
from cortado.readers.occupancy import map_record
from cortado.weights import binomial_interval

FEWEST = 1000  # hits of a map that is judged
PLACES = 40  # of a fault of each kind in each map
FAULTS = {"dead channel": (1, 0.0), "hot channel": (1, 2.0), "dead tower": (2, 0.0), "hot tower": (2, 2.0)}
"""Cells along each side, and factor of the hits."""
CYCLIC = "y"


def run(every, files, folder):
    """Judge each element with each fault; a bundle for each with enough hits, and a report of one with faults."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(every.name.tolist()))
    numbers = {name: element(every[every.name == name]) for name in names}
    judged = [name for name in names if numbers[name]["judged"]]
    if not judged:
        raise ValueError(f"no element has {FEWEST} hits a map, required: at least one; there are {', '.join(names)}")
    for name in judged:
        save_watcher(every[every.name == name], folder / f"{name}.cortado")
    summary = together(numbers)
    analysis.write_results(folder, {"files": list(files), "elements": numbers, "all": summary})
    title = "part of the faults found at one false alarm in ten"
    analysis.console.print(analysis.results_table(rows(numbers), title=title, first="element"))
    for fault, row in summary.items():
        low, high = row["interval"]
        whole = f"{row['lumisections in which all are found']} of {row['of']} lumisections ({low:.2f} to {high:.2f})"
        analysis.console.print(f"{fault}: {row['found']:.4f} of {row['faults']} found; all of them in {whole}")
    demonstrate(every[every.name == judged[0]], folder)


def element(maps):
    """AUC of each fault, and how many are found, of one element: each map with a watcher made of the others."""
    n, live = len(maps), (ak.to_numpy(maps["values"]) > 0).any(axis=0)
    watchers = [monitoring.classical(others(maps, k), fewest_hits=0, cyclic=CYCLIC) for k in range(n)]
    good = np.array([scores(watcher, maps[k : k + 1])[0] for k, watcher in enumerate(watchers)])
    numbers = {"maps": n, "cells": int(live.sum()), "hits": float(ak.mean(maps.entries)), "scores": good.tolist()}
    numbers["spread"] = spread(maps, watchers)
    numbers["judged"] = bool(numbers["hits"] >= FEWEST)
    # The largest score of nine maps is passed by a tenth one with a probability of 1 in 10.
    threshold = np.array([np.delete(good, k).max() for k in range(n)])
    numbers["threshold"], numbers["above"] = threshold.tolist(), int((good > threshold).sum())
    numbers["faults"] = {}
    for fault, (side, factor) in FAULTS.items():
        made = [monitoring.with_squares(maps[k], live, side, factor, places=PLACES, seed=[k, side]) for k in range(n)]
        broken = np.stack([scores(watcher, some) for watcher, some in zip(watchers, made)])
        labels = np.repeat([0, 1], [n, broken.size])
        groups = np.concatenate([np.arange(n), np.repeat(np.arange(n), PLACES)])
        area = metrics.clustered_auc(labels, np.concatenate([good, broken.ravel()]), groups)
        found = broken > threshold[:, np.newaxis]
        numbers["faults"][fault] = {
            "auc": area,
            "found": metrics.clustered_proportion(found.ravel(), np.repeat(np.arange(n), PLACES)),
            "of_map": found.mean(axis=1).tolist(),
        }
    return numbers


def others(maps, k):
    return maps[np.arange(len(maps)) != k]


def scores(watcher, maps):
    return ak.to_numpy(bundle.answers(watcher, maps).anomaly).astype(float)


def spread(maps, watchers):
    """Width of the pulls of each map by the others: 1 for Poisson counts."""
    pulls = [watcher.representation(maps[k : k + 1]).image for k, watcher in enumerate(watchers)]
    live = np.asarray(watchers[0].representation.reference) > 0
    return float(np.sqrt(np.mean(np.square(np.stack(pulls)[:, 0, 0][:, live]))))


def together(numbers):
    """All elements: how many of their faults are found, and in how many maps all of them."""
    judged = [each for each in numbers.values() if each["judged"]]
    rows = {}
    for fault in FAULTS:
        found = np.array([each["faults"][fault]["of_map"] for each in judged])  # (elements, maps)
        whole = int((found.min(axis=0) == 1).sum())
        rows[fault] = {
            "found": float(found.mean()),
            "faults": int(found.size * PLACES),
            "lumisections in which all are found": whole,
            "of": found.shape[1],
            "interval": binomial_interval(whole, found.shape[1]),
            "smallest auc": min(each["faults"][fault]["auc"].value for each in judged),
        }
    return rows


def rows(numbers):
    """What is found of each fault by element."""
    return {
        name.replace("Task_Occupancy_depth_", " "): {
            "cells": each["cells"],
            "width": f"{each['spread']:.2f}",
            **{fault: f"{row['found'].value:.3f}" for fault, row in each["faults"].items()},
        }
        for name, each in numbers.items()
    }


def save_watcher(maps, path):
    """A watcher of an element for `cortado monitor`: half of its maps for the mean, half to calibrate."""
    half = np.arange(len(maps)) % 2 == 0
    watcher = monitoring.classical(maps[half], fewest_hits=FEWEST, cyclic=CYCLIC)
    rate = 1 / int((~half).sum())
    bundle.save(monitoring.calibrated(watcher, maps[~half], (rate,)), path, canary=maps[:4])


def demonstrate(maps, folder):
    """What `cortado monitor` writes of maps of which the last ones have a hot tower over the seam of phi."""
    values = ak.to_numpy(maps["values"]).astype(float)
    values[6:, [-1, 0], 34:36] *= 2
    broken = map_record(maps.run, maps.lumi, maps.name.tolist(), values)
    watcher = bundle.load(folder / f"{maps.name[0]}.cortado")
    report = monitoring.report_maps(watcher, broken, folder / "report", most=2)
    analysis.console.print(f"wrote {folder / 'report'}: {len(report.faults)} faults", markup=False)
