"""The top-tagging reference data: one jet an entry, massless constituents, is_signal_new (1 top, 0 QCD).

Two forms: jagged part_px, part_py, part_pz, part_energy (ROOT), and the 200 zero-padded slots E_0, PX_0,
PY_0, PZ_0, ... of the original HDF5 files, where a slot with E > 0 is a constituent. The momentum of a jet is
the sum over its constituents. There are no event numbers: the key of an entry is made from the momentum of
its first constituent, so that both forms of a jet, and copies of it, fall in the same part of a split.

References:
    Kasieczka et al., The Machine Learning Landscape of Top Taggers (2019), arXiv:1902.09914;
    data: doi:10.5281/zenodo.2603256.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key_of_momenta
from cortado.readers import columns
from cortado.readers.cartesian import cylindrical, one_jet_an_entry, one_jet_record

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

Momenta = list[npt.NDArray[Any]]
Counts = npt.NDArray[np.int64]

NAME = "top tagging"
_LABEL = "is_signal_new"  # 1 top, 0 QCD
_JAGGED = ("part_px", "part_py", "part_pz", "part_energy")
_SLOT = ("PX", "PY", "PZ", "E")
FORMS = ((*_JAGGED, _LABEL), (*_JAGGED, "jet_px"), tuple(f"{name}_0" for name in _SLOT))
"""Branches by which the two forms are recognised; jets without label can be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    return [name for name in [*_JAGGED, *_slots(there), _LABEL] if name in there]


def jets(events: ak.Array) -> ak.Array:
    """Jets with their constituents, in the order of the file.

    Args:
        events: Entries, shape (n,), of either form.

    Returns:
        One jet an entry, shape (n, var), with pt, eta, phi, mass, event_key, constituents (pt, eta, phi,
        mass) and, where the file has it, is_signal (1 top, 0 QCD).

    Raises:
        KeyError: If a required column is missing.
    """
    momenta, counts = _from_slots(events) if _slots(columns.names(events)) else _from_jagged(events)
    owner = np.repeat(np.arange(len(events)), counts)
    total = [np.bincount(owner, component, minlength=len(events)) for component in momenta]
    fields: dict[str, Any] = dict(cylindrical(*total))
    if _LABEL in columns.names(events):
        fields["is_signal"] = columns.flat(columns.column(events, _LABEL)).astype(np.int32)
    fields["event_key"] = event_key_of_momenta(*_first_of_each(momenta, counts))
    fields["constituents"] = ak.unflatten(columns.momenta(cylindrical(*momenta[:3])), counts)
    return one_jet_an_entry(columns.momenta(fields))


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package: events of one jet, shape (n,), with jets and event_key.

    Args:
        events: Entries, shape (n,).

    Returns:
        Events, shape (n,).

    Raises:
        KeyError: If a required column is missing.
    """
    return one_jet_record(jets(events))


def _slots(available: Collection[str]) -> list[str]:
    """Columns of the HDF5 form, slot by slot; none if the first is not there."""
    there = set(available)
    numbers = itertools.takewhile(lambda slot: f"E_{slot}" in there, itertools.count())
    return [f"{name}_{slot}" for slot in numbers for name in _SLOT]


def _first_of_each(momenta: Momenta, counts: Counts) -> Momenta:
    """Momentum of the first constituent of each entry; zero where there is none."""
    first, nowhere = np.cumsum(counts) - counts, np.int64(len(momenta[0]))
    place = np.where(counts > 0, first, nowhere)
    return [np.append(component, np.float32(0))[place] for component in momenta]


def _from_jagged(events: ak.Array) -> tuple[Momenta, Counts]:
    """Momenta of all constituents in a row, and their number in each entry: the ROOT form."""
    columns.require(_JAGGED, columns.names(events), NAME)
    components = [columns.column(events, name) for name in _JAGGED]
    return [columns.flat(component) for component in components], columns.flat(ak.num(components[0]))


def _from_slots(events: ak.Array) -> tuple[Momenta, Counts]:
    """Momenta of all constituents in a row, and their number in each entry: the HDF5 form."""
    available = columns.names(events)
    slots = _slots(available)
    columns.require(slots, available, NAME)
    table = np.stack([ak.to_numpy(columns.column(events, name)) for name in slots], axis=-1)
    table = table.reshape(len(events), len(slots) // len(_SLOT), len(_SLOT))  # (n, slots, 4)
    filled = ~(table[:, :, 3] <= 0)  # NaN is kept, for the representation to refuse
    return list(table[filled].T), np.count_nonzero(filled, axis=1)
