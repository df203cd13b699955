"""Delphes: jets with the particle-flow candidates that their references name.

Jets of radius 0.8 (`JetPUPPIAK8`, else `JetAK8`, else `FatJet`) are the `jets` of the record, those of the usual
radius (`JetPUPPI`, else `Jet`) its `ak4_jets`; a file has either or both. Candidates are `ParticleFlowCandidate` or, in
files of most cards, `EFlowTrack`, `EFlowPhoton` and `EFlowNeutralHadron` together. Which of them a jet has is read from
its references (`JetPUPPIAK8.Constituents`, compared with `ParticleFlowCandidate.fUniqueID`), never guessed from
distances; jets whose references lead to candidates that the file does not keep are refused. What a card gives no branch
for is not in the record; masses, which older versions have not, are then 0, as Delphes counts them.

The code of neutral hadrons, 0 in the file, is 130; the other codes are those of the file, which has kaons and protons.
Lengths are in mm, momenta in GeV.

The truth is that of `Particle`: truth_pdg_id of the jets of radius 0.8 and the flavour (5, 4, 0) of all of them, by the
hadrons within 0.8 or 0.3 of their axis; parton_flavour is `Flavor`, as Delphes gives it. Files count their events from
0 each: the key of an event is made from that number and the momentum of its first candidate.

The events are plain arrays (`JetAK8.PT`) or NanoEvents of coffea's DelphesSchema (`JetAK8_PT`).

References:
    de Favereau et al., DELPHES 3 (2014), arXiv:1307.6346.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key, event_key_of_momenta
from cortado.kinematics import mass_of
from cortado.names import flat_name
from cortado.readers import columns
from cortado.truth import flavour, heaviest_quark, last_hadrons, truth_pdg_id

__all__ = ["FORMS", "KINDS", "NAME", "ak4_jets", "branches", "jets", "record"]

NAME = "Delphes"
_COLLECTIONS = {"jets": ("JetPUPPIAK8", "JetAK8", "FatJet"), "ak4_jets": ("JetPUPPI", "Jet")}
KINDS = {kind: tuple(f"{name}{end}" for name in names for end in "._") for kind, names in _COLLECTIONS.items()}
"""What branches of one kind of jets alone begin with, by the name of these in the record."""
_RADIUS = {"jets": 0.8, "ak4_jets": 0.3}
"""Largest distance of a hadron from the axis of the jet that it names."""
_KINEMATICS = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}
_REFERENCES, _IDENTITY = "Constituents", "fUniqueID"
_NUMBER, _WEIGHT = "Event.Number", "Event.Weight"
_SOFT_DROP, _PARTON, _SUBJETTINESS = "SoftDroppedJet", "Flavor", ("Tau[5]", "Tau_5")
_TRACKED = _KINEMATICS | {"charge": "Charge", "pdg_id": "PID"}
# In the order of preference: Delphes 3.4 renamed them.
_IMPACT = {"d0": ("D0", "Dxy"), "d0_err": ("ErrorD0", "SDxy"), "dz": ("DZ",), "dz_err": ("ErrorDZ",)}
_CANDIDATES, _TRACKS = "ParticleFlowCandidate", "EFlowTrack"
_PHOTON, _NEUTRAL_HADRON = 22, 130
_TOWERS = {"EFlowPhoton": _PHOTON, "EFlowNeutralHadron": _NEUTRAL_HADRON}
_TOWER = {"pt": "ET", "eta": "Eta", "phi": "Phi"}
_PARTICLES = _KINEMATICS | {"pdg_id": "PID", "status": "Status", "mother": "M1", "vx": "X", "vy": "Y", "vz": "Z"}
_VERTEX = {"x": "X", "y": "Y", "z": "Z"}
_OF_PROCESS = 0xFFFFFF  # the bits of an identity that number objects; the others name the process that made them


def _of(collection: str, fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{collection}.{field}" for field in fields)


_WHOLE = _of(_CANDIDATES, (*_TRACKED.values(), _IDENTITY))
_PARTS = (
    *_of(_TRACKS, (*(field for field in _TRACKED.values() if field != "Mass"), _IDENTITY)),
    *(branch for tower in _TOWERS for branch in _of(tower, (*_TOWER.values(), _IDENTITY))),
)


def _required(collection: str) -> tuple[str, ...]:
    return _of(collection, (*_KINEMATICS.values(), _REFERENCES))


FORMS = tuple(
    (*_required(collection), *candidates, _NUMBER)
    for candidates in (_WHOLE, _PARTS)
    for names in _COLLECTIONS.values()
    for collection in names
)
"""Branches by which the dialect is recognised: those of one collection of jets, and of candidates of either form."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    wanted = [_NUMBER, _WEIGHT]
    for collection in _kinds(there).values():
        wanted += [*_required(collection), *_of(collection, (_SOFT_DROP, _PARTON, *_SUBJETTINESS))]
    impact = [name for names in _IMPACT.values() for name in names]
    candidates = _TRACKS if columns.missing(_WHOLE, there) else _CANDIDATES
    wanted += [*_of(candidates, (*_TRACKED.values(), *impact, _IDENTITY)), *(_PARTS if candidates == _TRACKS else ())]
    wanted += [*_of("Particle", _PARTICLES.values()), *_of("Vertex", _VERTEX.values())]
    flat = set(map(flat_name, there))
    return [name for name in dict.fromkeys(wanted) if flat_name(name) in flat]


def jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.8 with their constituents, in the order of the file.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets, shape (n_events, var), with pt, eta, phi, mass, event_key, constituents and, where the file has them,
        soft_drop_mass, tau1 to tau4, flavour, parton_flavour, truth_pdg_id.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a jet refers to candidates that are not there.
    """
    return _jets(events, "jets", _candidates(events), _particles(events))


def ak4_jets(events: ak.Array) -> ak.Array:
    """Jets of the usual radius with their constituents; as `jets`, but without truth_pdg_id."""
    return _jets(events, "ak4_jets", _candidates(events), _particles(events))


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with jets, ak4_jets or both, event_key, event and, where the file has them, weight,
        primary_vertices (var): x, y, z, and gen_particles with their production point vx, vy, vz.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a jet refers to candidates that are not there.
    """
    available, candidates, particles = columns.names(events), _candidates(events), _particles(events)
    kinds = _kinds(available) or ("jets",)
    fields: dict[str, Any] = {kind: _jets(events, kind, candidates, particles) for kind in kinds}
    fields |= {"event_key": _event_keys(events, candidates), "event": _one(events, _NUMBER)}
    if not columns.missing([_WEIGHT], available):
        fields["weight"] = _one(events, _WEIGHT)
    vertices = _chosen(events, "Vertex", _VERTEX)
    if vertices.keys() == _VERTEX.keys():
        fields["primary_vertices"] = ak.zip(vertices)
    return columns.records(fields if particles is None else fields | {"gen_particles": particles})


def _kinds(available: Collection[str]) -> dict[str, str]:
    """Collection of each kind of jets: the first that is there."""
    first = {kind: _first(names, available) for kind, names in _COLLECTIONS.items()}
    return {kind: collection for kind, collection in first.items() if collection is not None}


def _first(collections: Iterable[str], available: Collection[str]) -> str | None:
    return next((name for name in collections if not columns.missing(_required(name), available)), None)


def _chosen(events: ak.Array, collection: str, renamed: dict[str, str]) -> dict[str, ak.Array]:
    """Columns of a collection under their names in the record, as far as the events have them."""
    available = columns.names(events)
    wanted = {name: f"{collection}.{field}" for name, field in renamed.items()}
    return {
        name: columns.column(events, branch)
        for name, branch in wanted.items()
        if not columns.missing([branch], available)
    }


