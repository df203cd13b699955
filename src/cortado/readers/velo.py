"""Hits of the LHCb VELO, one event a JSON file, as the track-finding challenges of its upgrade use them.

Lists x, y, z [mm] of hits in the order of the modules, module_prefix_sum (first hit of each of the 52 modules, and the
number of hits), and, with truth, montecarlo: rows of particles (key, pid, p, pt [MeV], eta, phi, charge, and hits: the
positions of its hits). Files are opened as `x`, `particles_pt`, ... by `ntuples.event_files`.

A layer is a station of two modules, one at each side, along z; the volume is 0. A particle_id is key + 1, as 0 is for
noise. A hit of several particles is of the first one. Vertices are not known: the hits of a particle are ordered along
its momentum, as there is no field.

References:
    LHCb collaboration, LHCb VELO Upgrade Technical Design Report (2013), CERN-LHCC-2013-021.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak
import numpy as np

from cortado.readers import columns, hit_records
from cortado.truth.trajectories import NOISE

__all__ = ["FORMS", "NAME", "branches", "record"]

NAME = "LHCb VELO"
_POSITION, _MODULES = ("x", "y", "z"), "module_prefix_sum"
_TRUTH = tuple(f"particles_{name}" for name in ("key", "pid", "pt", "eta", "phi", "charge", "hits"))
_MEV = 1e-3  # GeV
FORMS = ((*_POSITION, _MODULES),)
"""Columns by which the dialect is recognised, and without which it cannot be read; hits without truth can be."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the columns that `record` uses, of those that are available.

    Raises:
        KeyError: If the particles lack a column.
    """
    there = set(available)
    truth = _TRUTH if any(name.startswith("particles_") for name in there) else ()
    columns.require((*FORMS[0], *truth), there, NAME)
    return ["event", *FORMS[0], *truth]


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with event_key, event, hits and, with truth, particles; see `hit_records.record`.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If module_prefix_sum does not count the hits, a particle has a hit that does not exist, a number is
            not finite, or two particles have the same key.
    """
    columns.require(branches(columns.names(events)), columns.names(events), NAME)
    hits = {name: columns.column(events, name) for name in _POSITION}
    hits |= _modules(columns.column(events, _MODULES), ak.num(hits["x"]))
    particles = None
    if _TRUTH[0] in columns.names(events):
        particles = _particles(events)
        own_hits = ak.enforce_type(columns.column(events, _TRUTH[-1]), "var * var * int64")  # known without particles
        hits["particle_id"] = _particle_id(particles["particle_id"], own_hits, hits["x"])
    return hit_records.record(hit_records.event_columns(columns.column(events, "event")), hits, particles)


def _modules(prefix_sum: ak.Array, counts: ak.Array) -> dict[str, ak.Array]:
    """Module, layer and volume of each hit, shape (n_events, var)."""
    size = prefix_sum[:, 1:] - prefix_sum[:, :-1]
    wrong = np.flatnonzero(ak.to_numpy(ak.any(size < 0, axis=1) | (ak.sum(size, axis=1) != counts)))
    if len(wrong):
        event = int(wrong[0])
        raise ValueError(f"event {event}: {_MODULES} does not count its {counts[event]} hits: {prefix_sum[event]}")
    module = np.repeat(columns.flat(ak.local_index(size)), columns.flat(size))
    places = {"module": module, "layer": module // 2, "volume": np.zeros_like(module)}
    return {name: ak.unflatten(column, counts) for name, column in places.items()}


def _particles(events: ak.Array) -> dict[str, ak.Array]:
    key, pdg_id, pt, eta, phi, charge = (columns.column(events, name) for name in _TRUTH[:-1])
    pt = pt * _MEV
    momentum = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    return {"particle_id": key + 1, **momentum, "charge": np.round(charge), "pdg_id": pdg_id}


def _particle_id(particle_id: ak.Array, own_hits: ak.Array, hits: ak.Array) -> ak.Array:
    """particle_id of the first particle that has each hit, shape (n_events, var)."""
    counts = ak.to_numpy(ak.num(hits))
    position = ak.flatten(own_hits, axis=2)
    wrong = np.flatnonzero(ak.to_numpy(ak.any((position < 0) | (position >= counts), axis=1)))
    if len(wrong):
        event = int(wrong[0])
        raise ValueError(f"event {event}: a particle has a hit that does not exist, there are {counts[event]} of them")
    place = columns.flat(position + np.cumsum(counts) - counts).astype(np.int64)
    of_hit = np.repeat(columns.flat(particle_id), columns.flat(ak.num(own_hits, axis=2)))
    names = np.full(counts.sum(), NOISE, np.int64)
    names[place[::-1]] = of_hit[::-1]  # the first is written last
    return ak.unflatten(names, counts)
