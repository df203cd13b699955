"""EDM4hep of FCC-ee by Delphes, such as "Spring 2021", with relations in `Jet#2` and the like: jets with tracks.

A jet of the collection `Jet` links to its particles (`Jet#2`), these to their track (`ReconstructedParticles#1`), and
this to its state (`EFlowTrack_1`) at the origin. Tracks that no jet links to (most of them, in those samples) are in no
jet of the record, however near its axis, but among the tracks of the event, which are those of all particles. Links are
taken to lead to these collections: their collectionID is not read. Lengths are in mm, momenta in GeV. The field is not
in the file: `MAGNETIC_FIELD`, that of the IDEA and CLD detectors. The mass of a track is that which the file gives its
particle.

Covariances have 15 numbers, or 21 with the time. With generated particles there is truth: every track has the vertex of
the particle that it is associated to (`MCRecoAssociations`), see `truth`, and every jet the flavour of the hadrons in
it. Without them, the jets have neither. There are no event numbers: the key of an event is made from the momentum of
its first jet.

The events are plain arrays, or NanoEvents of coffea's BaseSchema or FCCSchema, see `edm4hep_columns`.

References:
    Gaede et al., EDM4hep, a common event data model for HEP experiments (2022), PoS(ICHEP2022)1237.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key_of_momenta
from cortado.perigee import PARAMETERS
from cortado.readers import columns
from cortado.readers.cartesian import cylindrical
from cortado.readers.edm4hep_columns import (
    COVARIANCE,
    FORMS,
    JET,
    MOMENTUM,
    NAME,
    POINT,
    REFERENCE,
    STATE,
    Column,
    branches,
    opened,
)
from cortado.readers.edm4hep_tracks import covariance_from_edm4hep, from_edm4hep
from cortado.readers.links import global_index
from cortado.truth import (
    Production,
    flavour,
    heaviest_quark,
    last_hadrons,
    production,
    vertices_of_tracks,
)

__all__ = ["FORMS", "MAGNETIC_FIELD", "NAME", "branches", "jets", "record", "tracks"]

Integers = npt.NDArray[np.int64]

MAGNETIC_FIELD = 2.0
"""Field along z [T]."""


def jets(events: ak.Array) -> ak.Array:
    """Jets with their tracks, in the order of their particles.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets, shape (n_events, var), with pt, eta, phi, mass, event_key and `tracks` (var): d0, z0, phi, theta,
        q_over_p and their covariance (see `perigee`), pt, eta, charge, mass. With generated particles also
        flavour (5, 4, 0), true_vertices (var: x, y, z, vertex_index, vertex_type), and vertex_index and
        vertex_type of the tracks.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points nowhere, or a track state is not at the origin.
    """
    column, has_truth = opened(events)
    return _jets(column, _truth(column) if has_truth else None)


def tracks(events: ak.Array) -> ak.Array:
    """All tracks of each event, those of its jets among them, in the order of the particles.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Tracks, shape (n_events, var), with the fields of those of `jets`; vertex_index counts in the event.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points nowhere, or a track state is not at the origin.
    """
    column, has_truth = opened(events)
    return _of_events(column, _truth(column) if has_truth else None)["tracks"]


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package, with jets, tracks and event_key.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with jets, tracks, event_key and, with generated particles, true_vertices (var), in
        which the vertex_index of the tracks of the event counts.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points nowhere, or a track state is not at the origin.
    """
    column, has_truth = opened(events)
    truth = _truth(column) if has_truth else None
    fields = {"jets": _jets(column, truth), "event_key": _event_keys(column)}
    return columns.records(fields | _of_events(column, truth))


class _Truth(NamedTuple):
    """Generated particles: parent (-1: none) and vertex of each, and that of each reconstructed one (-1: none)."""

    parent: Integers
    produced: Production
    matched: Integers


