"""Which hits a true particle left, in the order in which it went through them."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

__all__ = ["NOISE", "even_weights", "particles_of", "positions", "with_hits"]

NOISE = 0
"""particle_id of hits that no particle left."""

_VERTEX, _MOMENTUM = ("vx", "vy", "vz"), ("px", "py", "pz")
Integers = npt.NDArray[np.int64]


def with_hits(particles: ak.Array, hits: ak.Array) -> ak.Array:
    """Give each true particle its hits, ordered along its path.

    The order is that of the distance from its origin vertex; where vertices are not known that along its momentum,
    as of straight tracks, and where momenta are not known either that of the distance from the origin. Hits at equal
    distance stay in their order.

    Args:
        particles: True ones, shape (n_events, var): particle_id, and where known vx, vy, vz [mm], px, py, pz [GeV].
        hits: All hits, shape (n_events, var): x, y, z [mm], particle_id (0 for noise), and others.

    Returns:
        The particles with n_hits (int32) and `hits`, which have all fields but particle_id, shape (n_events, var, var).

    Raises:
        ValueError: If two particles of an event share their particle_id, one has that of noise, or a hit has one that
            no particle of its event has.
    """
    _check_not_noise(particles.particle_id)
    particle = positions(particles.particle_id, hits.particle_id, "particle_id of particles")
    every, own = ak.flatten(particles), ak.flatten(hits)
    of_particle = ak.to_numpy(own.particle_id) != NOISE
    _check_known(particle, of_particle, hits)
    chosen = np.flatnonzero(of_particle)
    path = _path(every[particle[chosen]], own[chosen])
    order = chosen[np.lexsort((path, particle[chosen]))]
    n_hits = np.bincount(particle[chosen], minlength=len(every)).astype(np.int32)
    fields = [name for name in hits.fields if name != "particle_id"]
    columns = {name: every[name] for name in every.fields}
    columns |= {"n_hits": n_hits, "hits": ak.unflatten(own[fields][order], n_hits)}
    return ak.unflatten(ak.zip(columns, depth_limit=1), ak.num(particles))


def particles_of(hits: ak.Array) -> ak.Array:
    """True particles of which nothing is known but the hits that they left, in the order of their first hits.

    Args:
        hits: All hits, shape (n_events, var), with particle_id.

    Returns:
        Particles with particle_id alone, shape (n_events, var).
    """
    event, particle_id = _owner(hits.particle_id), _flat(hits.particle_id)
    of_particle = np.flatnonzero(particle_id != NOISE)
    _, code = np.unique(particle_id, return_inverse=True)
    _, first = np.unique((event * (len(particle_id) + 1) + code)[of_particle], return_index=True)
    first = of_particle[np.sort(first)]
    counts = np.bincount(event[first], minlength=len(hits))
    return ak.unflatten(ak.zip({"particle_id": particle_id[first]}), counts)


def even_weights(particle_id: ak.Array) -> ak.Array:
    """Equal weights of the hits of particles, with the sum one in each event; zero for noise.

    Args:
        particle_id: Of each hit, shape (n_events, var).

    Returns:
        Weights, float32, shape (n_events, var).
    """
    of_particle = particle_id != NOISE
    return ak.values_astype(of_particle / np.maximum(ak.sum(of_particle, axis=1), 1), np.float32)


def positions(identifiers: ak.Array, wanted: ak.Array, what: str) -> Integers:
    """Find integers among others of the same event, by sorting.

    Args:
        identifiers: Where to look, shape (n_events, var), all different in an event.
        wanted: What to look for, shape (n_events, var).
        what: What the identifiers are, for the message.

    Returns:
        Position of each one that is wanted among the flattened identifiers, -1 where there is none, shape (m,).

    Raises:
        ValueError: If an event has an identifier more than once.
    """
    known, asked = _flat(identifiers), _flat(wanted)
    _, code = np.unique(np.concatenate([known, asked]), return_inverse=True)
    key = np.concatenate([_owner(identifiers), _owner(wanted)]) * (len(code) + 1) + code
    order = np.argsort(key[: len(known)], kind="stable")
    ordered = key[: len(known)][order]
    repeated = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(repeated):
        first = order[repeated[0]]
        raise ValueError(
            f"event {_owner(identifiers)[first]}: {what} {known[first]} occurs more than once; "
            f"{len(repeated)} are repeated, they must all be different"
        )
    place = np.searchsorted(ordered, key[len(known) :])
    hit = np.append(ordered, -1)[place] == key[len(known) :]
    return np.where(hit, np.append(order, -1)[place], -1)


def _flat(jagged: ak.Array) -> Integers:
    return np.asarray(ak.to_numpy(ak.flatten(jagged)), dtype=np.int64)


def _owner(jagged: ak.Array) -> Integers:
    """Event of each element, shape (m,)."""
    return np.repeat(np.arange(len(jagged)), ak.to_numpy(ak.num(jagged)))


def _path(particles: ak.Array, hits: ak.Array) -> npt.NDArray[np.float64]:
    """A number that grows along the path of the particle of each hit, shape (m,)."""
    position = _vectors(hits, ("x", "y", "z"))
    if set(_VERTEX) <= set(particles.fields):
        return np.asarray(np.linalg.norm(position - _vectors(particles, _VERTEX), axis=1))
    if set(_MOMENTUM) <= set(particles.fields):
        return np.asarray(np.sum(position * _vectors(particles, _MOMENTUM), axis=1))
    return np.asarray(np.linalg.norm(position, axis=1))


def _vectors(records: ak.Array, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
    return np.stack([ak.to_numpy(records[name]).astype(np.float64) for name in names], axis=-1)


def _check_not_noise(particle_id: ak.Array) -> None:
    wrong = np.flatnonzero(ak.to_numpy(ak.any(particle_id == NOISE, axis=1)))
    if len(wrong):
        raise ValueError(f"event {wrong[0]}: a particle has particle_id {NOISE}, which is that of noise hits")


def _check_known(particle: Integers, of_particle: npt.NDArray[Any], hits: ak.Array) -> None:
    lost = np.flatnonzero(of_particle & (particle < 0))
    if len(lost):
        lost_ids = np.unique(_flat(hits.particle_id)[lost])
        raise ValueError(
            f"event {_owner(hits)[lost[0]]}: {len(lost)} hits have one of {len(lost_ids)} values of particle_id that "
            f"no particle has: {', '.join(map(str, lost_ids[:3]))}{', ...' if len(lost_ids) > 3 else ''}; "
            f"give them a particle, or {NOISE} for noise"
        )
