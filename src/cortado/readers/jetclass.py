"""JetClass, JetClass-II and other ntuples in the style of weaver: one jet an entry, part_px, part_py, ...

Impact parameters are in mm. The truth is as in the file: flags `label_QCD`, `label_Wqq`, ... (JetClass), or
one integer `label` (JetClass-II, 0 to 187). `pdg_id` of the constituents is put together from the flags
part_isChargedHadron, part_isPhoton, ... and the charge: +-211, 130, 22, +-11, +-13. There are no event
numbers: the key of an entry is made from its jet momentum.

References:
    Qu, Li, Qian, Particle Transformer for Jet Tagging (2022), arXiv:2202.03772; doi:10.5281/zenodo.6619768.
    Li et al., Accelerating Resonance Searches via Signature-Oriented Pre-training (2024), arXiv:2405.12972.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key_of_momenta
from cortado.kinematics import mass_of, momentum
from cortado.readers import columns
from cortado.readers.cartesian import cylindrical, one_jet_an_entry, one_jet_record

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

NAME = "JetClass"
_MOMENTUM = ("px", "py", "pz", "energy")
_JET_MOMENTUM = ("jet_pt", "jet_eta", "jet_phi", "jet_energy")
_JETS = {"soft_drop_mass": "sdmass", "label": "label"} | {f"tau{n}": f"tau{n}" for n in (1, 2, 3, 4)}
_CONSTITUENTS = {"charge": "charge", "d0": "d0val", "d0_err": "d0err", "dz": "dzval", "dz_err": "dzerr"}
# flag of the candidate -> PDG code, and whether the charge is its sign, its opposite, or none
_KINDS = {
    "isChargedHadron": (211, 1),
    "isNeutralHadron": (130, 0),
    "isPhoton": (22, 0),
    "isElectron": (11, -1),
    "isMuon": (13, -1),
}
_REQUIRED = (*(f"part_{name}" for name in _MOMENTUM), *_JET_MOMENTUM)
FORMS = (_REQUIRED,)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    wanted = [
        *_REQUIRED,
        *(f"jet_{name}" for name in _JETS.values()),
        *(f"part_{name}" for name in (*_CONSTITUENTS.values(), *_KINDS)),
        *_flags(there),
    ]
    return [name for name in dict.fromkeys(wanted) if name in there]


def jets(events: ak.Array) -> ak.Array:
    """Jets with their constituents, in the order of the file.

    Args:
        events: Entries, shape (n,).

    Returns:
        One jet an entry, shape (n, var), with pt, eta, phi, mass, event_key, constituents and, where the file
        has them, soft_drop_mass, tau1 to tau4, and the labels.

    Raises:
        KeyError: If a required column is missing.
    """
    columns.require(_REQUIRED, columns.names(events), NAME)
    pt, eta, phi, energy = (columns.flat(columns.column(events, name)) for name in _JET_MOMENTUM)
    fields: dict[str, Any] = {"pt": pt, "eta": eta, "phi": phi, "mass": _jet_mass(pt, eta, energy)}
    fields |= columns.chosen(events, _JETS, "jet_")
    fields |= {name: columns.column(events, name) for name in _flags(sorted(columns.names(events)))}
    fields["event_key"] = event_key_of_momenta(pt, eta, phi, energy)
    fields["constituents"] = _constituents(events)
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


def _flags(available: Iterable[str]) -> list[str]:
    return [name for name in available if name.startswith("label_")]


def _jet_mass(pt: npt.NDArray[Any], eta: npt.NDArray[Any], energy: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(invalid="ignore", over="ignore"):
        px, py, pz = momentum(pt.astype(np.float64), eta.astype(np.float64), 0.0)
        return np.asarray(mass_of(energy.astype(np.float64), px, py, pz), dtype=np.float32)


def _constituents(events: ak.Array) -> ak.Array:
    counts = ak.num(columns.column(events, "part_px"))
    four_momenta = [columns.flat(columns.column(events, f"part_{name}")) for name in _MOMENTUM]
    others = {name: columns.flat(column) for name, column in columns.chosen(events, _CONSTITUENTS, "part_").items()}
    flags = {
        kind: columns.flat(column).astype(bool)
        for kind, column in columns.chosen(events, {kind: kind for kind in _KINDS}, "part_").items()
    }
    if flags and "charge" in others:
        others["pdg_id"] = _pdg_id(flags, others["charge"])
    return ak.unflatten(columns.momenta(cylindrical(*four_momenta) | others), counts)


def _pdg_id(flags: dict[str, npt.NDArray[np.bool_]], charge: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """PDG code of each candidate; 0 where no flag is set."""
    signs = {kind: charge * _KINDS[kind][1] if _KINDS[kind][1] else 1 for kind in flags}
    codes = [np.where(flag, signs[kind] * _KINDS[kind][0], 0) for kind, flag in flags.items()]
    return np.asarray(np.sum(codes, axis=0), dtype=np.int32)
