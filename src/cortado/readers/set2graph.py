"""Ntuples of the Set2Graph paper: one jet an entry with its tracks, which say to what true vertex they belong.

The published files have trk_d0, trk_z0 (mm), trk_phi, trk_ctgtheta, trk_pt, trk_charge, trk_vtx_index, and jet_pt,
jet_eta, jet_phi, jet_M, jet_flav (5, 4, 0). Those of `cortado simulate flavour` have in addition the covariance of the
tracks, trk_cov_<a>_<b>, their trk_vtx_type, the true vertices vtx_x, vtx_y, vtx_z (mm), vtx_index, vtx_type, vtx_pdg_id
and others, event, and genWeight. Files without truth can be read, too. Further partitions of the tracks,
trk_<name>_vtx_index, come as <name>_vertex_index.

Other files have standard deviations in the place of the covariance, trk_d0_err, trk_z0_err, trk_phi_err, and those of
trk_ctgtheta and trk_pt or of trk_theta and trk_q_over_p; or SV_x, SV_y, SV_z (mm) in the place of vtx_x, ...: the true
secondary vertices, which count from 1 in their order unless SV_index says otherwise.

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
from cortado.perigee import COVARIANCE, PARAMETERS
from cortado.readers import columns
from cortado.readers.cartesian import one_jet_an_entry

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

NAME = "Set2Graph"
_JETS = {"pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "mass": "jet_M"}
_TRACKS = tuple(f"trk_{name}" for name in ("d0", "z0", "phi", "ctgtheta", "pt", "charge"))
_FLAVOUR, _EVENT, _WEIGHT = "jet_flav", "event", "genWeight"
_COVARIANCE = {name: f"trk_{name}" for name in COVARIANCE}
_TRUTH = {"vertex_index": "trk_vtx_index", "vertex_type": "trk_vtx_type"}
_ERRORS = tuple(f"trk_{name}_err" for name in ("d0", "z0", "phi", "theta", "ctgtheta", "q_over_p", "pt"))
_POSITION = {axis: axis for axis in ("x", "y", "z")}
_NUMBERS = {"vertex_index": "index", "vertex_type": "type", "pdg_id": "pdg_id"}
_DECAYED = {name: name for name in ("pt", "eta", "mass", "flight")}
_VERTICES, _PREFIXES = _POSITION | _NUMBERS | _DECAYED, ("vtx_", "SV_")
_REQUIRED = (*_JETS.values(), *_TRACKS)
FORMS = (_REQUIRED,)
"""Branches by which the dialect is recognised, and without which it cannot be read; jets without truth can be."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    optional = (_COVARIANCE, _TRUTH, _partitions(there))
    wanted = [*_REQUIRED, _FLAVOUR, _EVENT, _WEIGHT, *(branch for names in optional for branch in names.values())]
    wanted += [*_ERRORS, *(prefix + name for prefix in _PREFIXES for name in _VERTICES.values())]
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
        ValueError: If tracks are of vertices that the file does not list.
    """
    columns.require(_REQUIRED, columns.names(events), NAME)
    fields: dict[str, Any] = {name: columns.flat(columns.column(events, branch)) for name, branch in _JETS.items()}
    if _FLAVOUR in columns.names(events):
        fields["flavour"] = columns.flat(columns.column(events, _FLAVOUR)).astype(np.int32)
    fields["event_key"] = _event_key(events, [fields[name] for name in _JETS])
    fields["tracks"] = ak.unflatten(ak.zip(_tracks(events)), ak.num(columns.column(events, "trk_d0")))
    for prefix in _PREFIXES:
        if not columns.missing((prefix + axis for axis in _POSITION), columns.names(events)):
            fields["true_vertices"] = _true_vertices(events, prefix)
            break
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
    floats |= _flat(events, _COVARIANCE) or _covariance(_flat(events, {name: name for name in _ERRORS}), floats)
    numbers = {"charge": charge} | _flat(events, _TRUTH | _partitions(columns.names(events)))
    return _as(floats, np.float32) | _as(numbers, np.int32)


def _covariance(errors: dict[str, npt.NDArray[Any]], tracks: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Covariance of tracks whose parameters in the file are not correlated, of those with a standard deviation.

    Args:
        errors: By branch, shape (m,).
        tracks: Their parameters, shape (m,).
    """
    variance = {name[4:-4]: np.square(error.astype(np.float64)) for name, error in errors.items()}
    theta, q_over_p, pt = (tracks[name].astype(np.float64) for name in ("theta", "q_over_p", "pt"))
    known = {f"cov_{name}_{name}": variance[name] for name in ("d0", "z0", "phi") if name in variance}
    if "theta" in variance or "ctgtheta" in variance:
        turned = np.sin(theta) ** 4 * variance["ctgtheta"] if "ctgtheta" in variance else variance["theta"]
        known["cov_theta_theta"] = turned
    if "q_over_p" in variance:
        known["cov_q_over_p_q_over_p"] = variance["q_over_p"]
    elif "pt" in variance and "cov_theta_theta" in known:
        with np.errstate(divide="ignore", invalid="ignore"):
            by_theta = q_over_p / np.tan(theta)  # q/p = q sin(theta) / pt
            known["cov_theta_q_over_p"] = by_theta * known["cov_theta_theta"]
            known["cov_q_over_p_q_over_p"] = (
                by_theta**2 * known["cov_theta_theta"] + q_over_p**2 * variance["pt"] / pt**2
            )
    if any(f"cov_{name}_{name}" not in known for name in PARAMETERS):
        return known
    return {name: known.get(name, np.zeros(len(theta))) for name in COVARIANCE}


def _true_vertices(events: ak.Array, prefix: str) -> ak.Array:
    """True vertices of each jet, shape (n, var)."""
    positions = columns.column(events, f"{prefix}x")
    numbers = _flat(events, _NUMBERS, prefix)
    if "vertex_index" not in numbers:
        numbers = {"vertex_index": columns.flat(ak.local_index(positions)) + 1} | numbers
        _require_listed(events, positions, prefix)
    vertices = _as(_flat(events, _POSITION | _DECAYED, prefix), np.float32) | _as(numbers, np.int32)
    return ak.unflatten(ak.zip(vertices), ak.num(positions))


def _require_listed(events: ak.Array, positions: ak.Array, prefix: str) -> None:
    """Whether vertices that count from 1 in their order can be those of the tracks.

    Raises:
        ValueError: If a track is of one beyond the last.
    """
    if _TRUTH["vertex_index"] not in columns.names(events):
        return
    last = ak.fill_none(ak.max(columns.column(events, _TRUTH["vertex_index"]), axis=1), 0)
    if len(wrong := np.flatnonzero(columns.flat(last > ak.num(positions)))):
        at = wrong[0]
        raise ValueError(
            f"trk_vtx_index = {last[at]} in entry {at}, but {prefix}x lists {len(positions[at])} vertices, which count "
            f"from 1; required: as many, or the branch {prefix}index"
        )


def _flat(events: ak.Array, renamed: dict[str, str], prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    return {name: columns.flat(column) for name, column in columns.chosen(events, renamed, prefix).items()}


def _as(fields: dict[str, npt.NDArray[Any]], kind: type[np.generic]) -> dict[str, npt.NDArray[Any]]:
    return {name: column.astype(kind) for name, column in fields.items()}
