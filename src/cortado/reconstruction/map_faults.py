"""Regions of a map in which too much or too little was counted, from the pulls of its cells.

Rectangles of several sizes are moved over the map. The significance of one is the sum of the pulls of its k cells
over sqrt(k), that of a map the largest of all. Maps of one row are histograms of one dimension. Along a cyclic axis,
such as phi, rectangles and regions go over the seam.

Shapes: n maps, h rows, w columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import NDArray

from cortado.reconstruction.connected import connected

__all__ = ["BOXES", "Cyclic", "Regions", "fault_regions", "largest_significance"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Masks = NDArray[np.bool_]

Cyclic = Literal["", "x", "y", "xy"]
"""Axes of a map that close on themselves: x along its columns, y along its rows."""

BOXES = ((1, 1), (2, 2), (3, 3), (4, 4), (8, 8), (1, 0), (0, 1), (0, 4))
"""Rows and columns of the rectangles; 0 is the whole side."""

_PART = 0.5  # of the mean pull of a significant rectangle that a cell of its fault has, at least
_FRAME = np.zeros((3, 3, 3), bool)
_FRAME[1] = True  # cells are neighbours within their map, diagonally, too


class Regions(NamedTuple):
    """Regions of several maps, in their order; all arrays of length r.

    A region that goes over the seam of a cyclic axis has its first row or column there behind its last one.

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


def largest_significance(pulls: Floats, boxes: Iterable[tuple[int, int]] = BOXES, cyclic: Cyclic = "") -> Floats:
    """Significance of the most significant rectangle of each map, of either sign, shape (n,).

    Args:
        pulls: Of the cells, shape (n, h, w).
        boxes: Rows and columns of the rectangles, 0 for the whole side; those larger than the map are cut to it.
        cyclic: Axes along which rectangles go over the seam.
    """
    sides = _within(boxes, pulls.shape)
    sums = _summed(pulls, sides, cyclic)
    each = [np.abs(_significance(sums, box, pulls.shape)).max(axis=(1, 2)) for box in sides]
    largest: Floats = np.max(each, axis=0)
    return largest


