"""EDM4hep of FCC-ee by Delphes, such as "Spring 2021", with relations in `Jet#2` and the like: jets with tracks.

A jet of the collection `Jet` links to its particles (`Jet#2`), these to their track (`ReconstructedParticles#1`), and
this to its state (`EFlowTrack_1`) at the origin. Tracks that no jet links to (most of them, in those samples) are in no
jet of the record, however near its axis. Links are taken to lead to these collections: their collectionID is not read.
Lengths are in mm, momenta in GeV. The field is not in the file: `MAGNETIC_FIELD`, that of the IDEA and CLD detectors.
The mass of a track is that which the file gives its particle.

With generated particles there is truth: every track has the vertex of the particle that it is associated to
(`MCRecoAssociations`), see `production`, and every jet the flavour of the hadrons in it. Without them, the jets have
neither. There are no event numbers: the key of an event is made from the momentum of its first jet.

The events are plain arrays (`EFlowTrack_1.D0`), or NanoEvents of coffea's BaseSchema (`EFlowTrack_1/EFlowTrack_1.D0`)
or FCCSchema (`EFlowTrack_1.D0` is field D0 of EFlowTrack_1, `Jet#2.index` field index of Jetidx2).

References:
    Gaede et al., EDM4hep, a common event data model for HEP experiments (2022), PoS(ICHEP2022)1237.
"""

import re
from collections.abc import Callable, Collection, Iterable
from functools import partial, reduce
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import splits
from cortado.readers import columns
from cortado.readers.cartesian import cylindrical
from cortado.readers.links import global_index
from cortado.readers.perigee import PARAMETERS, covariance_from_edm4hep, from_edm4hep
from cortado.readers.production import (
    Production,
    flavour,
    heaviest_quark,
    last_hadrons,
    production,
    vertices_of_tracks,
)

__all__ = ["FORMS", "MAGNETIC_FIELD", "NAME", "branches", "jets", "record"]

Integers = npt.NDArray[np.int64]
Column = Callable[[str], ak.Array]

NAME = "EDM4hep"
MAGNETIC_FIELD = 2.0
"""Field along z [T]."""

_XYZ = ("x", "y", "z")
_STATE = tuple(f"EFlowTrack_1.{name}" for name in ("D0", "phi", "omega", "Z0", "tanLambda"))
_COVARIANCE = "EFlowTrack_1.covMatrix[15]"
_REFERENCE = tuple(f"EFlowTrack_1.referencePoint.{axis}" for axis in _XYZ)
_JET = (*(f"Jet.momentum.{axis}" for axis in _XYZ), "Jet.mass")
_REQUIRED = (
    *_STATE,
    _COVARIANCE,
    *_REFERENCE,
    *_JET,
    "Jet.particles_begin",
    "Jet.particles_end",
    "Jet#2.index",
    "ReconstructedParticles.charge",
    "ReconstructedParticles.mass",
    "ReconstructedParticles.tracks_begin",
    "ReconstructedParticles.tracks_end",
    "ReconstructedParticles#1.index",
    "EFlowTrack.trackStates_begin",
)
_POINT = tuple(f"Particle.vertex.{axis}" for axis in _XYZ)
_MOMENTUM = tuple(f"Particle.momentum.{axis}" for axis in _XYZ)
_TRUTH = (
    "MCRecoAssociations#0.index",
    "MCRecoAssociations#1.index",
    "Particle.PDG",
    *_POINT,
    *_MOMENTUM,
    "Particle.parents_begin",
    "Particle.parents_end",
    "Particle#0.index",
)
# branch name -> path of fields in the FCCSchema of coffea
_SCHEMA = (
    ("MCRecoAssociations#0", "MCRecoAssociations.reco"),
    ("MCRecoAssociations#1", "MCRecoAssociations.mc"),
    (r"#(\d)", r"idx\1"),
    (r"\[(\d+)\]", r"_\1_"),
    (r"momentum\.", "p"),
    (r"_(begin|end)$", r".\1"),
)


def _in_tree(name: str) -> tuple[str, ...]:
    return (name,)


def _in_base_schema(name: str) -> tuple[str, ...]:
    return (f"{name.partition('.')[0]}/{name}",)


def _in_fcc_schema(name: str) -> tuple[str, ...]:
    return tuple(reduce(lambda path, rule: re.sub(rule[0], rule[1], path), _SCHEMA, name).split("."))


def _form(spelling: Callable[[str], tuple[str, ...]], names: Iterable[str]) -> tuple[str, ...]:
    """Names of the columns, as `columns.names` gives them, in one spelling."""
    return tuple(dict.fromkeys("_".join(spelling(name)[:2]) for name in names))


