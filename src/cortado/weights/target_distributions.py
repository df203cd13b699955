"""Weights that give a number of each event the distribution that it should have, such as that of the pile-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.weights.variations import WeightVariations

__all__ = ["TargetDistribution"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TargetDistribution:
    """Target over source in bins: weights of events by a number of theirs. Made by `of`.

    Attributes:
        edges: Bin edges, one more than the ratios; what lies outside weighs as the nearest bin.
        ratio: Target over source in each bin, both normalised; 1 where the source is empty.
        error: Its statistical uncertainty, from the counts of both.
    """

    edges: tuple[float, ...]
    ratio: tuple[float, ...]
    error: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0):
            raise ValueError(f"edges must be two or more rising numbers, got {self.edges}")
        if not len(self.ratio) == len(self.error) == len(self.edges) - 1:
            raise ValueError(f"{len(self.edges) - 1} bins need as many ratios and errors, got {len(self.ratio)}")

    @classmethod
    def of(cls, source: ArrayLike, target: ArrayLike, edges: ArrayLike) -> TargetDistribution:
        """Ratio of two samples.

        Args:
            source: The number of each event of the sample that is to be weighted, shape (n,).
            target: The number of each event of the wanted sample, shape (m,).
            edges: Of the bins.
        Raises:
            ValueError: If one of them has no event in the bins, or the edges do not rise.
        """
        bins = np.asarray(edges, np.float64)
        counts = {
            name: np.histogram(_inside(each, bins), bins)[0] for name, each in (("source", source), ("target", target))
        }
        if empty := [name for name, each in counts.items() if not each.sum()]:
            raise ValueError(f"the {' and the '.join(empty)} has no events")
        (have, want), (n, m) = counts.values(), (each.sum() for each in counts.values())
        ratio = np.divide(want / m, have / n, out=np.ones(len(have)), where=have > 0)
        relative = np.sqrt(1 / np.maximum(have, 1) + 1 / np.maximum(want, 1))
        return cls(edges=tuple(bins.tolist()), ratio=tuple(ratio.tolist()), error=tuple((ratio * relative).tolist()))

    def __call__(self, values: ArrayLike) -> WeightVariations:
        """Weights of events: nominal, and up and down by the uncertainty (not below 0), float64, shape (n,)."""
        bins = np.asarray(self.edges)
        index = np.searchsorted(bins, _inside(values, bins), side="right") - 1
        index = np.minimum(index, len(self.ratio) - 1)
        nominal, error = np.asarray(self.ratio)[index], np.asarray(self.error)[index]
        return WeightVariations(nominal, nominal + error, np.maximum(nominal - error, 0.0))


def _inside(values: ArrayLike, edges: Floats) -> Floats:
    """Values, those outside of the bins moved to the nearest edge."""
    inside: Floats = np.clip(np.asarray(values, np.float64), edges[0], edges[-1])
    return inside
