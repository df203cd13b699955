"""Events of the LHC Olympics 2020: 700 particles (pt, eta, phi), zero-padded, and in some files the label.

Two forms: the table of pandas as published (HDF5, columns "0" to "2099" or "2100"), and one dataset `events` of the
same rows. Particles are massless; a slot with pt > 0 is one. There are no event numbers: the key of an event is made
from its first particle and the sum of all pt. Jets are clustered from these particles, see
`cortado.simulation.cluster_dijets` (FastJet, extra `sim`).

References:
    Kasieczka et al., The LHC Olympics 2020 (2021), arXiv:2101.08320; data: doi:10.5281/zenodo.2629072.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key_of_momenta
from cortado.readers import columns

__all__ = ["FORMS", "NAME", "branches", "record"]

NAME = "LHC Olympics"
_SLOTS, _NUMBERS = 700, 3
_WIDTH = _SLOTS * _NUMBERS
_TABLE = "events"
_COLUMNS = tuple(str(number) for number in range(_WIDTH))
_LABEL = str(_WIDTH)
FORMS = (("0", "1", "2", str(_WIDTH - 1)), (_TABLE,))
"""Branches by which the two forms are recognised: the first and last of 2,100 columns; the label may be missing."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    return [_TABLE] if _TABLE in there else [name for name in (*_COLUMNS, _LABEL) if name in there]


def record(events: ak.Array) -> ak.Array:
    """Events with their particles, hardest or not as the file has them.

    Args:
        events: Entries, shape (n_events,), of either form.

    Returns:
        Events with candidates (var): pt, eta, phi, mass (0); event_key; and is_signal (1 signal, 0 background) where
        the file has labels.

    Raises:
        KeyError: If a column is missing.
        ValueError: If the rows have another width than 700 x 3, with or without label.
    """
    rows = _rows(events)
    slots = rows[:, :_WIDTH].reshape(len(rows), _SLOTS, _NUMBERS)
    filled = ~(slots[:, :, 0] <= 0)  # NaN is kept, for who uses it to refuse
    pt, eta, phi = (column.astype(np.float32) for column in slots[filled].T)
    candidates = columns.momenta({"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros_like(pt)})
    total = np.where(filled, slots[:, :, 0], 0).sum(axis=1, dtype=np.float64)
    fields: dict[str, Any] = {
        "candidates": ak.unflatten(candidates, np.count_nonzero(filled, axis=1)),
        "event_key": event_key_of_momenta(slots[:, 0, 0], slots[:, 0, 1], slots[:, 0, 2], total),
    }
    if rows.shape[1] > _WIDTH:
        fields["is_signal"] = rows[:, _WIDTH].astype(np.int32)
    return columns.records(fields)


def _rows(events: ak.Array) -> npt.NDArray[Any]:
    """The numbers of an event in a row, shape (n_events, 2100 or 2101)."""
    if _TABLE in events.fields:
        rows = ak.to_numpy(events[_TABLE])
        if rows.ndim != 2 or rows.shape[1] not in (_WIDTH, _WIDTH + 1):
            raise ValueError(f"{NAME}: rows have shape {rows.shape[1:]}, required: ({_WIDTH},) or ({_WIDTH + 1},)")
        return np.asarray(rows)
    if absent := columns.missing(_COLUMNS, set(events.fields)):
        some = f"{len(absent)} are missing, the first {absent[0]!r}"
        raise KeyError(f"{NAME} needs the columns 0 to {_WIDTH - 1}: {some}")
    names = [name for name in (*_COLUMNS, _LABEL) if name in events.fields]
    return np.stack([ak.to_numpy(events[name]) for name in names], axis=1)