_SPELLINGS = (_in_tree, _in_base_schema, _in_fcc_schema)
FORMS = tuple(_form(spelling, _REQUIRED) for spelling in _SPELLINGS)
"""Columns by which the dialect is recognised, and without which it cannot be read: in a file, in both schemas."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    spelled = [name for spelling in _SPELLINGS for name in _form(spelling, (*_REQUIRED, *_TRUTH))]
    return [name for name in dict.fromkeys(spelled) if name in there]


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
    available = columns.names(events)
    spelling = _spelling(available)
    column = partial(_column, events, spelling)
    found: dict[str, Any] = cylindrical(*(columns.flat(column(name)) for name in _JET[:3]))
    found["mass"] = columns.flat(column("Jet.mass"))
    counts = ak.num(column("Jet.mass"))
    found["event_key"] = _event_keys(column)[np.repeat(np.arange(len(events)), columns.flat(counts))]

    particle, n_tracks = _tracked_particles(column)
    tracks = _tracks(column, particle)
    if not columns.missing(_form(spelling, _TRUTH), available):
        parent, produced = _production(column)
        axes = ak.unflatten(ak.zip({name: found[name] for name in ("eta", "phi")}), counts)
        found["flavour"] = ak.flatten(flavour(axes, _heavy_hadrons(column, parent)))
        truth, found["true_vertices"] = vertices_of_tracks(_matched(column)[particle], n_tracks, produced)
        tracks |= truth
    found["tracks"] = ak.unflatten(ak.zip(tracks), n_tracks)
    return ak.unflatten(columns.momenta(found), counts)


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package, with jets and event_key.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,).

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points nowhere, or a track state is not at the origin.
    """
    found = jets(events)
    column = partial(_column, events, _spelling(columns.names(events)))
    return columns.records({"jets": found, "event_key": _event_keys(column)})


def _spelling(available: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """How the events spell the names of branches: the way in which the fewest required ones are missing."""
    spelling = min(_SPELLINGS, key=lambda one: len(columns.missing(_form(one, _REQUIRED), available)))
    columns.require(_form(spelling, _REQUIRED), available, NAME)
    return spelling


def _column(events: ak.Array, spelling: Callable[[str], tuple[str, ...]], name: str) -> ak.Array:
    found = reduce(lambda array, field: array[field], spelling(name), events)
    return ak.without_parameters(ak.Array(found.layout), behavior={}, attrs={})


def _event_keys(column: Column) -> npt.NDArray[np.uint64]:
    """Key of each event from px, py, pz and mass of its first jet, shape (n_events,); 0, 0, 0, 0 without one."""
    first = [ak.fill_none(ak.firsts(column(name)), 0) for name in _JET]
    return np.asarray(splits.event_key_of_momenta(*(columns.flat(component) for component in first)))


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
    state = global_index(first_states, ak.num(column(_STATE[0])), "EFlowTrack.trackStates_begin", "EFlowTrack_1")
    first = (np.cumsum(n_links) - n_links)[particle]
    return np.asarray(state[track[link[first]]])


def _tracks(column: Column, particle: Integers) -> dict[str, Any]:
    """Columns of the tracks of the particles, shape (m,)."""
    state = _states(column, particle)
    at_origin = [columns.flat(column(name))[state] == 0 for name in _REFERENCE]
    if not np.all(at_origin):
        point = [columns.flat(column(name))[state] for name in _REFERENCE]
        wrong = np.array(point).T[~np.all(at_origin, axis=0)][0]
        raise ValueError(f"EFlowTrack_1.referencePoint = {wrong.tolist()}; track states at [0, 0, 0] are needed")
    states = np.stack([columns.flat(column(name))[state] for name in _STATE], axis=-1).astype(np.float64)
    packed = np.asarray(ak.flatten(column(_COVARIANCE)))[state].astype(np.float64)
    found: dict[str, Any] = dict(zip(PARAMETERS, from_edm4hep(states, MAGNETIC_FIELD).T))
    with np.errstate(divide="ignore"):
        found["pt"] = np.sin(found["theta"]) / np.abs(found["q_over_p"])
    found["eta"] = np.arcsinh(states[:, 4])
    found["mass"] = columns.flat(column("ReconstructedParticles.mass"))[particle]
    found |= covariance_from_edm4hep(packed, states, MAGNETIC_FIELD)
    found = {name: values.astype(np.float32) for name, values in found.items()}
    return found | {"charge": columns.flat(column("ReconstructedParticles.charge"))[particle].astype(np.int32)}


def _production(column: Column) -> tuple[Integers, Production]:
    """First parent (-1: none) of all generated particles, and the vertices that they come from."""
    pdg_id = column("Particle.PDG")
    link, n_parents = _ranges(column, "Particle.parents", "Particle#0.index")
    above = global_index(column("Particle#0.index"), ak.num(pdg_id), "Particle#0.index", "Particle")[link]
    parent = np.full(len(n_parents), -1)
    parent[n_parents > 0] = above[(np.cumsum(n_parents) - n_parents)[n_parents > 0]]
    points = np.stack([columns.flat(column(name)) for name in _POINT], axis=-1).astype(np.float64)
    return parent, production(columns.flat(pdg_id), parent, points)


def _heavy_hadrons(column: Column, parent: Integers) -> ak.Array:
    """Hadrons with b and c quarks that decay weakly: quark, eta, phi; shape (n_events, var)."""
    pdg_id = column("Particle.PDG")
    kinds = columns.flat(pdg_id)
    chosen = last_hadrons(kinds, parent, 5) | last_hadrons(kinds, parent, 4)
    direction = cylindrical(*(columns.flat(column(name))[chosen] for name in _MOMENTUM))
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
    found = np.full(len(columns.flat(column("ReconstructedParticles.charge"))), -1)
    found[ends[0][::-1]] = ends[1][::-1]  # the last value stays
    return found
