"""Maps of the occupancy of a detector, lumisection by lumisection, with faults of which the truth is kept.

A toy: nothing here was tuned to an experiment. Shapes: n maps, h rows (eta), w columns (phi).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import ntuples
from cortado.names import require_one_of
from cortado.simulation.units import MOST_UNITS, check_limits

__all__ = ["FAULTS", "MapSummary", "simulate_maps"]

TREE = "maps"
FAULTS = ("good", "dead", "hot", "noisy", "low_efficiency", "stripe")
"""Kinds of fault by their number in the file."""

_ETA_MAX = 2.5
_MODULE = 8  # cells on each side of a module
_DETECTOR_SEED = 20190313  # of what is the same in all files: one detector
_UNIT = 50  # runs
_FACTORS = {"dead": 0.0, "hot": 2.0, "noisy": 10.0, "low_efficiency": 0.7, "stripe": 0.5}

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]


class MapSummary(NamedTuple):
    """What was written.

    Attributes:
        path: The file.
        maps: Number of maps.
        faults: Number of maps of each kind of fault.
        hits: Mean number of hits of a map.
    """

    path: Path
    maps: int
    faults: dict[str, int]
    hits: float


def simulate_maps(
    path: str | Path,
    *,
    maps: int,
    hits: float = 1e5,
    faulty: float = 0.0,
    kinds: tuple[str, ...] = FAULTS[1:],
    lasting: bool = False,
    starved: float = 0.0,
    lumis: int = 20,
    shape: tuple[int, int] = (32, 32),
    drift: float = 0.03,
    seed: int = 1,
    progress: Callable[[int], object] | None = None,
) -> MapSummary:
    """Simulate occupancy maps of one detector and write them to a ROOT file as an ntuple, one map an entry.

    The occupancy falls from the ends of the detector to its middle, is lower at the edges of modules of 8 x 8 cells and
    differs by 5 % from cell to cell; one cell in two hundred is always dead. This is the same in all files. From run to
    run the beam spot moves (a wave in phi), the occupancy tilts along eta and each module changes its efficiency, all
    by `drift`. The number of hits varies from run to run by 30 % and falls by half within a run. Hits are Poisson.

    Faults: "dead" and "hot" (twice the hits) rectangles of 2 to 4 cells a side, one to three "noisy" cells with ten
    times the hits, a sector in phi, an eighth of the detector, with "low_efficiency" (70 %), a "stripe" of a row or
    column with half of the hits.

    The tree ``maps``: run, luminosityBlock, ``map_name`` (the bytes of "occupancy"), ``map_values`` (rows, columns),
    ``map_entries``, ``map_fault`` (its kind as of `FAULTS`), ``map_fault_cells`` (rows, columns).

    Args:
        path: File to write; an earlier one stays if the simulation fails.
        maps: Number of maps.
        hits: Mean number of hits of a map.
        faulty: Probability of a fault in a map; in a run, if they last.
        kinds: Kinds of faults, each as probable.
        lasting: Faults begin in some lumisection and stay to the end of the run; else each map has its own.
        starved: Probability that a lumisection has a thousandth of the hits.
        lumis: Lumisections of a run.
        shape: Rows and columns.
        drift: Size of what changes from run to run.
        seed: No two seeds share a map; runs are numbered from it.
        progress: Called with the number of new maps after each unit.

    Raises:
        ValueError: If a number is out of range, or a kind is unknown.

    Example:
        >>> simulate_maps("maps.root", maps=5000, faulty=0.1)  # doctest: +SKIP
        MapSummary(path=PosixPath('maps.root'), maps=5000, faults={'good': 4507, ...}, hits=99713.2)
    """
    check_limits(maps=(maps, _UNIT * MOST_UNITS), lumis=(lumis, 10_000), seed=(seed, 2**31 // MOST_UNITS))
    check_limits(rows=(shape[0], 1000), columns=(shape[1], 1000))
    _check(hits, faulty, kinds, starved, drift)
    counts, total = np.zeros(len(FAULTS), np.int64), 0.0

    def chunks() -> Iterator[dict[str, Any]]:
        nonlocal counts, total
        for unit, first in enumerate(range(0, maps, _UNIT * lumis)):
            number = np.arange(first, min(first + _UNIT * lumis, maps))
            rng = np.random.default_rng([seed, unit])
            run, lumi = number // lumis, number % lumis
            rate = _rates(run, lumi, lumis, hits, starved, shape, drift, rng)
            kind, cells, factor = _faults(run, lumi, lumis, faulty, kinds, lasting, shape, rng)
            values = rng.poisson(rate * np.where(cells, factor[:, np.newaxis, np.newaxis], 1.0))
            counts += np.bincount(kind, minlength=len(FAULTS))
            total += float(values.sum())
            if progress is not None:
                progress(len(number))
            yield _branches(seed * MOST_UNITS + run, lumi + 1, values, kind, cells)

    stored = ntuples.write(path, TREE, chunks(), title="occupancy of a toy detector")
    return MapSummary(Path(path), stored, dict(zip(FAULTS, counts.tolist())), total / stored)


def detector(shape: tuple[int, int]) -> Floats:
    """Share of the hits in each cell of the detector without faults and drift, (h, w)."""
    rows, columns = shape
    rng = np.random.default_rng([_DETECTOR_SEED, rows, columns])
    eta = _eta(rows)[:, np.newaxis]
    profile = (0.6 + 0.4 * (eta / _ETA_MAX) ** 2) * np.ones(shape)
    profile[_at_edge(rows)] *= 0.8
    profile[:, _at_edge(columns)] *= 0.8
    profile *= np.exp(rng.normal(0, 0.05, shape)) * (rng.random(shape) > 0.005)
    share: Floats = profile / profile.sum()
    return share


def _rates(
    run: Integers,
    lumi: Integers,
    lumis: int,
    hits: float,
    starved: float,
    shape: tuple[int, int],
    drift: float,
    rng: np.random.Generator,
) -> Floats:
    """Expected hits in each cell of maps without faults, (n, h, w)."""
    of_map = run - run[0]
    runs = int(of_map[-1]) + 1
    wave, tilt = rng.normal(0, drift, (2, runs, 1, 1))
    start = rng.uniform(0, 2 * np.pi, (runs, 1, 1))
    phi = 2 * np.pi * (np.arange(shape[1]) + 0.5) / shape[1]
    factor = (1 + wave * np.cos(phi - start)) * (1 + tilt * _eta(shape[0])[:, np.newaxis] / _ETA_MAX)
    rows, columns = (np.arange(size) // _MODULE for size in shape)
    modules = rng.normal(0, drift, (runs, rows[-1] + 1, columns[-1] + 1))[:, rows][:, :, columns]
    share = detector(shape) * factor * np.exp(modules)
    share /= share.sum(axis=(1, 2), keepdims=True)
    spread = 0.3
    level = np.exp(rng.normal(-(spread**2) / 2, spread, runs))[of_map] * 2 ** (-lumi / lumis) / _mean_decay(lumis)
    level *= np.where(rng.random(len(run)) < starved, 1e-3, 1.0)
    rates: Floats = hits * level[:, np.newaxis, np.newaxis] * share[of_map]
    return rates


def _mean_decay(lumis: int) -> float:
    return float(np.mean(2 ** (-np.arange(lumis) / lumis)))


def _eta(rows: int) -> Floats:
    return _ETA_MAX * (2 * (np.arange(rows) + 0.5) / rows - 1)


def _at_edge(size: int) -> Masks:
    place = np.arange(size) % _MODULE
    edge: Masks = (place == 0) | (place == _MODULE - 1)
    return edge


def _faults(
    run: Integers,
    lumi: Integers,
    lumis: int,
    faulty: float,
    kinds: tuple[str, ...],
    lasting: bool,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[Integers, Masks, Floats]:
    """Kind (n,), cells (n, h, w) and factor (n,) of the fault of each map."""
    slot = run - run[0] if lasting else np.arange(len(run))
    slots = int(slot[-1]) + 1
    number = rng.choice([FAULTS.index(kind) for kind in kinds], slots) if kinds else np.zeros(slots, np.int64)
    number = np.where(rng.random(slots) < faulty, number, 0)
    begins = rng.integers(0, lumis, slots) if lasting else np.zeros(slots, np.int64)
    cells = _cells(number, shape, rng)
    active = (lumi >= begins[slot]) & (number[slot] > 0)
    factors = np.array([1.0, *_FACTORS.values()])
    return np.where(active, number[slot], 0), cells[slot] & active[:, np.newaxis, np.newaxis], factors[number[slot]]


def _cells(kind: Integers, shape: tuple[int, int], rng: np.random.Generator) -> Masks:
    """Cells of faults of the given kinds, (n, h, w)."""
    n, (rows, columns) = len(kind), shape
    high, wide = rng.integers(2, 5, (2, n))
    is_noisy, is_sector, is_stripe = (kind == FAULTS.index(name) for name in ("noisy", "low_efficiency", "stripe"))
    along = rng.random(n) < 0.5
    tall: list[Any] = [1, rows, np.where(along, 1, rows)]
    high = np.select([is_noisy, is_sector, is_stripe], tall, high)
    sides: list[Any] = [rng.integers(1, 4, n), max(columns // 8, 1), np.where(along, columns, 1)]
    wide = np.select([is_noisy, is_sector, is_stripe], sides, wide)
    top = np.floor(rng.random(n) * np.maximum(rows - high + 1, 1)).astype(np.int64)
    left = np.floor(rng.random(n) * np.maximum(columns - wide + 1, 1)).astype(np.int64)
    row, column = np.arange(rows), np.arange(columns)
    in_rows = (row >= top[:, np.newaxis]) & (row < (top + high)[:, np.newaxis])
    in_columns = (column >= left[:, np.newaxis]) & (column < (left + wide)[:, np.newaxis])
    inside: Masks = in_rows[:, :, np.newaxis] & in_columns[:, np.newaxis, :] & (kind > 0)[:, np.newaxis, np.newaxis]
    return inside


def _branches(run: Integers, lumi: Integers, values: Integers, kind: Integers, cells: Masks) -> dict[str, Any]:
    name = np.frombuffer(b"occupancy", np.uint8)
    return {
        "run": run.astype(np.uint32),
        "luminosityBlock": lumi.astype(np.uint32),
        "map_name": ak.unflatten(np.tile(name, len(run)), np.full(len(run), len(name))),
        "map_values": values.astype(np.int32),
        "map_entries": values.sum(axis=(1, 2)).astype(np.int64),
        "map_fault": kind.astype(np.int8),
        "map_fault_cells": cells,
    }


def _check(hits: float, faulty: float, kinds: tuple[str, ...], starved: float, drift: float) -> None:
    for name, value in (("faulty", faulty), ("starved", starved)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; it must be a probability, from 0 to 1")
    if not 0 < hits <= 1e12 or not 0 <= drift <= 0.3:
        raise ValueError(f"hits is {hits:g}, drift {drift:g}; required: 0 < hits <= 1e12 and 0 <= drift <= 0.3")
    for kind in kinds:
        require_one_of("kind of fault", kind, FAULTS[1:])