def fault_regions(
    pulls: Floats,
    values: Floats,
    expected: Floats,
    threshold: float,
    boxes: Iterable[tuple[int, int]] = BOXES,
    cyclic: Cyclic = "",
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
        cyclic: Axes along which rectangles and regions go over the seam.

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
        significance, inside, size = _strongest(left[active], boxes, cyclic)
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
    regions: list[Regions] = []
    for excess, significance in best.items():
        numbers, many = _connected(significance > 0, cyclic)
        before = sum(len(earlier.map) for earlier in regions)
        labels = np.where(numbers > 0, numbers + before, labels)
        regions.append(_described(numbers, many, excess, significance, values, expected, cyclic))
    joined = Regions._make(np.concatenate(columns) for columns in zip(*regions, strict=True))
    order = np.argsort(joined.map, kind="stable")
    rank = np.append(0, np.argsort(order) + 1)
    return Regions._make(column[order] for column in joined), rank[labels]


def _within(boxes: Iterable[tuple[int, int]], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The different rectangles, cut to the map."""
    _, rows, columns = shape
    return list(dict.fromkeys((min(a or rows, rows), min(b or columns, columns)) for a, b in boxes))


def _summed(pulls: Floats, sides: list[tuple[int, int]], cyclic: Cyclic) -> Floats:
    """Sums of all rectangles from the first cell on, (n, h + 1 + more, w + 1 + more): more cells behind a seam."""
    behind = [(0, 0)]
    for axis, name in enumerate("yx"):
        size = pulls.shape[1 + axis]
        # A rectangle of the whole side is the same wherever it begins.
        longest = max((side[axis] for side in sides if side[axis] < size), default=1)
        behind.append((0, longest - 1 if name in cyclic else 0))
    closed = np.pad(pulls, behind, mode="wrap") if pulls.size else pulls
    return np.pad(closed, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)


def _significance(sums: Floats, box: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """Of the rectangles by their first cell, which is one of the map, (n, rows, columns)."""
    a, b = box
    inside = sums[:, a:, b:] - sums[:, :-a, b:] - sums[:, a:, :-b] + sums[:, :-a, :-b]
    rows, columns = (1 if side == size else size for side, size in zip(box, shape[1:]))
    significance: Floats = inside[:, :rows, :columns] / np.sqrt(a * b)
    return significance


def _strongest(pulls: Floats, boxes: Iterable[tuple[int, int]], cyclic: Cyclic) -> tuple[Floats, Masks, Integers]:
    """The most significant rectangle of each map: its significance (n,), its cells (n, h, w), their number (n,)."""
    n, rows, columns = pulls.shape
    sides, every = _within(boxes, pulls.shape), np.arange(n)
    sums = _summed(pulls, sides, cyclic)
    best, size = np.zeros(n), np.ones(n, np.int64)
    corner = np.zeros((4, n), np.int64)  # first row, rows, first column, columns
    for a, b in sides:
        significance = _significance(sums, (a, b), pulls.shape)
        place = np.abs(significance).reshape(n, -1).argmax(axis=1)
        row, column = np.unravel_index(place, significance.shape[1:])
        here = significance[every, row, column]
        better = np.abs(here) > np.abs(best)
        best, size = np.where(better, here, best), np.where(better, a * b, size)
        corner = np.where(better, [row, np.full(n, a), column, np.full(n, b)], corner)
    top, high, left, wide = corner[:, :, np.newaxis]
    in_rows = (np.arange(rows) - top) % rows < high
    in_columns = (np.arange(columns) - left) % columns < wide
    return best, in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis, :], size


def _connected(inside: Masks, cyclic: Cyclic) -> tuple[Integers, int]:
    """Number of the connected part of each cell within its map from 1 on, (n, h, w), and how many there are."""
    numbers, many = scipy.ndimage.label(inside, structure=_FRAME)
    for axis, name in enumerate("yx", start=1):
        if name in cyclic and many:
            first, last = (np.take(numbers, end, axis=axis) for end in (0, -1))  # (n, cells along the seam)
            other = "xy"[axis - 1] in cyclic
            pairs = [_touching(first, np.roll(last, shift, axis=1), shift, other) for shift in (-1, 0, 1)]
            one, two = np.concatenate(pairs, axis=1)
            kept, renumbered = np.unique(connected(one, two, many + 1)[1:], return_inverse=True)
            numbers, many = np.append(0, renumbered + 1)[numbers], len(kept)
    return numbers, many


def _touching(first: Integers, last: Integers, shift: int, closed: bool) -> Integers:
    """Pairs of numbers of cells on both sides of a seam, (2, k), of which one was shifted along it."""
    both = (first > 0) & (last > 0)
    if shift and not closed:
        both[:, 0 if shift > 0 else -1] = False
    return np.stack([first[both], last[both]])


def _described(
    numbers: Integers,
    many: int,
    excess: bool,
    significance: Floats,
    values: Floats,
    expected: Floats,
    cyclic: Cyclic,
) -> Regions:
    """The regions that are numbered from 1 to `many`."""
    where = np.nonzero(numbers)
    label = numbers[where] - 1
    index = np.zeros(many, np.int64)
    index[label] = where[0]
    rows, columns = (
        _ends(label, place, many, size, name in cyclic) for place, size, name in zip(where[1:], numbers.shape[1:], "yx")
    )
    largest = np.zeros(many)
    np.maximum.at(largest, label, significance[where])
    observed, foreseen = np.zeros((2, many))
    np.add.at(observed, label, values[where])
    np.add.at(foreseen, label, expected[where])
    return Regions(
        map=index,
        excess=np.full(many, excess),
        significance=largest,
        cells=np.bincount(label, minlength=many),
        first_row=rows[0],
        last_row=rows[1],
        first_column=columns[0],
        last_column=columns[1],
        observed=observed,
        expected=foreseen,
    )


def _ends(label: Integers, place: Integers, many: int, size: int, closed: bool) -> tuple[Integers, Integers]:
    """First and last row or column of connected regions, (many,) each; over the seam the first is the larger one."""
    held = np.zeros((many, size), bool)
    held[label, place] = True
    first, last = held.argmax(axis=1), size - 1 - held[:, ::-1].argmax(axis=1)
    if not closed:
        return first, last
    over = held[:, 0] & held[:, -1] & ~held.all(axis=1)
    free = ~held
    return (
        np.where(over, size - free[:, ::-1].argmax(axis=1), first),
        np.where(over, free.argmax(axis=1) - 1, last),
    )
