"""Faults put into good maps and histograms, to measure how many of them are found.

Shapes: n maps, h rows, w columns, or bins.
"""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.names import require_one_of
from cortado.readers.occupancy import map_record

__all__ = ["HISTOGRAM_FAULTS", "with_histogram_fault", "with_squares"]

HISTOGRAM_FAULTS = ("peak shifted by 3 bins", "half missing", "spike", "lower efficiency")
"""What can break in a histogram of one dimension."""


def with_histogram_fault(maps: ak.Array, fault: str, *, seed: int = 1) -> ak.Array:
    """Good histograms, each with a fault at a place of its own.

    "peak shifted by 3 bins" to either side, around the ends; "half missing" on one side of the median; "spike", a bin
    with a tenth of the entries more (Poisson); "lower efficiency", 70 % (binomial) in 9 bins. The last two are around
    a bin that is drawn as an entry is.

    Args:
        maps: As of `map_record`, of one dimension, shape (n,); counts are whole numbers.
        fault: One of `HISTOGRAM_FAULTS`.
        seed: Of the draws.

    Returns:
        Maps of the same runs, lumisections and names, shape (n,).

    Raises:
        ValueError: If the fault is unknown, or the maps are not histograms.
    """
    require_one_of("fault", fault, HISTOGRAM_FAULTS)
    values = ak.to_numpy(maps["values"]).astype(np.int64)
    if values.ndim != 2:
        raise ValueError(f"maps have {' x '.join(map(str, values.shape[1:]))} cells, required: one dimension")
    rng = np.random.default_rng(seed)
    n, bins = values.shape
    total, place = values.sum(axis=1, keepdims=True), np.arange(bins)
    middle = (values.cumsum(axis=1) >= total / 2).argmax(axis=1)[:, np.newaxis]
    centre = (values.cumsum(axis=1) > rng.random((n, 1)) * total).argmax(axis=1)[:, np.newaxis]
    side = rng.choice([-1, 1], (n, 1))
    if fault == "peak shifted by 3 bins":
        made = np.take_along_axis(values, (place - 3 * side) % bins, axis=1)
    elif fault == "half missing":
        made = np.where((place - middle) * side > 0, 0, values)
    elif fault == "spike":
        made = values + np.where(place == centre, rng.poisson(0.1 * total), 0)
    else:
        made = np.where(np.abs(place - centre) <= 4, rng.binomial(values, 0.7), values)
    return map_record(maps.run, maps.lumi, maps.name.tolist(), made)


def with_squares(
    one: ak.Record, live: NDArray[np.bool_], side: int, factor: float, *, places: int, seed: int | list[int] = 1
) -> ak.Array:
    """Copies of one map, each with the hits of one square of cells scaled; rows close on themselves, such as phi.

    Args:
        one: A map as of `map_record`, of two dimensions.
        live: Cells that work, shape (h, w); each square holds at least one.
        side: Cells along each side of the square.
        factor: Of its hits, which are rounded: 0 for dead cells.
        places: Number of copies.
        seed: Of the places.

    Returns:
        Maps, shape (places,).

    Raises:
        ValueError: If no cell works.
    """
    rows, columns = np.nonzero(live)
    if not len(rows):
        raise ValueError("no cell works, required: at least one for a fault to be in")
    values = ak.to_numpy(one["values"]).astype(float)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(rows), places)
    # A square begins up to `side - 1` cells before a live one; over the seam of the rows, too.
    before, left = (rng.integers(0, side, places) for _ in range(2))
    in_rows = (np.arange(values.shape[0]) - (rows[chosen] - before)[:, np.newaxis]) % values.shape[0] < side
    first = np.clip(columns[chosen] - left, 0, values.shape[1] - side)[:, np.newaxis]
    in_columns = (np.arange(values.shape[1]) >= first) & (np.arange(values.shape[1]) < first + side)
    inside = in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis, :]
    made = np.where(inside, np.round(values * factor), values)
    run, lumi, name = ([one[field]] * places for field in ("run", "lumi", "name"))
    return map_record(run, lumi, name, made)
