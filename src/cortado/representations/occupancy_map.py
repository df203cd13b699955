"""Monitoring maps as pulls: how far each cell is from what it should hold, in its own standard deviation.

Shapes: n maps, h rows, w columns; histograms of one dimension are images of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.counts import LARGEST_DISPERSION, fit_dispersion, from_root, mean_root, root
from cortado.refused import RefusedObjects

__all__ = ["OccupancyMap", "OccupancyMapInputs", "dispersion_of", "reference_shares"]

Floats = NDArray[np.float64]

_ODD = 3.0  # standard deviations from which on a cell does not count for the level of its map
_PASSES = 2

_Image = Literal["pulls", "counts"]


class OccupancyMapInputs(NamedTuple):
    """Images of n maps.

    Attributes:
        image: Pull of each cell, shape (n, 1, h, w), 0 everywhere for a map without hits; or its counts.
    """

    image: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class OccupancyMap:
    """Counts compared with the reference of the detector, corrected for the number of hits.

    A cell should hold its share of the hits, up to a factor common to all cells of the map: the median of the ratios
    of counts and shares, weighted by the shares, then twice the ratio of the sums over the cells within 3 standard
    deviations. So a dead sector does not make the rest look hot. The pull is the difference of the roots of Anscombe
    (`counts.root`), whose variance is 1.

    Attributes:
        reference: Share of the hits in each cell of a good detector, (h, w) or (bins,), as nested tuples; see
            `reference_shares`. They add up to 1.
        dispersion: Square of the relative spread of the occupancy of a cell, beyond that of Poisson counts; one number,
            or one a cell as nested tuples; see `dispersion_of`.
        image: What a network sees, "pulls" or "counts", for those that give logarithms of Poisson rates.

    Raises:
        ValueError: If a share is negative or not finite, they do not add up to 1, a dispersion is not in [0, 0.5], or
            there is one with counts.
    """

    reference: tuple[Any, ...]
    dispersion: float | tuple[Any, ...] = 0.0
    image: _Image = "pulls"

    def __post_init__(self) -> None:
        shares = np.asarray(self.reference, np.float64)
        if shares.ndim not in (1, 2) or not (np.isfinite(shares) & (shares >= 0)).all() or abs(shares.sum() - 1) > 1e-6:
            raise ValueError(
                f"OccupancyMap: reference of shape {shares.shape} with sum {shares.sum():g}, required: (bins,) or "
                "(rows, columns) shares of at least 0 with sum 1"
            )
        wide = np.asarray(self.dispersion, np.float64)
        if wide.shape not in ((), shares.shape) or not ((wide >= 0) & (wide <= LARGEST_DISPERSION)).all():
            raise ValueError(
                f"OccupancyMap: dispersion of shape {wide.shape} from {wide.min():g} to {wide.max():g}, required: one "
                f"number or {shares.shape}, from 0 to {LARGEST_DISPERSION:g}"
            )
        if self.image not in (known := get_args(_Image)) or (self.image == "counts" and wide.any()):
            raise ValueError(
                f"OccupancyMap: image {self.image!r} with a dispersion up to {wide.max():g}, required: "
                f"{' or '.join(map(repr, known))}; dispersion is for pulls, counts are Poisson"
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
        image = values if self.image == "counts" else self.pulls(values)
        return OccupancyMapInputs(image.astype(np.float32)[:, np.newaxis])

    def pulls(self, values: Floats) -> Floats:
        """How far counts are from the reference, in standard deviations, shape (n, h, w).

        Args:
            values: Counts, shape (n, h, w).
        """
        return root(values, self._dispersion) - mean_root(self.expected(values), self._dispersion)

    @property
    def _dispersion(self) -> Floats:
        wide = np.asarray(self.dispersion, np.float64)
        return wide if wide.ndim == 0 else np.atleast_2d(wide)

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
            raise RefusedObjects(
                f"OccupancyMap: {values[tuple(first)]:g} in cell {tuple(first[1:].tolist())} of map {first[0]} is no "
                "count, required: finite and not negative",
                np.argwhere(wrong)[:, 0],
                "a cell that holds no count",
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
        roots = root(values, self._dispersion)
        for _ in range(_PASSES):
            usual = np.abs(roots - mean_root(level * share, self._dispersion)) < _ODD
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
        expected = self.expected(values)
        roots = mean_root(expected, self._dispersion) + pull
        return np.where(pull == 0, expected, from_root(roots, self._dispersion))


def _median(ratios: Floats, shares: Floats) -> Floats:
    """Median of each row of ratios (n, k) with weights (k,) that add up to 1, shape (n,)."""
    order = np.argsort(ratios, axis=1)
    place = np.argmax(np.cumsum(shares[order], axis=1) >= 0.5, axis=1)
    every = np.arange(len(ratios))
    medians: Floats = ratios[every, order[every, place]]
    return medians


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


def dispersion_of(
    good: ak.Array, representation: OccupancyMap, *, per_cell: bool = False, fewest_hits: float = 1.0
) -> float | tuple[Any, ...]:
    """Dispersion of the counts of good maps about their share of the hits: what `OccupancyMap` takes.

    Drift of the detector counts as dispersion: where a network describes it, what is left is less.

    Args:
        good: Good maps with `values`, shape (n,); cells that are odd in some count as the others.
        representation: With the reference; its own dispersion says only which cells give the level of a map.
        per_cell: Whether each cell has its own, at most 0.5; many maps are needed.
        fewest_hits: Maps with less are left out.

    Raises:
        ValueError: If fewer than two maps have so many hits, or the one number for all cells is above 0.5.
    """
    values = representation.counts(good)
    values = values[values.sum(axis=(1, 2)) >= max(fewest_hits, 1)]
    if len(values) < 2:
        raise ValueError(f"{len(values)} of {len(good)} maps have {fewest_hits:g} hits, required: 2 or more")
    share = np.atleast_2d(np.asarray(representation.reference, np.float64))
    mean = representation.expected(values)
    # The reference takes a degree of freedom of each cell, the level one of each map.
    freedom = (len(values) - 1) * (1 - share)
    if per_cell:
        fitted = fit_dispersion(values, mean, freedom).reshape(np.shape(representation.reference))
        return _tuples(list(fitted))
    live = np.broadcast_to(share > 0, values.shape)
    one = float(fit_dispersion(values[live], mean[live], freedom[share > 0].sum()))
    if one >= LARGEST_DISPERSION * (1 - 1e-9):
        raise ValueError(
            f"cells of good maps differ from their share by more than {100 * np.sqrt(LARGEST_DISPERSION):.0f} %, "
            "required: maps of one element of one detector; choose an element by its name, or a network for the drift"
        )
    return one


def _tuples(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(list(each)) if np.ndim(each) else float(each) for each in values)
