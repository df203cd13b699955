"""What every processor keeps: event weights, cutflows, histograms that do not depend on the order of chunks."""

from __future__ import annotations

import warnings

import awkward as ak
import hist
import numpy as np
from coffea.analysis_tools import PackedSelection, Weights
from numpy.typing import NDArray

from cortado import histograms

__all__ = ["cutflow", "generator_weights", "in_order"]


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
