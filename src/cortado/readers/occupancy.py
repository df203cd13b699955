"""Monitoring maps as an ntuple: one entry is one map (histogram) of one lumisection.

`map_values` is an array of counts of each entry: bins, or rows and columns, jagged or not, of one shape in a file.
Files of `cortado simulate maps` are of this form; those of a monitoring system of histograms are read by
`reading.read_maps`, which makes the same record.

The key of a map is made of its run alone: a `Split` shares out runs, as maps of one run are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.event_keys import event_key
from cortado.readers import columns

__all__ = ["FORMS", "NAME", "branches", "columns_of", "counts", "map_record", "maps", "record"]

NAME = "occupancy"
_RUN, _LUMI, _NAME, _VALUES, _ENTRIES = "run", "luminosityBlock", "map_name", "map_values", "map_entries"
_TRUTH = {"map_fault": "fault", "map_fault_cells": "fault_cells", "map_label": "label"}
FORMS = ((_RUN, _LUMI, _VALUES),)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    return [name for name in (_RUN, _LUMI, _NAME, _VALUES, _ENTRIES, *_TRUTH) if name in there]


def maps(events: ak.Array) -> ak.Array:
    """Maps, shape (n, 1), see `map_record`.

    Args:
        events: Entries, shape (n,).

    Raises:
        KeyError: If run, lumisection or values are missing.
        ValueError: If maps are of several shapes, or a count is negative or not finite.
    """
    available = columns.names(events)
    columns.require(*FORMS, available, NAME)
    run, lumi = (ak.to_numpy(columns.column(events, name)) for name in (_RUN, _LUMI))
    there = {field: branch for branch, field in _TRUTH.items() if branch in available}
    truth = {field: ak.to_numpy(columns.column(events, branch)) for field, branch in there.items()}
    if _ENTRIES in available:
        truth["entries"] = ak.to_numpy(columns.column(events, _ENTRIES))
    names = _texts(columns.column(events, _NAME)) if _NAME in available else ["map"] * len(run)
    flat = map_record(run, lumi, names, columns.column(events, _VALUES), truth)
    return ak.unflatten(flat, np.ones(len(flat), np.int64))


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package: events of one map, shape (n,), with run, luminosity_block, event_key, maps.

    Args:
        events: Entries, shape (n,).

    Raises:
        KeyError: If run, lumisection or values are missing.
        ValueError: See `maps`.
    """
    each = maps(events)
    of_event = {"run": each.run[:, 0], "luminosity_block": each.lumi[:, 0], "event_key": each.event_key[:, 0]}
    return columns.records({**of_event, "maps": each})


def map_record(
    run: Any, lumi: Any, name: Iterable[str], values: Any, others: Mapping[str, Any] | None = None
) -> ak.Array:
    """Maps as the package wants them, shape (n,).

    Args:
        run: Number of the run, shape (n,).
        lumi: Number of the lumisection, shape (n,).
        name: Name of the monitoring element of each.
        values: Counts, shape (n, bins) or (n, rows, columns).
        others: Further fields of length n: entries (the sum of the values if not given), fault, fault_cells, label.

    Returns:
        Records with run, lumi, name, values (float32), entries, event_key (of the run) and the others.

    Raises:
        ValueError: If maps are of several shapes, or a count is negative or not finite; names the first map.
    """
    names = list(name)
    where = [f"run {r}, lumisection {number}, {text!r}" for r, number, text in zip(run, lumi, names)]
    filled = counts(values, where)
    runs, lumis = np.asarray(run).astype(np.int64), np.asarray(lumi).astype(np.int64)
    fields: dict[str, Any] = {"run": runs, "lumi": lumis, "name": ak.Array(names) if names else _no_names()}
    fields |= {"entries": filled.sum(axis=tuple(range(1, filled.ndim)), dtype=np.float64), "values": filled}
    fields["event_key"] = event_key(runs, np.zeros_like(runs), np.zeros_like(runs))
    return ak.zip({**fields, **(others or {})}, depth_limit=1)


def columns_of(maps: ak.Array) -> dict[str, Any]:
    """Branches of an ntuple with these maps, as `ntuples.write` takes them: the inverse of `maps`.

    Args:
        maps: As of `map_record`, shape (n,).
    """
    names = [name.encode() for name in maps.name.tolist()]
    letters = np.frombuffer(b"".join(names), np.uint8)
    stored = {
        _RUN: ak.to_numpy(maps.run).astype(np.uint32),
        _LUMI: ak.to_numpy(maps.lumi).astype(np.uint32),
        _NAME: ak.unflatten(letters, np.array([len(name) for name in names], np.int64)),
        _VALUES: ak.to_numpy(maps["values"]),
        _ENTRIES: ak.to_numpy(maps.entries),
    }
    truth = {branch: field for branch, field in _TRUTH.items() if field in maps.fields}
    return stored | {branch: ak.to_numpy(maps[field]) for branch, field in truth.items()}


def counts(values: Any, where: list[str]) -> NDArray[np.float32]:
    """Counts of maps of one shape, (n, bins) or (n, rows, columns).

    Args:
        values: Array of numbers, jagged or not.
        where: What to call each map in messages.

    Raises:
        ValueError: If maps are of several shapes, or a count is negative or not finite; names the first map.
    """
    array = values if isinstance(values, ak.Array) else ak.Array(values)
    if array.ndim not in (2, 3):
        raise ValueError(f"maps must be arrays of bins, or of rows and columns, got {ak.type(array)}")
    _require_one_shape(array, where)
    filled = np.asarray(ak.to_numpy(array)).astype(np.float32)
    wrong = ~(np.isfinite(filled) & (filled >= 0))
    if wrong.any():
        first = np.argwhere(wrong)[0]
        cell = ", ".join(map(str, first[1:]))
        raise ValueError(
            f"{where[first[0]]}: {filled[tuple(first)]:g} in cell ({cell}) is no count, required: finite and not "
            f"negative; {np.count_nonzero(wrong)} such cells in {len(np.unique(np.nonzero(wrong)[0]))} maps"
        )
    return filled


def _require_one_shape(array: ak.Array, where: list[str]) -> None:
    if not len(array):
        return
    shapes = [ak.to_numpy(ak.num(array, axis=1))]
    if array.ndim == 3:
        widest, narrowest = ak.max(ak.num(array, axis=2), axis=1), ak.min(ak.num(array, axis=2), axis=1)
        shapes += [ak.to_numpy(ak.fill_none(widest, 0)), ak.to_numpy(ak.fill_none(narrowest, 0))]
    shape = np.stack(shapes, axis=1)
    usual = shape[0]
    other = np.flatnonzero((shape != usual).any(axis=1))
    if len(other):
        bins = " x ".join(map(str, shape[other[0]][:2]))
        raise ValueError(
            f"{where[other[0]]}: has {bins} bins, required are those of the first, {where[0]}: "
            f"{' x '.join(map(str, usual[:2]))}; {len(other)} of {len(array)} maps differ: choose elements by name"
        )


def _texts(column: ak.Array) -> list[str]:
    """Names: strings, or their bytes."""
    raw = ak.to_list(column)
    return [each if isinstance(each, str) else bytes(each).decode() for each in raw]


def _no_names() -> ak.Array:
    return ak.Array(["x"])[:0]
