"""ATLAS DAOD_PHYSLITE: `AnalysisJets` (radius 0.4) with the tracks of the inner detector that are ghosts of them.

Links (`GhostTrack`) lead into `InDetTrackParticles`; PHYSLITE keeps few of the tracks, and links to the others are
empty in the file, so that a jet has here only those of its tracks that the file keeps. Calorimeter clusters and
particle-flow objects are not in PHYSLITE. Energies, MeV in the file, are in GeV, lengths in mm.

The tracks are given twice: as `constituents`, with the mass of the charged pion, d0 from the beam and dz from the
primary vertex (vertexType 1; NaN in an event without one); and as `tracks`, perigee parameters with their covariance,
z0 counted from the origin. The file holds the correlations of that matrix, and its diagonal.

The truth is `HadronConeExclTruthLabelID` (5, 4, 15 or 0), as flags label_b, label_c, label_tau, label_light and as
`flavour` (5, 4, 0), and `PartonTruthLabelID` as parton_flavour (-1: none). The weight is the first of mcEventWeights.
The key of an event is made from its run, luminosity block and number, in simulation of the mcChannelNumber too.

The events are plain arrays, as `ntuples` reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations_with_replacement
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key
from cortado.kinematics import PION_MASS
from cortado.names import flat_name
from cortado.perigee import COVARIANCE, PARAMETERS
from cortado.readers import columns
from cortado.readers.links import global_index

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

NAME = "PHYSLITE"
_GEV_PER_MEV = 1e-3
_JET, _TRACK, _VERTEX = "AnalysisJetsAuxDyn.", "InDetTrackParticlesAuxDyn.", "PrimaryVerticesAuxDyn."
_EVENT = "EventInfoAuxDyn."
_KINEMATICS = {"pt": f"{_JET}pt", "eta": f"{_JET}eta", "phi": f"{_JET}phi", "mass": f"{_JET}m"}
_LINKS = f"{_JET}GhostTrack"
_PERIGEE = {"d0": "d0", "z0": "z0", "phi": "phi", "theta": "theta", "q_over_p": "qOverP"}
_BEAM = f"{_TRACK}vz"
_DIAGONAL, _CORRELATIONS = f"{_TRACK}definingParametersCovMatrixDiag", f"{_TRACK}definingParametersCovMatrixOffDiag"
_NUMBERS = {"run": f"{_EVENT}runNumber", "luminosity_block": f"{_EVENT}lumiBlock", "event": f"{_EVENT}eventNumber"}
_CHANNEL, _WEIGHTS = f"{_EVENT}mcChannelNumber", f"{_EVENT}mcEventWeights"
_HADRON, _PARTON = f"{_JET}HadronConeExclTruthLabelID", f"{_JET}PartonTruthLabelID"
_LABELS = {"label_b": 5, "label_c": 4, "label_tau": 15, "label_light": 0}
_POSITION, _KIND = {axis: f"{_VERTEX}{axis}" for axis in "xyz"}, f"{_VERTEX}vertexType"
_PRIMARY = 1
_REQUIRED = (
    *_KINEMATICS.values(),
    _LINKS,
    *(f"{_TRACK}{name}" for name in _PERIGEE.values()),
    _BEAM,
    *_NUMBERS.values(),
)
FORMS = (_REQUIRED,)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    wanted = [*_REQUIRED, _DIAGONAL, _CORRELATIONS, _CHANNEL, _WEIGHTS, _HADRON, _PARTON, *_POSITION.values(), _KIND]
    flat = set(map(flat_name, available))
    return [name for name in wanted if flat_name(name) in flat]


def jets(events: ak.Array) -> ak.Array:
    """Jets with their tracks, in the order of the file.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets, shape (n_events, var), with pt, eta, phi, mass, event_key, constituents (pt, eta, phi, mass, charge, d0
        and, where the file has them, d0_err, dz, dz_err), tracks (see `perigee`) and, in simulation, flavour, label_b,
        label_c, label_tau, label_light, parton_flavour.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points to a track that is not there, or into two collections.
    """
    available = columns.names(events)
    columns.require(_REQUIRED, available, NAME)
    counts = ak.num(columns.column(events, _KINEMATICS["pt"]))
    fields: dict[str, Any] = {name: ak.flatten(columns.column(events, each)) for name, each in _KINEMATICS.items()}
    fields |= {name: columns.scaled(fields[name], _GEV_PER_MEV) for name in ("pt", "mass")}
    fields |= _truth(events)
    fields["event_key"] = np.repeat(_event_keys(events), columns.flat(counts))
    track, n_tracks = _linked(events)
    perigee = _perigee(events)
    fields["constituents"] = ak.unflatten(columns.momenta(_particles(events, perigee, track)), n_tracks)
    fields["tracks"] = ak.unflatten(ak.zip({name: values[track] for name, values in perigee.items()}), n_tracks)
    return ak.unflatten(columns.momenta(fields), counts)


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with jets, event_key, run, luminosity_block, event and, where the file has them,
        weight and primary_vertices (var): x, y, z.

    Raises:
        KeyError: If a required column is missing.
        ValueError: As `jets`, or if an event has no weight.
    """
    fields: dict[str, Any] = {"jets": jets(events), "event_key": _event_keys(events)}
    fields |= columns.chosen(events, _NUMBERS)
    available = columns.names(events)
    if not columns.missing([_WEIGHTS], available):
        first = ak.firsts(columns.column(events, _WEIGHTS))
        if len(without := np.flatnonzero(columns.flat(ak.is_none(first)))):
            raise ValueError(f"{_WEIGHTS} is empty in event {without[0]}, required: at least one weight")
        fields["weight"] = columns.flat(first)
    if not columns.missing([*_POSITION.values(), _KIND], available):
        kinds = columns.column(events, _KIND)
        every = ak.zip(columns.chosen(events, _POSITION))
        fields["primary_vertices"] = every[kinds == _PRIMARY]
    return columns.records(fields)


