"""Monitoring maps as pulls: how far each cell is from what it should hold, in its own standard deviation.

Shapes: n maps, h rows, w columns; histograms of one dimension are images of one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["OccupancyMap", "OccupancyMapInputs", "reference_shares"]

Floats = NDArray[np.float64]

_ODD = 3.0  # standard deviations from which on a cell does not count for the level of its map
_PASSES = 2


class OccupancyMapInputs(NamedTuple):
    """Images of n maps.

    Attributes:
        image: Pull of each cell, shape (n, 1, h, w); 0 everywhere for a map without hits.
    """

    image: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class OccupancyMap:
    """Counts compared with the reference of the detector, corrected for the number of hits.

    A cell should hold its share of the hits, up to a factor common to all cells of the map: the median of the ratios
    of counts and shares, weighted by the shares, then twice the ratio of the sums over the cells within 3 standard
    deviations. So a dead sector does not make the rest look hot. The pull is the difference of the square roots of
    Anscombe, 2 sqrt(counts + 3/8), whose variance is 1 for Poisson counts above about 4 and less below; their mean is
    taken to second order.

    Attributes:
        reference: Share of the hits in each cell of a good detector, (h, w) or (bins,), as nested tuples; see
            `reference_shares`. They add up to 1.

    Raises:
        ValueError: If a share is negative or not finite, or they do not add up to 1.

    References:
        Anscombe, The transformation of Poisson, binomial and negative-binomial data (1948),
        doi:10.1093/biomet/35.3-4.246.
    """

    reference: tuple[Any, ...]

    def __post_init__(self) -> None:
        shares = np.asarray(self.reference, np.float64)
        if shares.ndim not in (1, 2) or not (np.isfinite(shares) & (shares >= 0)).all() or abs(shares.sum() - 1) > 1e-6:
            raise ValueError(
                f"OccupancyMap: reference of shape {shares.shape} with sum {shares.sum():g}, required: (bins,) or "
                "(rows, columns) shares of at least 0 with sum 1"
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a map that this needs."""
        return ("values",)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        rows, columns = np.atleast_2d(np.asarray(self.reference)).shape
        return rows, columns

    def __call__(self, maps: ak.Array) -> OccupancyMapInputs:
        """Make the images of maps.

        Args:
            maps: With `fields`, shape (n,).

        Raises:
            ValueError: If they have another shape than the reference, or a count is negative or not finite.
        """
        values = self.counts(maps)
        pull = root(values) - mean_root(self.expected(values))
        return OccupancyMapInputs(pull.astype(np.float32)[:, np.newaxis])

    def counts(self, maps: ak.Array) -> Floats:
        """Counts of maps as images, shape (n, h, w).

        Args:
            maps: With `fields`, shape (n,).

        Raises:
            ValueError: If they have another shape than the reference, or a count is negative or not finite.
        """
        values = np.asarray(ak.to_numpy(maps["values"]), np.float64)
        wanted = np.asarray(self.reference).shape
        if values.shape[1:] != wanted:
            raise ValueError(f"OccupancyMap: maps of shape {values.shape[1:]}, the reference has {wanted}")
        if (wrong := ~(np.isfinite(values) & (values >= 0))).any():
            first = np.argwhere(wrong)[0]
            raise ValueError(
                f"OccupancyMap: {values[tuple(first)]:g} in cell {tuple(first[1:].tolist())} of map {first[0]} is no "
                "count, required: finite and not negative"
            )
        return values.reshape(-1, *self.shape)

    def expected(self, values: Floats) -> Floats:
        """What the cells of a good detector would hold, shape (n, h, w).

        Args:
            values: Counts, shape (n, h, w).
        """
        share = np.atleast_2d(np.asarray(self.reference, np.float64))
        live = share > 0
        # The median does not follow faults of less than half of the detector.
        level = _median(values[:, live] / share[live], share[live])[:, np.newaxis, np.newaxis]
        for _ in range(_PASSES):
            usual = np.abs(root(values) - mean_root(level * share)) < _ODD
            inside = np.where(usual, share, 0.0).sum(axis=(1, 2), keepdims=True)
            among = np.where(usual, values, 0.0).sum(axis=(1, 2), keepdims=True)
            # A level from less than half of the detector would follow the fault.
            level = np.where(inside > 0.5, among / np.maximum(inside, 0.5), level)
        return level * share

    def shifted(self, values: Floats, pull: Floats) -> Floats:
        """Counts of which the pulls would be those, in maps with the level of these, shape (n, h, w).

        Args:
            values: Counts that give the level, shape (n, h, w).
            pull: Pulls, such as those that a network expects, shape (n, h, w).
        """
        roots = np.maximum(mean_root(self.expected(values)) + pull, root(np.zeros(())))
        # Inverse of the mean to first order: that of the square root is 1/4 below the square of its mean.
        return np.where(pull == 0, self.expected(values), np.maximum(np.square(roots / 2) - 0.125, 0.0))


def _median(ratios: Floats, shares: Floats) -> Floats:
    """Median of each row of ratios (n, k) with weights (k,) that add up to 1, shape (n,)."""
    order = np.argsort(ratios, axis=1)
    place = np.argmax(np.cumsum(shares[order], axis=1) >= 0.5, axis=1)
    every = np.arange(len(ratios))
    medians: Floats = ratios[every, order[every, place]]
    return medians


def root(counts: Floats) -> Floats:
    """Square root of Anscombe, any shape."""
    roots: Floats = 2 * np.sqrt(counts + 0.375)
    return roots


def mean_root(mean: Floats) -> Floats:
    """Mean of `root` for Poisson counts of a mean, to second order; right within 0.04 for all means."""
    shifted = mean + 0.375
    means: Floats = 2 * np.sqrt(shifted) - 0.25 * mean / shifted**1.5
    return means


def reference_shares(maps: ak.Array, *, fewest_hits: float = 1.0) -> tuple[Any, ...]:
    """Share of the hits in each cell, from good maps: the sum of the counts over all of them.

    Args:
        maps: Good maps with `values`, shape (n,).
        fewest_hits: Maps with less are left out.

    Raises:
        ValueError: If no map has so many hits.
    """
    values = np.asarray(ak.to_numpy(maps["values"]), np.float64)
    totals = values.sum(axis=tuple(range(1, values.ndim)))
    if not (kept := (totals >= fewest_hits) & (totals > 0)).any():
        raise ValueError(
            f"none of {len(values)} maps has {fewest_hits:g} hits, the most are {totals.max(initial=0):g}: no reference"
        )
    summed = values[kept].sum(axis=0)
    return _tuples((summed / summed.sum()).tolist())


def _tuples(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(each) if isinstance(each, list) else each for each in values)
