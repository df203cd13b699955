"""Faults of single lumisections to faults that last."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.monitoring.examination import Examined
from cortado.reconstruction import Regions

__all__ = ["Episode", "episodes"]

_GAP = 2  # lumisections of the files after which a fault that is seen again is another one
_APART = 2  # difference of rows or columns of near cells


class Episode(NamedTuple):
    """A region that is at fault in one lumisection or several in a row.

    Attributes:
        name: Of the monitoring element.
        run: Number of the run.
        first_lumi: Lumisection in which it was seen first.
        last_lumi: Lumisection in which it was seen last.
        lumis: Number of lumisections in which it was seen.
        rows: First and last; the first is the larger one if the region goes over the seam of a cyclic axis.
        columns: The same.
        cells: Largest number of cells.
        excess: Whether there is too much.
        ratio: Observed by expected counts, all lumisections together.
        significance: Largest of all lumisections.
        worst: Index of the map in which it is the largest.
    """

    name: str
    run: int
    first_lumi: int
    last_lumi: int
    lumis: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    cells: int
    excess: bool
    ratio: float
    significance: float
    worst: int

    @property
    def what(self) -> str:
        """The fault in words."""
        if self.ratio < 0.1:
            return "dead"
        return (
            f"{self.ratio:.2f} of the expected hits" if self.ratio < 10 else f"{self.ratio:.0f} times the expected hits"
        )


def episodes(examined: Examined) -> list[Episode]:
    """Join regions of one run, element and sign that are near each other in lumisections in a row; worst first.

    A region may be missing in one lumisection in between; lumisections that are in no file do not count. Regions are
    near if not more than one cell lies between the rectangles around them. The region of an episode is the rectangle
    that holds it whenever it is seen.
    """
    regions = examined.regions
    run, lumi, name = (column[regions.map] for column in (examined.run, examined.lumi, examined.name))
    ends = _unrolled(regions, examined.grid)
    turns, place = _turns(examined), _places(examined)[regions.map]
    open_ones: dict[tuple[int, str, bool], list[list[int]]] = {}
    for k in np.lexsort((-regions.significance, lumi, name, run)):
        of_kind = open_ones.setdefault((int(run[k]), str(name[k]), bool(regions.excess[k])), [])
        for members in of_kind:
            near = _near(ends[k] + turns, ends[members])
            if place[k] - place[members[-1]] <= _GAP and near.any():
                ends[k] += turns[near.argmax()]
                members.append(int(k))
                break
        else:
            of_kind.append([int(k)])
    every = (members for of_kind in open_ones.values() for members in of_kind)
    faults = [_episode(examined, np.array(members), ends) for members in every]
    return sorted(faults, key=lambda one: -one.significance)


def _places(examined: Examined) -> NDArray[np.int64]:
    """Place of each map among the lumisections of its run and element that were examined, (n,); larger for others."""
    keys = examined.lumi, examined.name, examined.run
    order = np.lexsort(keys)
    other = np.zeros(len(order), bool)
    for key in keys:
        other[1:] |= key[order][1:] != key[order][:-1]
    places = np.empty(len(order), np.int64)
    places[order] = np.cumsum(other)
    return places


def _unrolled(regions: Regions, grid: tuple[int, int]) -> NDArray[np.int64]:
    """First and last row, first and last column of regions, (r, 4); behind a seam they are counted on."""
    ends = np.stack([regions.first_row, regions.last_row, regions.first_column, regions.last_column], axis=1)
    for axis, size in enumerate(grid):
        ends[:, 2 * axis + 1] += np.where(ends[:, 2 * axis + 1] < ends[:, 2 * axis], size, 0)
    return ends


def _turns(examined: Examined) -> NDArray[np.int64]:
    """What the ends of a rectangle may be shifted by, (k, 4); the first is none."""
    rows, columns = ((0, size, -size) if name in examined.cyclic else (0,) for name, size in zip("yx", examined.grid))
    return np.array([[row, row, column, column] for row in rows for column in columns])


def _near(several: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rectangles (first row, last row, first column, last column) are near one that holds the others."""
    first, last = others[:, [0, 2]].min(axis=0), others[:, [1, 3]].max(axis=0)
    near: NDArray[np.bool_] = ((several[:, [0, 2]] <= last + _APART) & (first <= several[:, [1, 3]] + _APART)).all(
        axis=1
    )
    return near


def _rolled(first: int, last: int, size: int) -> tuple[int, int]:
    """Ends on the map."""
    return (0, size - 1) if last - first >= size - 1 else (first % size, last % size)


def _episode(examined: Examined, members: NDArray[np.int64], ends: NDArray[np.int64]) -> Episode:
    regions = examined.regions
    maps = regions.map[members]
    worst = members[np.argmax(regions.significance[members])]
    expected = float(regions.expected[members].sum())
    return Episode(
        name=str(examined.name[maps[0]]),
        run=int(examined.run[maps[0]]),
        first_lumi=int(examined.lumi[maps].min()),
        last_lumi=int(examined.lumi[maps].max()),
        lumis=len(np.unique(examined.lumi[maps])),
        rows=_rolled(int(ends[members, 0].min()), int(ends[members, 1].max()), examined.grid[0]),
        columns=_rolled(int(ends[members, 2].min()), int(ends[members, 3].max()), examined.grid[1]),
        cells=int(regions.cells[members].max()),
        excess=bool(regions.excess[members[0]]),
        ratio=float(regions.observed[members].sum()) / max(expected, 1e-9),
        significance=float(regions.significance[worst]),
        worst=int(regions.map[worst]),
    )