def _jets(column: Column, truth: _Truth | None) -> ak.Array:
    fields: dict[str, Any] = cylindrical(*(columns.flat(column(name)) for name in JET[:3]))
    fields["mass"] = columns.flat(column("Jet.mass"))
    counts = ak.num(column("Jet.mass"))
    fields["event_key"] = np.repeat(_event_keys(column), columns.flat(counts))
    if truth is not None:
        axes = ak.unflatten(ak.zip({name: fields[name] for name in ("eta", "phi")}), counts)
        fields["flavour"] = ak.flatten(flavour(axes, _heavy_hadrons(column, truth.parent)))
    particle, n_tracks = _tracked_particles(column)
    fields |= _with_truth(_tracks(column, particle), particle, n_tracks, truth)
    return ak.unflatten(columns.momenta(fields), counts)


def _of_events(column: Column, truth: _Truth | None) -> dict[str, ak.Array]:
    """All tracks of each event and, if there is truth, their true vertices."""
    has_track = column("ReconstructedParticles.tracks_end") > column("ReconstructedParticles.tracks_begin")
    particle = np.flatnonzero(columns.flat(has_track))
    return _with_truth(_tracks(column, particle), particle, columns.flat(ak.sum(has_track, axis=1)), truth)


def _with_truth(
    measured: dict[str, Any], particle: Integers, counts: Integers, truth: _Truth | None
) -> dict[str, ak.Array]:
    """Tracks of particles, `counts` for each jet or event; and, if there is truth, the true vertices of these."""
    if truth is None:
        return {"tracks": ak.unflatten(ak.zip(measured), counts)}
    own, vertices = vertices_of_tracks(truth.matched[particle], counts, truth.produced)
    return {"tracks": ak.unflatten(ak.zip(measured | own), counts), "true_vertices": vertices}


def _event_keys(column: Column) -> npt.NDArray[np.uint64]:
    """Key of each event from px, py, pz and mass of its first jet, shape (n_events,); 0, 0, 0, 0 without one."""
    first = [ak.fill_none(ak.firsts(column(name)), 0) for name in JET]
    return np.asarray(event_key_of_momenta(*(columns.flat(component) for component in first)))


def _ranges(column: Column, name: str, links: str) -> tuple[Integers, Integers]:
    """Positions, in the flat links, of those of each object: from `name`_begin to `name`_end of its event.

    Returns:
        Positions, object after object, and their number for each object.

    Raises:
        ValueError: If a range ends before it begins or beyond the links.
    """
    begin, end = (columns.flat(column(f"{name}_{edge}")).astype(np.int64) for edge in ("begin", "end"))
    n_links = columns.flat(ak.num(column(links)))
    event = np.repeat(np.arange(len(n_links)), columns.flat(ak.num(column(f"{name}_begin"))))
    wrong = np.flatnonzero((begin > end) | (end > n_links[event]))
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            f"{name} = {begin[first]} to {end[first]} in event {event[first]}, "
            f"which has {n_links[event[first]]} {links}"
        )
    counts = end - begin
    start = begin + (np.cumsum(n_links) - n_links)[event]
    inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(start, counts) + inside, counts


def _tracked_particles(column: Column) -> tuple[Integers, Integers]:
    """Particles with a track, jet after jet, and their number in each jet."""
    link, counts = _ranges(column, "Jet.particles", "Jet#2.index")
    charge = column("ReconstructedParticles.charge")
    particle = global_index(column("Jet#2.index"), ak.num(charge), "Jet#2.index", "ReconstructedParticles")[link]
    _, n_tracks = _ranges(column, "ReconstructedParticles.tracks", "ReconstructedParticles#1.index")
    tracked = n_tracks[particle] > 0
    jet = np.repeat(np.arange(len(counts)), counts)[tracked]
    return particle[tracked], np.bincount(jet, minlength=len(counts))


