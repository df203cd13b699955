"""Segments of true tracks, from which the windows of graphs are fitted and by which they are judged.

Shapes: n events, N hits, S segments.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISE", "some_true_segments", "true_segments"]

NOISE = 0

Indices = NDArray[np.int64]


def true_segments(events: ak.Array, *, min_pt: float, min_hits: int) -> Indices:
    """Consecutive hits of a particle in different layers, shape (2, S); along each particle one after the other.

    Hits are ordered by their distance from where the particle was born, from the origin where there are no particles.

    Args:
        events: With `hits`, their `particle_id`, and, unless `min_pt` is 0, with `particles`; shape (n,).
        min_pt: Least transverse momentum [GeV].
        min_hits: Least number of hits.

    Returns:
        Indices of the inner and the outer hit among all hits of the events.

    Raises:
        ValueError: If there is no truth for that.
    """
    if "particle_id" not in ak.fields(events.hits):
        raise ValueError("true segments need hits.particle_id, which the events do not have")
    known, particle = _particles(events, min_pt)
    position = np.stack([ak.to_numpy(ak.flatten(events.hits[name])).astype(np.float64) for name in "xyz"], axis=1)
    layer = ak.to_numpy(ak.flatten(events.hits.layer))
    origin = known[particle] if len(known) else np.zeros((len(particle), 3))
    distance = np.linalg.norm(position - origin, axis=1)
    many = np.bincount(particle[particle >= 0], minlength=1)
    hit = np.flatnonzero(particle >= 0)
    hit = hit[many[particle[hit]] >= min_hits]
    hit = hit[np.lexsort((distance[hit], particle[hit]))]
    inner, outer = hit[:-1], hit[1:]
    follows = (particle[inner] == particle[outer]) & (layer[inner] != layer[outer])
    return np.stack([inner[follows], outer[follows]])


def some_true_segments(events: ak.Array, *, min_pt: float, min_hits: int) -> Indices:
    """The same, where there must be some.

    Raises:
        ValueError: As `true_segments`, or if there is no true segment.
    """
    truth = true_segments(events, min_pt=min_pt, min_hits=min_hits)
    if truth.shape[1] == 0:
        raise ValueError(
            f"no true segment: no particle with pt of at least {min_pt:g} GeV has {min_hits} hits or more in layers"
        )
    return truth


def _particles(events: ak.Array, min_pt: float) -> tuple[NDArray[np.float64], Indices]:
    """Origins [mm] of the particles (p, 3), and the particle of each hit (N,): -1 for noise and those too soft."""
    counts = ak.to_numpy(ak.num(events.hits.particle_id))
    of_hit = np.repeat(np.arange(len(counts)), counts), ak.to_numpy(ak.flatten(events.hits.particle_id))
    is_noise = of_hit[1] == NOISE
    if "particles" not in ak.fields(events):
        if min_pt > 0:
            raise ValueError(
                f"min_pt = {min_pt:g} GeV needs particles, which the events do not have; min_pt=0 needs none"
            )
        number = _numbered(*of_hit)
        return np.zeros((0, 3)), np.where(is_noise, -1, number)
    per_event = ak.to_numpy(ak.num(events.particles.particle_id))
    of_particle = np.repeat(np.arange(len(per_event)), per_event), _flat(events.particles, "particle_id")
    number = _numbered(*(np.concatenate(both) for both in zip(of_particle, of_hit)))
    place = np.full(number.max(initial=-1) + 1, -1)
    pt = np.hypot(_flat(events.particles, "px"), _flat(events.particles, "py"))
    kept = np.flatnonzero(pt >= min_pt)
    place[number[kept]] = kept
    particle = np.where(is_noise, -1, place[number[len(pt) :]])
    return np.stack([_flat(events.particles, name) for name in ("vx", "vy", "vz")], axis=1), particle


def _numbered(event: Indices, identity: Indices) -> Indices:
    """The same number for the same particle of the same event."""
    order = np.lexsort((identity, event))
    changes = (np.diff(event[order]) != 0) | (np.diff(identity[order]) != 0)
    number = np.empty(len(order), np.int64)
    number[order] = np.concatenate([np.zeros(min(1, len(order)), np.int64), np.cumsum(changes)])
    return number


def _flat(particles: ak.Array, name: str) -> NDArray[Any]:
    column: NDArray[Any] = ak.to_numpy(ak.flatten(particles[name]))
    return column
