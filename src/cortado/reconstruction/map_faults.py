"""Regions of a map in which too much or too little was counted, from the pulls of its cells.

Rectangles of several sizes are moved over the map. The significance of one is the sum of the pulls of its k cells
over sqrt(k), that of a map the largest of all. Maps of one row are histograms of one dimension.

Shapes: n maps, h rows, w columns.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["BOXES", "Regions", "fault_regions", "largest_significance"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Masks = NDArray[np.bool_]

BOXES = ((1, 1), (2, 2), (3, 3), (4, 4), (8, 8), (1, 0), (0, 1), (0, 4))
"""Rows and columns of the rectangles; 0 is the whole side."""

_PART = 0.5  # of the mean pull of a significant rectangle that a cell of its fault has, at least
_FRAME = np.zeros((3, 3, 3), bool)
_FRAME[1] = True  # cells are neighbours within their map, diagonally, too


class Regions(NamedTuple):
    """Regions of several maps, in their order; all arrays of length r.

    Attributes:
        map: Index of the map.
        excess: Whether there is too much.
        significance: That of the most significant rectangle with a cell of the region, above 0.
        cells: Number of them.
        first_row: Of its cells.
        last_row: Of its cells.
        first_column: Of its cells.
        last_column: Of its cells.
        observed: Counts.
        expected: Counts.
    """

    map: Integers
    excess: Masks
    significance: Floats
    cells: Integers
    first_row: Integers
    last_row: Integers
    first_column: Integers
    last_column: Integers
    observed: Floats
    expected: Floats


def largest_significance(pulls: Floats, boxes: Iterable[tuple[int, int]] = BOXES) -> Floats:
    """Significance of the most significant rectangle of each map, of either sign, shape (n,).

    Args:
        pulls: Of the cells, shape (n, h, w).
        boxes: Rows and columns of the rectangles, 0 for the whole side; those larger than the map are cut to it.
    """
    sums = _summed(pulls)
    each = [np.abs(_significance(sums, box)).max(axis=(1, 2)) for box in _within(boxes, pulls.shape)]
    largest: Floats = np.max(each, axis=0)
    return largest


def fault_regions(
    pulls: Floats, values: Floats, expected: Floats, threshold: float, boxes: Iterable[tuple[int, int]] = BOXES
) -> tuple[Regions, Integers]:
    """Connected cells of significant rectangles: none in a map in which none is above the threshold.

    The most significant rectangle of a map is taken, of it the cells that have at least half of its mean pull; their
    pulls are then set to 0, and so on until no rectangle is above the threshold.

    Args:
        pulls: Of the cells, shape (n, h, w).
        values: Counts, shape (n, h, w).
        expected: Expected counts, shape (n, h, w).
        threshold: For the significance, above 0.
        boxes: As of `largest_significance`.

    Returns:
        The regions, and the number of the region of each cell from 1 on, 0 for none, shape (n, h, w).

    Raises:
        ValueError: If the threshold is not above 0.
    """
    if not threshold > 0:
        raise ValueError(f"threshold of the significance must be above 0, got {threshold}")
    best = {True: np.zeros(pulls.shape), False: np.zeros(pulls.shape)}
    left, active = pulls.copy(), np.arange(len(pulls))
    while len(active):
        significance, inside, size = _strongest(left[active], boxes)
        above = np.abs(significance) > threshold
        active, significance, inside, size = active[above], significance[above], inside[above], size[above]
        needed = _PART * significance / np.sqrt(size)
        signed = left[active] * np.sign(significance)[:, np.newaxis, np.newaxis]
        taken = inside & (signed >= np.abs(needed)[:, np.newaxis, np.newaxis])
        for excess, significances in best.items():
            each = np.where(taken, np.abs(significance)[:, np.newaxis, np.newaxis], 0.0)
            each[(significance > 0) != excess] = 0.0
            significances[active] = np.maximum(significances[active], each)
        left[active] = np.where(taken, 0.0, left[active])
    labels = np.zeros(pulls.shape, np.int64)
    found: list[Regions] = []
    for excess, significance in best.items():
        numbers, many = ndimage.label(significance > 0, structure=_FRAME)
        before = sum(len(earlier.map) for earlier in found)
        labels = np.where(numbers > 0, numbers + before, labels)
        found.append(_described(numbers, many, excess, significance, values, expected))
    joined = Regions._make(np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.argsort(joined.map, kind="stable")
    rank = np.append(0, np.argsort(order) + 1)
    return Regions._make(column[order] for column in joined), rank[labels]


def _within(boxes: Iterable[tuple[int, int]], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The different rectangles, cut to the map."""
    _, rows, columns = shape
    return list(dict.fromkeys((min(a or rows, rows), min(b or columns, columns)) for a, b in boxes))


def _summed(pulls: Floats) -> Floats:
    """Sums of all rectangles from the first cell on, (n, h + 1, w + 1)."""
    return np.pad(pulls, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)


def _significance(sums: Floats, box: tuple[int, int]) -> Floats:
    """Of the rectangles by their first cell, (n, h - rows + 1, w - columns + 1)."""
    a, b = box
    inside = sums[:, a:, b:] - sums[:, :-a, b:] - sums[:, a:, :-b] + sums[:, :-a, :-b]
    significance: Floats = inside / np.sqrt(a * b)
    return significance


def _strongest(pulls: Floats, boxes: Iterable[tuple[int, int]]) -> tuple[Floats, Masks, Integers]:
    """The most significant rectangle of each map: its significance (n,), its cells (n, h, w), their number (n,)."""
    n, rows, columns = pulls.shape
    sums, every = _summed(pulls), np.arange(n)
    best, size = np.zeros(n), np.ones(n, np.int64)
    corner = np.zeros((4, n), np.int64)  # first and last row, first and last column
    for a, b in _within(boxes, pulls.shape):
        significance = _significance(sums, (a, b))
        place = np.abs(significance).reshape(n, -1).argmax(axis=1)
        row, column = np.unravel_index(place, significance.shape[1:])
        here = significance[every, row, column]
        better = np.abs(here) > np.abs(best)
        best, size = np.where(better, here, best), np.where(better, a * b, size)
        corner = np.where(better, [row, row + a - 1, column, column + b - 1], corner)
    top, bottom, left, right = corner[:, :, np.newaxis]
    in_rows = (np.arange(rows) >= top) & (np.arange(rows) <= bottom)
    in_columns = (np.arange(columns) >= left) & (np.arange(columns) <= right)
    return best, in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis, :], size


def _described(
    numbers: Integers, many: int, excess: bool, significance: Floats, values: Floats, expected: Floats
) -> Regions:
    """The regions that are numbered from 1 to `many`."""
    where = np.nonzero(numbers)
    label = numbers[where] - 1
    first, last = np.full((3, many), np.iinfo(np.int64).max), np.full((3, many), -1)
    for axis, place in enumerate(where):
        np.minimum.at(first[axis], label, place)
        np.maximum.at(last[axis], label, place)
    largest = np.zeros(many)
    np.maximum.at(largest, label, significance[where])
    observed, foreseen = np.zeros((2, many))
    np.add.at(observed, label, values[where])
    np.add.at(foreseen, label, expected[where])
    return Regions(
        map=first[0],
        excess=np.full(many, excess),
        significance=largest,
        cells=np.bincount(label, minlength=many),
        first_row=first[1],
        last_row=last[1],
        first_column=first[2],
        last_column=last[2],
        observed=observed,
        expected=foreseen,
    )
