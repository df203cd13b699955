"""Figures and tables of a finished run, from what it has saved."""

from pathlib import Path

import hist
import numpy as np

from cortado import analysis, bundle, monitoring, plotting, reading
from cortado.simulation import FAULTS

TITLES = {"autoencoder": "autoencoder", "linear": "principal components", "classical": "mean map"}
KINDS = {kind: kind.replace("_", " ") for kind in FAULTS[1:]}
RIGHT = r"32 $\times$ 32 cells, $10^5$ hits"


def sample(folder, name):
    return Path(folder) / "samples" / f"{name}.root"


def maps(folder, name):
    return reading.read_maps(sample(folder, name))


def scores_of(judged, name):
    """Scores by one way: of good maps, and of faulty ones by their kind."""
    numbers = {kind: FAULTS.index(kind) for kind in KINDS}
    kinds = {kind: judged[f"{name}_faulty"][judged["kind"] == number] for kind, number in numbers.items()}
    return judged[f"{name}_good"], kinds


def tables(results):
    """Titles, and rows by kind of map of the three ways: AUC, and what is above the threshold of each rate."""
    ways = [(TITLES[name], each["alarms"], each["kinds"]) for name, each in results.items()]
    yield "AUC", {title: {way: kinds[kind]["auc"] for way, _, kinds in ways} for kind, title in KINDS.items()}
    for alarm in results["autoencoder"]["alarms"]:
        rows = {"good": {way: "{seen} of {of}".format_map(alarms[alarm]) for way, alarms, _ in ways}}
        for kind, title in KINDS.items():
            rows[title] = {way: kinds[kind]["found"][alarm] for way, _, kinds in ways}
        yield f"found at {alarm}", rows


def plot(folder, plots):
    """All figures from what `run` has saved."""
    with np.load(Path(folder) / "scores.npz") as stored:
        judged = dict(stored)
    axis = hist.axis.Regular(60, 0, 60, name="score", label="Largest significance of a rectangle")
    figures = {}
    for name, title in TITLES.items():
        good, faulty = scores_of(judged, name)
        figures[f"scores_{name}"] = plotting.score_distributions(
            analysis.histogram_of(axis, {"good": good, **faulty}), {"good": "good", **KINDS}, by="kind", right=title
        )
    watcher, faulty = bundle.load(folder / "autoencoder.cortado"), maps(folder, "faulty")
    hot = monitoring.pictures(watcher, faulty[faulty.fault == FAULTS.index("hot")][:1])
    history = analysis.history(folder, "autoencoder")
    figures["map"] = plotting.fault_map(*(each[0] for each in hot), right=RIGHT)
    figures["learning"] = plotting.learning_curves(history, titles={"loss": "Sum of squared pulls"})
    return analysis.save_figures(figures, plots)