def _one(events: ak.Array, branch: str) -> npt.NDArray[Any]:
    """Numbers of the branch `Event`, which holds a list of one for each event, in NanoEvents the number itself.

    Raises:
        ValueError: If it holds none, or several.
    """
    column = columns.column(events, branch)
    counts = np.ones(len(column)) if column.ndim == 1 else columns.flat(ak.num(column))
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        raise ValueError(f"{branch} has {len(column[wrong[0]])} numbers in event {wrong[0]}, required: one")
    return columns.flat(column)


def _event_keys(events: ak.Array, candidates: ak.Array) -> npt.NDArray[np.uint64]:
    """Key of each event from its number and the momentum of its first candidate (0 without one), shape (n_events,)."""
    first = [ak.fill_none(ak.firsts(candidates[name]), 0) for name in ("pt", "eta", "phi")]
    momentum = event_key_of_momenta(*(columns.flat(component) for component in first))
    return np.asarray(event_key(momentum, np.zeros_like(momentum), _one(events, _NUMBER)))


def _candidates(events: ak.Array) -> ak.Array:
    """All candidates of each event, with their identity, shape (n_events, var)."""
    available = columns.names(events)
    whole = not columns.missing(_WHOLE, available)
    collection = _CANDIDATES if whole else _TRACKS
    columns.require(_WHOLE if whole else _PARTS, available, NAME)
    impact = {name: [_chosen(events, collection, {name: each}) for each in old] for name, old in _IMPACT.items()}
    tracked = _chosen(events, collection, _TRACKED)
    tracked |= {name: column for found in impact.values() for each in found[::-1] for name, column in each.items()}
    tracked["identity"] = columns.column(events, f"{collection}.{_IDENTITY}")
    tracked.setdefault("mass", ak.zeros_like(tracked["pt"]))
    if whole:
        is_neutral_hadron = (tracked["pdg_id"] == 0) & (tracked["charge"] == 0)
        tracked["pdg_id"] = ak.where(is_neutral_hadron, np.int32(_NEUTRAL_HADRON), tracked["pdg_id"])
        return ak.zip(tracked)
    parts = [ak.zip(tracked)]
    for tower, pdg_id in _TOWERS.items():
        measured = _chosen(events, tower, _TOWER | {"identity": _IDENTITY})
        nothing = ak.zeros_like(measured["pt"])
        others = {name: ak.values_astype(nothing, np.float32) for name in tracked if name not in measured}
        others |= {"charge": ak.values_astype(nothing, np.int32)}
        others |= {"pdg_id": ak.values_astype(nothing, np.int32) + np.int32(pdg_id)}
        parts.append(ak.zip(measured | others)[list(tracked)])
    return ak.concatenate(parts, axis=1)


def _jets(events: ak.Array, kind: str, candidates: ak.Array, particles: ak.Array | None) -> ak.Array:
    available = columns.names(events)
    collection = _kinds(available).get(kind)
    if collection is None:
        columns.require(_required(_COLLECTIONS[kind][-1]), available, NAME)
    fields = _chosen(events, str(collection), _KINEMATICS)
    counts = ak.num(fields["pt"])
    axes = ak.zip({name: fields[name] for name in ("eta", "phi")})
    truth = {} if particles is None else _truth(particles, kind, axes)
    flat: dict[str, Any] = {name: ak.flatten(column) for name, column in (fields | truth).items()}
    flat |= _substructure(events, str(collection))
    flat["event_key"] = np.repeat(_event_keys(events, candidates), columns.flat(counts))
    flat["constituents"] = _constituents(events, str(collection), candidates)
    return ak.unflatten(columns.momenta(flat), counts)


