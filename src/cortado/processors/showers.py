"""The processor of a fast-simulation study: shapes of simulated, of generated and of reweighted showers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.analysis_tools import Weights
from numpy.typing import NDArray

from cortado import calorimeter, histograms, readers
from cortado.processors.bookkeeping import generator_weights, in_order
from cortado.scoring import Scorer
from cortado.splits import TEST, Split
from cortado.weights import WeightVariations, clipped

__all__ = ["ShowerProcessor"]

Binning = tuple[int, float, float]


class ShowerProcessor(processor.ProcessorABC):  # type: ignore[misc]
    """Histogram shower shapes of files in any dialect of showers.

    The output holds a histogram of each shape (axes dataset, variation, origin, and the shape), and, as read before any
    cut, `events` and `sum_of_weights` by data set. The origins are "simulated", "generated" and, in data sets with a
    reweighter, "reweighted": the generated ones once more, under the weights that turn them into simulated ones, and
    their variations. `clipped` has the number of weights, by data set with a reweighter, that were outside of `clip`.

    Args:
        binning: Shape -> number of bins and range.
        geometry: The calorimeter.
        reweighters: Data set -> classifiers of simulated against its generated showers; each of these weighs the
            likelihood ratio.
        clip: Smallest and largest weight.
        threshold: Cells of at most this energy [GeV] are taken for empty.
        held_out: The split of the classifiers' training. In data sets whose metadata have `trained_on` only its test
            events are kept, scaled up by their share.

    Raises:
        ValueError: If the calorimeter has no such shape.
    """

    def __init__(
        self,
        binning: Mapping[str, Binning],
        *,
        geometry: calorimeter.Geometry = calorimeter.CALOGAN,
        reweighters: Mapping[str, Scorer] | None = None,
        clip: tuple[float, float] | None = (1e-3, 1e3),
        threshold: float = 0.0,
        held_out: Split | None = None,
    ) -> None:
        known = calorimeter.shape_names(geometry)
        if unknown := [name for name in binning if name not in known]:
            raise ValueError(f"{geometry.name} has no shape {unknown[0]!r}; it has {', '.join(known)}")
        self.binning, self.geometry, self.reweighters = dict(binning), geometry, dict(reweighters or {})
        self.clip, self.threshold, self.held_out = clip, threshold, held_out

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Histograms of one chunk of events."""
        dataset = events.metadata["dataset"]
        generator = generator_weights(events).weight()
        nested = readers.showers(events)
        owner = np.repeat(np.arange(len(nested)), ak.to_numpy(ak.num(nested)))
        showers, weight = ak.flatten(nested), generator[owner]
        output = {
            "events": {dataset: len(events)},
            "sum_of_weights": {dataset: float(generator.sum())},
            **{name: _book(name, *binning) for name, binning in self.binning.items()},
        }
        if self.held_out is not None and events.metadata.get("trained_on"):
            kept = ak.to_numpy(self.held_out.subset(showers.event_key)) == TEST
            showers, weight = showers[kept], weight[kept] / self.held_out.test
        made = np.zeros(len(showers), dtype=bool)
        if "is_generated" in showers.fields:
            made = ak.to_numpy(showers.is_generated).astype(bool)
        origins = [("simulated", ~made, _weights(weight[~made])), ("generated", made, _weights(weight[made]))]
        if dataset in self.reweighters:
            ratios, number = self._ratios(dataset, showers[made])
            origins.append(("reweighted", made, _weights(weight[made], ratios)))
            output["clipped"] = {dataset: number}
        for origin, chosen, weights in origins:
            if not chosen.any():
                continue
            shapes = calorimeter.shower_shapes(showers[chosen], self.geometry, threshold=self.threshold)
            for name in self.binning:
                histograms.fill_variations(output[name], dataset, {"origin": origin, name: shapes[name]}, weights)
        return output

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Put categories in alphabetical order: that in which chunks arrive is not the same twice."""
        return accumulator | {name: in_order(accumulator[name]) for name in self.binning}

    def _ratios(self, dataset: str, showers: ak.Array) -> tuple[WeightVariations, int]:
        """Weights that turn generated showers into simulated ones, and how many of them were clipped."""
        ratios = self.reweighters[dataset].likelihood_ratios(showers)
        return (ratios, 0) if self.clip is None else clipped(ratios, self.clip)


def _weights(weight: NDArray[np.float64], ratios: WeightVariations | None = None) -> Weights:
    weights = Weights(len(weight))
    weights.add("generator", weight.copy())
    if ratios is not None:
        weights.add("reweighting", ratios.nominal, weightUp=ratios.up, weightDown=ratios.down)
    return weights


def _book(name: str, bins: int, low: float, high: float) -> hist.Hist:
    axis = hist.axis.Regular(bins, low, high, name=name, label=calorimeter.shape_label(name))
    return histograms.book(histograms.axis_category("origin", "Origin"), axis)