def _states(column: Column, particle: Integers) -> Integers:
    """Position, in the flat states, of the first state of the first track of each of the particles."""
    links, first_states = "ReconstructedParticles#1.index", column("EFlowTrack.trackStates_begin")
    link, n_links = _ranges(column, "ReconstructedParticles.tracks", links)
    track = global_index(column(links), ak.num(first_states), links, "EFlowTrack")
    state = global_index(first_states, ak.num(column(STATE[0])), "EFlowTrack.trackStates_begin", "EFlowTrack_1")
    first = (np.cumsum(n_links) - n_links)[particle]
    return np.asarray(state[track[link[first]]])


def _tracks(column: Column, particle: Integers) -> dict[str, Any]:
    """Columns of the tracks of the particles, shape (m,)."""
    state = _states(column, particle)
    at_origin = [columns.flat(column(name))[state] == 0 for name in REFERENCE]
    if not np.all(at_origin):
        point = [columns.flat(column(name))[state] for name in REFERENCE]
        wrong = np.array(point).T[~np.all(at_origin, axis=0)][0]
        raise ValueError(f"EFlowTrack_1.referencePoint = {wrong.tolist()}; track states at [0, 0, 0] are needed")
    states = np.stack([columns.flat(column(name))[state] for name in STATE], axis=-1).astype(np.float64)
    packed = np.asarray(ak.flatten(column(COVARIANCE)))[state].astype(np.float64)
    measured: dict[str, Any] = dict(zip(PARAMETERS, from_edm4hep(states, MAGNETIC_FIELD).T))
    with np.errstate(divide="ignore"):
        measured["pt"] = np.sin(measured["theta"]) / np.abs(measured["q_over_p"])
    measured["eta"] = np.arcsinh(states[:, 4])
    measured["mass"] = columns.flat(column("ReconstructedParticles.mass"))[particle]
    measured |= covariance_from_edm4hep(packed, states, MAGNETIC_FIELD)
    measured = {name: values.astype(np.float32) for name, values in measured.items()}
    return measured | {"charge": columns.flat(column("ReconstructedParticles.charge"))[particle].astype(np.int32)}


def _truth(column: Column) -> _Truth:
    pdg_id = column("Particle.PDG")
    link, n_parents = _ranges(column, "Particle.parents", "Particle#0.index")
    above = global_index(column("Particle#0.index"), ak.num(pdg_id), "Particle#0.index", "Particle")[link]
    parent = np.full(len(n_parents), -1)
    parent[n_parents > 0] = above[(np.cumsum(n_parents) - n_parents)[n_parents > 0]]  # the first of several
    points = np.stack([columns.flat(column(name)) for name in POINT], axis=-1).astype(np.float64)
    return _Truth(parent, production(columns.flat(pdg_id), parent, points), _matched(column))


def _heavy_hadrons(column: Column, parent: Integers) -> ak.Array:
    """Hadrons with b and c quarks that decay weakly: quark, eta, phi; shape (n_events, var)."""
    pdg_id = column("Particle.PDG")
    kinds = columns.flat(pdg_id)
    chosen = last_hadrons(kinds, parent, 5) | last_hadrons(kinds, parent, 4)
    direction = cylindrical(*(columns.flat(column(name))[chosen] for name in MOMENTUM))
    hadrons = ak.zip({"quark": heaviest_quark(kinds[chosen]), "eta": direction["eta"], "phi": direction["phi"]})
    return ak.unflatten(hadrons, ak.sum(ak.unflatten(chosen, ak.num(pdg_id)), axis=1))


def _matched(column: Column) -> Integers:
    """Generated particle of each reconstructed one, the first of several; -1 for none."""
    pairs = (
        ("MCRecoAssociations#0.index", "ReconstructedParticles", "charge"),
        ("MCRecoAssociations#1.index", "Particle", "PDG"),
    )
    ends = [
        global_index(column(name), ak.num(column(f"{target}.{field}")), name, target) for name, target, field in pairs
    ]
    matched = np.full(len(columns.flat(column("ReconstructedParticles.charge"))), -1)
    matched[ends[0][::-1]] = ends[1][::-1]  # the last value stays
    return matched