def _event_keys(events: ak.Array) -> npt.NDArray[np.uint64]:
    """Key of each event, shape (n_events,); equal event numbers of two simulated samples are told apart."""
    run, block, event = (columns.flat(columns.column(events, name)) for name in _NUMBERS.values())
    sample = columns.chosen(events, {"channel": _CHANNEL})
    if sample:
        run = run.astype(np.uint64) + (columns.flat(sample["channel"]).astype(np.uint64) << np.uint64(32))
    return np.asarray(event_key(run, block, event))


def _truth(events: ak.Array) -> dict[str, Any]:
    """True columns of the jets, shape (n_jets,); none in recorded data."""
    found = {
        name: columns.flat(each) for name, each in columns.chosen(events, {"id": _HADRON, "parton": _PARTON}).items()
    }
    fields: dict[str, Any] = {"parton_flavour": found["parton"]} if "parton" in found else {}
    if "id" not in found:
        return fields
    fields |= {label: found["id"] == code for label, code in _LABELS.items()}
    return fields | {"flavour": np.where(np.isin(found["id"], (5, 4)), found["id"], 0).astype(np.int32)}


def _linked(events: ak.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tracks that the jets are linked to, in a row and jet after jet, and their number for each jet.

    Raises:
        ValueError: If a link points to a track that is not there, or the links into more than one collection.
    """
    links = columns.column(events, _LINKS)
    key, index = links["m_persKey"], links["m_persIndex"]
    targets = np.unique(columns.flat(key))
    if len(targets := targets[targets != 0]) > 1:
        raise ValueError(f"{_LINKS} points into {len(targets)} collections, required: {_TRACK.removesuffix('AuxDyn.')}")
    kept = key != 0
    counts = columns.flat(ak.sum(kept, axis=2))
    tracks = ak.num(columns.column(events, f"{_TRACK}d0"))
    return global_index(ak.flatten(index[kept], axis=2), tracks, _LINKS, "InDetTrackParticles"), counts


def _perigee(events: ak.Array) -> dict[str, npt.NDArray[Any]]:
    """Columns of all tracks in a row, shape (m,)."""
    found = {name: columns.flat(columns.column(events, f"{_TRACK}{each}")) for name, each in _PERIGEE.items()}
    found["z0"] = found["z0"] + columns.flat(columns.column(events, _BEAM))
    found["q_over_p"] = found["q_over_p"] / np.float32(_GEV_PER_MEV)
    with np.errstate(divide="ignore"):
        found["pt"] = np.sin(found["theta"]) / np.abs(found["q_over_p"])
    found["eta"] = -np.log(np.tan(found["theta"] / 2))
    found["charge"] = np.sign(found["q_over_p"]).astype(np.int32)
    found["mass"] = np.full_like(found["pt"], PION_MASS)
    return found | _covariance(events, len(found["d0"]))


def _covariance(events: ak.Array, tracks: int) -> dict[str, npt.NDArray[np.float32]]:
    """Covariance of the tracks by the names of `COVARIANCE`, shape (m,); nothing for files without."""
    if columns.missing([_DIAGONAL, _CORRELATIONS], columns.names(events)):
        return {}
    n = len(PARAMETERS)
    variances = columns.flat(columns.column(events, _DIAGONAL)).reshape(tracks, n).astype(np.float64)
    packed = columns.flat(columns.column(events, _CORRELATIONS)).reshape(tracks, n * (n - 1) // 2)
    row, column = np.tril_indices(n, -1)
    correlation = np.broadcast_to(np.eye(n), (tracks, n, n)).copy()
    correlation[:, row, column] = correlation[:, column, row] = packed
    sigma = np.sqrt(variances) * np.array([1, 1, 1, 1, 1 / _GEV_PER_MEV])
    matrix = correlation * sigma[:, :, np.newaxis] * sigma[:, np.newaxis]
    pairs = combinations_with_replacement(range(n), 2)
    return {name: matrix[:, one, two].astype(np.float32) for name, (one, two) in zip(COVARIANCE, pairs)}


def _particles(
    events: ak.Array, perigee: dict[str, npt.NDArray[Any]], track: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[Any]]:
    """Tracks as constituents of jets, shape (n,)."""
    fields = {name: perigee[name][track] for name in ("pt", "eta", "phi", "mass", "charge", "d0")}
    if "cov_d0_d0" in perigee:
        fields |= {
            f"{ours}_err": np.sqrt(perigee[f"cov_{each}_{each}"][track]) for ours, each in (("d0", "d0"), ("dz", "z0"))
        }
    if columns.missing([_POSITION["z"], _KIND], columns.names(events)):
        return fields
    z = columns.column(events, _POSITION["z"])[columns.column(events, _KIND) == _PRIMARY]
    primary = columns.flat(ak.fill_none(ak.firsts(z), np.nan))
    owner = np.repeat(np.arange(len(events)), columns.flat(ak.num(columns.column(events, f"{_TRACK}d0"))))
    return fields | {"dz": (perigee["z0"] - primary[owner])[track].astype(np.float32)}