def _substructure(events: ak.Array, collection: str) -> dict[str, Any]:
    """Columns of the jets that not all cards fill, shape (n_jets,)."""
    more = _chosen(events, collection, {"soft_drop_mass": _SOFT_DROP, "parton_flavour": _PARTON})
    flat = {name: ak.flatten(column) for name, column in more.items()}
    if "parton_flavour" in flat:
        flat["parton_flavour"] = columns.flat(flat["parton_flavour"]).astype(np.int32)
    if "soft_drop_mass" in flat:
        groomed = flat["soft_drop_mass"]
        four = [groomed["t"], *(groomed[axis] for axis in "xyz")] if "t" in groomed.fields else None
        four = four or [groomed["fE"], *(groomed["fP"][axis] for axis in ("fX", "fY", "fZ"))]
        flat["soft_drop_mass"] = np.asarray(mass_of(*map(columns.flat, four)), np.float32)
    for spelled in _SUBJETTINESS:
        for tau in _chosen(events, collection, {"tau": spelled}).values():
            flat |= {f"tau{n}": ak.flatten(tau)[:, n - 1] for n in range(1, 5)}
    return flat


def _constituents(events: ak.Array, collection: str, candidates: ak.Array) -> ak.Array:
    """Candidates that each jet refers to, in the order of its references, shape (n_jets, var)."""
    branch = f"{collection}.{_REFERENCES}"
    references = columns.column(events, branch)["refs"]
    counts = columns.flat(ak.num(ak.flatten(references)))
    wanted, known = _numbered(ak.flatten(references, axis=2)), _numbered(candidates["identity"])
    order = np.argsort(known, kind="stable")
    place = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)] if len(known) else wanted * 0
    found = known[place] == wanted if len(known) else np.zeros(len(wanted), dtype=bool)
    if not found.all():
        lost, event = int(np.sum(~found)), int(wanted[~found][0] >> 24)
        source = "/".join((_TRACKS, *_TOWERS) if columns.missing(_WHOLE, columns.names(events)) else (_CANDIDATES,))
        raise ValueError(
            f"{branch}: {lost} of {len(wanted)} references, the first in event {event}, lead to no {source}: the file "
            "does not keep the candidates of these jets"
        )
    taken = {name: ak.flatten(candidates[name])[place] for name in candidates.fields if name != "identity"}
    return ak.unflatten(columns.momenta(taken), counts)


def _numbered(identity: ak.Array) -> npt.NDArray[np.int64]:
    """Identities with the number of their event in the bits above, flat."""
    event = np.repeat(np.arange(len(identity)), columns.flat(ak.num(identity)))
    return np.asarray((event << 24) | (columns.flat(identity).astype(np.int64) & _OF_PROCESS))


def _particles(events: ak.Array) -> ak.Array | None:
    """Generated particles, shape (n_events, var); None for files without."""
    found = _chosen(events, "Particle", _PARTICLES)
    if found.keys() != _PARTICLES.keys():
        return None
    flat = columns.momenta({name: ak.flatten(column) for name, column in found.items()})
    return ak.unflatten(flat, ak.num(found["pt"]))


def _truth(particles: ak.Array, kind: str, axes: ak.Array) -> dict[str, ak.Array]:
    """True columns of the jets, shape (n_events, var)."""
    decays = {"truth_pdg_id": truth_pdg_id(axes, particles)} if kind == "jets" else {}
    counts = columns.flat(ak.num(particles))
    mother, pdg_id = columns.flat(particles["mother"]).astype(np.int64), columns.flat(particles["pdg_id"])
    event = np.repeat(np.arange(len(counts)), counts)
    parent = np.where(mother < 0, -1, mother + (np.cumsum(counts) - counts)[event])
    chosen = last_hadrons(pdg_id, parent, 5) | last_hadrons(pdg_id, parent, 4)
    directions = {name: columns.flat(particles[name])[chosen] for name in ("eta", "phi")}
    hadrons = ak.zip({"quark": heaviest_quark(pdg_id[chosen])} | directions)
    heavy = ak.unflatten(hadrons, np.bincount(event[chosen], minlength=len(counts)))
    return decays | {"flavour": flavour(axes, heavy, _RADIUS[kind])}
