"""What every processor keeps: event weights, cutflows, histograms that do not depend on the order of chunks.

And what networks could not score, and how far the objects are from those of their training.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea.analysis_tools import PackedSelection, Weights
from numpy.typing import NDArray

from cortado import histograms
from cortado.scoring.domain import Shift, warn_outside_domain

__all__ = ["cutflow", "generator_weights", "in_order", "judged_domain", "warn_of_unscored"]


def generator_weights(events: ak.Array) -> Weights:
    """Start the event weights of a chunk: `genWeight` or `weight` of simulation, one for recorded data.

    The weight is copied, because coffea's `Weights` changes in place what it is given. Simulation without a weight is
    warned of: beside files with one it counts as little as its generator's weights are large.
    """
    given = next((name for name in ("genWeight", "weight") if name in events.fields), None)
    if given is None and "GenPart" in events.fields:
        where = f"{events.metadata['dataset']}: " if "dataset" in events.metadata else ""
        warnings.warn(f"{where}generated particles, but no generator weight: events count as 1", stacklevel=2)
    weights = Weights(len(events))
    weights.add("generator", np.ones(len(events)) if given is None else np.array(events[given], np.float64))
    return weights


def cutflow(dataset: str, cuts: PackedSelection, weight: NDArray[np.float64]) -> hist.Hist:
    """Sum of weights that is left after each cut."""
    stages = hist.axis.StrCategory(["all", *cuts.names], growth=True, name="cut")
    flow = hist.Hist(histograms.axis_dataset(), stages, storage=hist.storage.Weight())
    for stage, name in enumerate(stages):
        left = weight[cuts.all(*cuts.names[:stage])] if stage else weight
        flow.fill(dataset=dataset, cut=np.full(len(left), name), weight=left)
    return flow


def in_order(histogram: hist.Hist) -> hist.Hist:
    """The same histogram with the categories of each axis in alphabetical order; cuts stay in theirs."""
    for axis in histogram.axes:
        if isinstance(axis, hist.axis.StrCategory) and axis.name != "cut":
            histogram = histogram.sort(axis.name)
    return histogram


def judged_domain(
    counts: Mapping[str, Mapping[str, NDArray[np.float64]]], uses: Mapping[str, Any]
) -> dict[str, dict[str, tuple[Shift, ...]]]:
    """How far each data set is from what each network was trained on, with a warning where a working point would move.

    Args:
        counts: Of `scoring.domain_counts`, summed over chunks, by data set and name in `uses`.
        uses: Bundles in use by their name.
    """
    return {
        dataset: {
            name: warn_outside_domain(f"{dataset}, scored by {name},", uses[name], each) for name, each in named.items()
        }
        for dataset, named in sorted(counts.items())
    }


def warn_of_unscored(reasons: Mapping[str, Mapping[str, Mapping[str, int]]], outcome: str) -> None:
    """Warn of what has no score: data set -> name of what scores -> reason -> how many; and what becomes of it."""
    for dataset, named in sorted(reasons.items()):
        for name, counted in named.items():
            for reason, number in counted.items():
                warnings.warn(f"{dataset}, scored by {name}: {number} {reason}, {outcome}", stacklevel=3)
