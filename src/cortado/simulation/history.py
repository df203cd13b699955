"""What became of each particle: flat arrays of Pythia's record, and the decays at which tracks begin.

A vertex is the decay of a long-lived particle: a weakly decaying b or c hadron, a strange hadron, a pion, muon or tau.
Whatever decays by the strong or electromagnetic force (c tau below 0.1 um) does so at the vertex where it was made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.simulation.gen_particles import nearest_ancestor

Array = npt.NDArray[Any]

PRIMARY, FROM_B, C_FROM_B, FROM_C, OTHER, PILEUP, FAKE = range(7)
"""Types of vertices: where tracks come from."""

BEAUTY = (511, 521, 531, 541, 5122, 5132, 5232, 5332)
CHARM = (411, 421, 431, 4122, 4132, 4232, 4332)
_OTHERS = (13, 15, 130, 211, 310, 321, 3112, 3122, 3222, 3312, 3322, 3334)


class History(NamedTuple):
    """All particles of a batch of events, with their mothers; flat, shape (n,); lengths in mm, GeV.

    ``parent`` is the index of the mother for products of decays, -1 for what comes from the collision itself.
    ``tau`` is the proper time that the particle lives [mm / c].
    """

    event: Array
    pdg_id: Array
    stable: Array
    parent: Array
    px: Array
    py: Array
    pz: Array
    energy: Array
    mass: Array
    x: Array
    y: Array
    z: Array
    tau: Array


class Vertices(NamedTuple):
    """True vertices of a batch of events, shape (v,), lengths in mm.

    ``pdg_id``, ``pt`` [GeV], ``eta``, ``mass`` [GeV] and ``flight``, the distance flown, are of the particle that
    decayed there; 0 for collisions. The position of a fake is NaN.
    """

    type: Array
    x: Array
    y: Array
    z: Array
    pdg_id: Array
    pt: Array
    eta: Array
    mass: Array
    flight: Array


def history(particles: ak.Array) -> History:
    """Flatten Pythia's record.

    Args:
        particles: Shape (n_events, var), with ``id status mother1 p m vProd tau``.
    """
    counts = ak.to_numpy(ak.num(particles))
    flat = ak.flatten(particles)
    pdg_id, status, mother = (ak.to_numpy(flat[name]).astype(np.int64) for name in ("id", "status", "mother1"))
    parent = np.where(mother > 0, mother + np.repeat(np.cumsum(counts) - counts, counts), -1)
    decayed = (np.abs(status) > 90) & (np.abs(status) < 100)
    # Quarkonia decay to partons, which form hadrons: their mothers are products of a decay, too.
    parent = np.where(decayed | decayed[parent], parent, -1)
    px, py, pz, energy = (ak.to_numpy(flat.p[axis]) for axis in ("px", "py", "pz", "e"))
    x, y, z = (ak.to_numpy(ak.fill_none(flat.vProd[axis], 0.0)) for axis in ("px", "py", "pz"))
    mass, tau = ak.to_numpy(flat.m), ak.to_numpy(flat.tau)
    event = np.repeat(np.arange(len(counts)), counts)
    return History(event, pdg_id, status > 0, parent, px, py, pz, energy, mass, x, y, z, tau)


def origins(ancestry: History, tracks: Array, events: int) -> tuple[Array, Vertices]:
    """Find the vertices at which tracks begin.

    Args:
        ancestry: History of the events.
        tracks: Indices of the particles that leave tracks, shape (n,).
        events: Number of events.

    Returns:
        Row of the vertex of each track, shape (n,), and the vertices: first the primary vertices of all events, at the
        origin, then the decays, shape (v,).
    """
    long_lived = np.isin(np.abs(ancestry.pdg_id), (*BEAUTY, *CHARM, *_OTHERS))
    ancestor = nearest_ancestor(ancestry.parent, long_lived, tracks)
    decays, number = np.unique(ancestor[ancestor >= 0], return_inverse=True)
    row = ancestry.event[tracks].copy()
    row[ancestor >= 0] = events + number
    return row, joined(collisions(np.zeros(events), PRIMARY), _decays(ancestry, decays))


def collisions(z: Array, kind: int) -> Vertices:
    """Vertices on the beam line.

    Args:
        z: Where [mm], shape (v,).
        kind: PRIMARY or PILEUP.
    """
    zero = np.zeros(len(z))
    return Vertices(np.full(len(z), kind), zero, zero, z, np.zeros(len(z), np.int64), zero, zero, zero, zero)


def joined(*parts: Vertices) -> Vertices:
    """All the vertices, in turn."""
    return Vertices(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _decays(ancestry: History, decays: Array) -> Vertices:
    """Vertices where the particles of these indices decay."""
    kind, parent = np.abs(ancestry.pdg_id), ancestry.parent
    from_b = nearest_ancestor(parent, np.isin(kind, BEAUTY), decays) >= 0
    of_charm = np.where(from_b, C_FROM_B, FROM_C)
    types = np.select([np.isin(kind[decays], BEAUTY), np.isin(kind[decays], CHARM)], [FROM_B, of_charm], OTHER)
    px, py, pz, mass, tau = (getattr(ancestry, name)[decays] for name in ("px", "py", "pz", "mass", "tau"))
    life = tau / mass
    pt = np.hypot(px, py)
    return Vertices(
        type=types,
        x=ancestry.x[decays] + life * px,
        y=ancestry.y[decays] + life * py,
        z=ancestry.z[decays] + life * pz,
        pdg_id=ancestry.pdg_id[decays],
        pt=pt,
        eta=np.arcsinh(pz / pt),
        mass=mass,
        flight=life * np.hypot(pt, pz),
    )
