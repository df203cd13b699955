"""Ntuples of the Set2Graph paper: one jet an entry with its tracks, which say to what true vertex they belong.

The published files have trk_d0, trk_z0 (mm), trk_phi, trk_ctgtheta, trk_pt, trk_charge, trk_vtx_index, and jet_pt,
jet_eta, jet_phi, jet_M, jet_flav (5, 4, 0). Those of `cortado simulate flavour` have in addition the covariance of the
tracks, trk_cov_<a>_<b>, their trk_vtx_type, the true vertices vtx_x, vtx_y, vtx_z (mm), vtx_index, vtx_type, vtx_pdg_id
and others, event, and genWeight. Files without truth can be read, too. Further partitions of the tracks,
trk_<name>_vtx_index, come as <name>_vertex_index.

Perigee parameters, their signs and the names of the covariance are those of `perigee`. The mass of a track is that of
the charged pion. Without `event`, the key of an entry is made from the momentum of its jet.

References:
    Shlomi et al., Secondary vertex finding in jets with neural networks (2021), arXiv:2008.02831;
    data: doi:10.5281/zenodo.4044628.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key, event_key_of_momenta
from cortado.kinematics import PION_MASS
from cortado.perigee import COVARIANCE
from cortado.readers import columns
from cortado.readers.cartesian import one_jet_an_entry

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

NAME = "Set2Graph"
_JETS = {"pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "mass": "jet_M"}
_TRACKS = tuple(f"trk_{name}" for name in ("d0", "z0", "phi", "ctgtheta", "pt", "charge"))
_FLAVOUR, _EVENT, _WEIGHT = "jet_flav", "event", "genWeight"
_COVARIANCE = {name: f"trk_{name}" for name in COVARIANCE}
_TRUTH = {"vertex_index": "trk_vtx_index", "vertex_type": "trk_vtx_type"}
_POSITION = {axis: f"vtx_{axis}" for axis in ("x", "y", "z")}
_NUMBERS = {"vertex_index": "vtx_index", "vertex_type": "vtx_type", "pdg_id": "vtx_pdg_id"}
_DECAYED = {name: f"vtx_{name}" for name in ("pt", "eta", "mass", "flight")}
_REQUIRED = (*_JETS.values(), *_TRACKS)
FORMS = (_REQUIRED,)
"""Branches by which the dialect is recognised, and without which it cannot be read; jets without truth can be."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    optional = (_COVARIANCE, _TRUTH, _partitions(there), _POSITION, _NUMBERS, _DECAYED)
    wanted = [*_REQUIRED, _FLAVOUR, _EVENT, _WEIGHT, *(branch for names in optional for branch in names.values())]
    return [name for name in dict.fromkeys(wanted) if name in there]


def jets(events: ak.Array) -> ak.Array:
    """Jets with their tracks, in the order of the file.

    Args:
        events: Entries, shape (n,).

    Returns:
        One jet an entry, shape (n, var), with pt, eta, phi, mass, event_key and `tracks` (var): d0, z0, phi, theta,
        q_over_p, pt, eta, charge, mass. Where the file has them also flavour (5, 4, 0); of the tracks the covariance
        (see `perigee`), vertex_index, vertex_type and further partitions; and `true_vertices` (var): x, y, z,
        vertex_index, vertex_type and, of the particle that decayed there, pdg_id, pt, eta, mass and flight (mm).

    Raises:
        KeyError: If a required column is missing.
    """
    columns.require(_REQUIRED, columns.names(events), NAME)
    fields: dict[str, Any] = {name: columns.flat(columns.column(events, branch)) for name, branch in _JETS.items()}
    if _FLAVOUR in columns.names(events):
        fields["flavour"] = columns.flat(columns.column(events, _FLAVOUR)).astype(np.int32)
    fields["event_key"] = _event_key(events, [fields[name] for name in _JETS])
    fields["tracks"] = ak.unflatten(ak.zip(_tracks(events)), ak.num(columns.column(events, "trk_d0")))
    if not columns.missing(_POSITION.values(), columns.names(events)):
        fields["true_vertices"] = _true_vertices(events)
    return one_jet_an_entry(columns.momenta(fields))


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package: events of one jet, shape (n,), with jets and event_key.

    Args:
        events: Entries, shape (n,).

    Returns:
        Events, shape (n,), with jets, event_key and, where the file has them, event and weight.

    Raises:
        KeyError: If a required column is missing.
    """
    all_jets = jets(events)
    numbers = columns.chosen(events, {"event": _EVENT, "weight": _WEIGHT})
    return columns.records({"jets": all_jets, "event_key": ak.flatten(all_jets["event_key"])} | numbers)


def _partitions(available: Iterable[str]) -> dict[str, str]:
    """Branches of further partitions of the tracks, by name in the record."""
    matches = (re.fullmatch("trk_(.+)_vtx_index", name) for name in sorted(available))
    return {f"{match[1]}_vertex_index": match[0] for match in matches if match}


def _event_key(events: ak.Array, momentum: list[npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
    if _EVENT in columns.names(events):
        number = columns.flat(columns.column(events, _EVENT))
        none = np.zeros(len(number), np.int64)
        return np.asarray(event_key(none, none, number))
    return np.asarray(event_key_of_momenta(*momentum))


def _tracks(events: ak.Array) -> dict[str, npt.NDArray[Any]]:
    """Columns of all tracks, shape (m,)."""
    d0, z0, phi, cot_theta, pt, charge = (columns.flat(columns.column(events, name)) for name in _TRACKS)
    theta = np.arctan2(1.0, cot_theta.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        q_over_p = charge * np.sin(theta) / pt.astype(np.float64)
    floats = {"d0": d0, "z0": z0, "phi": phi, "theta": theta, "q_over_p": q_over_p}
    floats |= {"pt": pt, "eta": np.arcsinh(cot_theta), "mass": np.full(len(pt), PION_MASS)}
    floats |= _flat(events, _COVARIANCE)
    numbers = {"charge": charge} | _flat(events, _TRUTH | _partitions(columns.names(events)))
    return _as(floats, np.float32) | _as(numbers, np.int32)


def _true_vertices(events: ak.Array) -> ak.Array:
    """True vertices of each jet, shape (n, var)."""
    vertices = _as(_flat(events, _POSITION | _DECAYED), np.float32) | _as(_flat(events, _NUMBERS), np.int32)
    return ak.unflatten(ak.zip(vertices), ak.num(columns.column(events, _POSITION["x"])))


def _flat(events: ak.Array, renamed: dict[str, str]) -> dict[str, npt.NDArray[Any]]:
    return {name: columns.flat(column) for name, column in columns.chosen(events, renamed).items()}


def _as(fields: dict[str, npt.NDArray[Any]], kind: type[np.generic]) -> dict[str, npt.NDArray[Any]]:
    return {name: column.astype(kind) for name, column in fields.items()}
