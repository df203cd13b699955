"""Showers from columns of energies: what the dialects of calorimeters share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key_of_momenta
from cortado.readers import columns

Numbers = npt.NDArray[Any]

MEV = 1000
"""In a GeV."""


def numbers(events: ak.Array, name: str) -> Numbers:
    """One number a shower, stored as (n,) or (n, 1).

    Args:
        events: Entries, shape (n,).
        name: Name of the column.

    Returns:
        Shape (n,).

    Raises:
        ValueError: If there are none or several for some shower.
    """
    values = _regular(events, name)
    if values.shape[1:] not in ((), (1,)):
        raise ValueError(f"{name} must be one number for each shower, here it has the shape {values.shape}")
    return values.reshape(len(events))


def cells(events: ak.Array, name: str, axes: str) -> npt.NDArray[np.float32]:
    """Energies that are stored in MeV as an array of fixed size for each shower.

    Args:
        events: Entries, shape (n,).
        name: Name of the column.
        axes: Names of the axes of the array, such as "rows, columns".

    Returns:
        Energies [GeV], shape (n, *axes).

    Raises:
        ValueError: If the arrays have other axes, or not the same size for all showers.
    """
    values = _regular(events, name)
    if values.ndim != 2 + axes.count(","):
        raise ValueError(f"{name} must have the shape (n, {axes}), here it has {values.shape}")
    return (values / MEV).astype(np.float32)


def one_shower_an_entry(fields: Mapping[str, Any], layers: Mapping[str, Numbers]) -> ak.Array:
    """Showers, one an entry, with an `event_key` made of their numbers, unless they have one: copies share it.

    Args:
        fields: Columns by name, among them `energy` [GeV], shape (n, ...).
        layers: Cells [GeV] of the layers, by name and in their order, shape (n, rows, columns).

    Returns:
        Showers, shape (n, 1).
    """
    key = fields["event_key"] if "event_key" in fields else _event_key(fields["energy"], list(layers.values()))
    others = {name: column for name, column in fields.items() if name != "event_key"}
    showers = ak.zip({**others, **layers, "event_key": key}, depth_limit=1)
    return ak.unflatten(showers, np.ones(len(showers), dtype=np.int64))


def one_shower_record(showers: ak.Array, others: Mapping[str, Any]) -> ak.Array:
    """Record of files that have one shower an entry: events of shape (n,) with showers, event_key and other columns."""
    return columns.records({"showers": showers, "event_key": ak.flatten(showers["event_key"])} | dict(others))


def _event_key(energy: Numbers, layers: Sequence[Numbers]) -> npt.NDArray[np.uint64]:
    """Key from the incident energy, the energy in the cells, its depth, and the largest cell."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.stack([cells.sum(axis=(1, 2), dtype=np.float64) for cells in layers], axis=1)
        largest = np.max([cells.max(axis=(1, 2), initial=0) for cells in layers], axis=0)
        depth = (sums * np.arange(len(layers))).sum(axis=1)
        return np.asarray(event_key_of_momenta(energy, sums.sum(axis=1), depth, largest))


def _regular(events: ak.Array, name: str) -> Numbers:
    column = columns.column(events, name)
    try:
        return np.asarray(ak.to_numpy(column, allow_missing=False))
    except ValueError as error:
        raise ValueError(f"{name} must have the same size for all showers, here it is {ak.type(column)}") from error
