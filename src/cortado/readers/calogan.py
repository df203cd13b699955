"""Showers in the form of the CaloGAN data: one shower an entry, one array of cells for each layer.

The published HDF5 files have `energy` [GeV], `layer_0`, `layer_1`, `layer_2` [MeV] and `overflow` [MeV], which is
what left the calorimeter at the side of each layer. Those of `cortado simulate` and `cortado generate`, ROOT or HDF5,
have in addition `pdg_id` and `is_generated`, and may have `weight`. Any number of layers of any size can be read.

There are no event numbers: the key of an entry is made of the energies of its shower, unless the file has an
`event_key`. So a generated shower can be on the side of a split where the simulated one is that lent it its energy.

References:
    Paganini et al., CaloGAN (2017), arXiv:1712.10321; data: doi:10.17632/pvn3xc3wy5.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import awkward as ak
import numpy as np

from cortado.readers import columns, energies

__all__ = ["FORMS", "NAME", "branches", "columns_of", "record", "showers"]

NAME = "CaloGAN"
_ENERGY, _OVERFLOW, _WEIGHT, _KEY = "energy", "overflow", "weight", "event_key"
_TRUTH = {"pdg_id": np.int32, "is_generated": np.bool_, _KEY: np.uint64}
FORMS = ((_ENERGY, "layer_0"),)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    return [name for name in [_ENERGY, *_layers(there), _OVERFLOW, *_TRUTH, _WEIGHT] if name in there]


def showers(events: ak.Array) -> ak.Array:
    """Showers with their cells.

    Args:
        events: Entries, shape (n,).

    Returns:
        One shower an entry, shape (n, var), with the incident energy [GeV], layer_0 (rows, columns), ... [GeV],
        event_key and, where the file has them, overflow [GeV], pdg_id and is_generated.

    Raises:
        KeyError: If the energy or the first layer is missing.
        ValueError: If a layer before the last is missing, there is not one energy a shower, or the cells of a layer
            are no array of rows and columns of the same size for all showers.
    """
    available = columns.names(events)
    columns.require(*FORMS, available, NAME)
    if absent := columns.missing(_layers(available), available):
        raise ValueError(f"layers must be numbered without a gap, but there is no {', '.join(absent)}")
    fields = {"energy": energies.numbers(events, _ENERGY).astype(np.float32)}
    fields |= {name: energies.numbers(events, name).astype(kind) for name, kind in _TRUTH.items() if name in available}
    if _OVERFLOW in available:
        fields["overflow"] = energies.cells(events, _OVERFLOW, "layers")
    layers = {name: energies.cells(events, name, "rows, columns") for name in _layers(available)}
    return energies.one_shower_an_entry(fields, layers)


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package: events of one shower, shape (n,), with showers and event_key.

    Args:
        events: Entries, shape (n,).

    Returns:
        Events, shape (n,), with showers, event_key and, where the file has it, weight.

    Raises:
        KeyError: If the energy or the first layer is missing.
        ValueError: See `showers`.
    """
    weight = {_WEIGHT: energies.numbers(events, _WEIGHT)} if _WEIGHT in columns.names(events) else {}
    return energies.one_shower_record(showers(events), weight)


def columns_of(showers: ak.Array, *, is_generated: bool) -> dict[str, np.ndarray]:
    """Columns of a file with these showers, in the units of the dialect: the inverse of `showers`.

    Args:
        showers: With energy and layers [GeV], and perhaps event_key, shape (n,).
        is_generated: Whether a network made them.

    Returns:
        Name -> values, float32, bool and uint64, of length n.
    """
    stored = {_ENERGY: np.asarray(showers.energy, dtype=np.float32)}
    for name in _layers(showers.fields):
        stored[name] = (ak.to_numpy(showers[name]) * energies.MEV).astype(np.float32)
    if _KEY in showers.fields:
        stored[_KEY] = np.asarray(showers[_KEY], dtype=np.uint64)
    return stored | {"is_generated": np.full(len(showers), is_generated)}


def _layers(available: Iterable[str]) -> list[str]:
    """Names of all layers up to the last one that is available."""
    numbers = [int(match[1]) for name in available if (match := re.fullmatch(r"layer_(\d+)", name))]
    return [f"layer_{number}" for number in range(max(numbers, default=0) + 1)]
