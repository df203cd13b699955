"""Charged particles of bunch crossings, without a generator: flat in eta and phi, falling in pT."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado import kinematics

__all__ = ["MAX_ETA", "MIN_PT", "Particles", "beam_spot", "simple_particles"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_ETA = 3.0
MIN_PT = 0.1  # GeV: below, energy loss would matter
_PION = 211
_SPOT = (0.0125, 0.0125, 55.0)  # mm, spread of the collisions in x, y, z
_SOFT, _HARD = (6.0, 0.96), (14.0, 4.0)
"""Particles for each unit of eta, and scale of their pT [GeV], of a pile-up and of the hard collision."""
_POWER = 6.6


class Particles(NamedTuple):
    """Charged particles of a batch of events, flat, those of an event together; shape (n,).

    Attributes:
        event: Number of the event in the batch.
        particle_id: Its name in the event, above 0.
        pdg_id: Its kind.
        charge: +1 or -1.
        mass: [GeV].
        momentum: px, py, pz at its origin [GeV], shape (n, 3).
        origin: x, y, z [mm], shape (n, 3).
    """

    event: Array
    particle_id: Array
    pdg_id: Array
    charge: Array
    mass: Array
    momentum: Array
    origin: Array


def beam_spot(collisions: int, rng: np.random.Generator) -> Floats:
    """Positions of collisions [mm], Gaussian: 12.5 um across and 55 mm along the beam; shape (collisions, 3)."""
    return rng.normal(0.0, _SPOT, (collisions, 3))


def simple_particles(events: int, mu: float, rng: np.random.Generator) -> Particles:
    """Pions of one hard collision and of Poisson(mu) pile-up collisions in each event.

    Numbers are Poisson, eta is flat to 3, and dN/dpT = pT (1 + pT / p0)^-6.6 above 0.1 GeV: for pile-up, p0 and power
    are those that CMS fits to charged hadrons at 7 TeV; the hard collision has more particles, four times harder.

    Args:
        events: Number of events.
        mu: Mean number of pile-up collisions.
        rng: Source of everything.

    References:
        CMS, Transverse-momentum and pseudorapidity distributions of charged hadrons (2010), arXiv:1005.3299.
    """
    soft = rng.poisson(mu, events)
    event = np.repeat(np.arange(events), 1 + soft)
    hard = np.zeros(len(event), bool)
    hard[np.cumsum(1 + soft) - 1 - soft] = True
    density, scale = np.where(hard[:, np.newaxis], _HARD, _SOFT).T
    collision = np.repeat(np.arange(len(event)), rng.poisson(2 * MAX_ETA * density))
    pt = _transverse(scale[collision], rng)
    n = len(pt)
    momentum = kinematics.momentum(pt, rng.uniform(-MAX_ETA, MAX_ETA, n), rng.uniform(-np.pi, np.pi, n))
    charge = rng.choice([-1, 1], n)
    number = event[collision]
    return Particles(
        event=number,
        particle_id=1 + np.arange(n) - np.searchsorted(number, number),
        pdg_id=_PION * charge,
        charge=charge,
        mass=np.full(n, kinematics.PION_MASS),
        momentum=np.stack(momentum, axis=-1),
        origin=beam_spot(len(event), rng)[collision],
    )


def _transverse(scale: Floats, rng: np.random.Generator) -> Floats:
    """Transverse momenta [GeV]; pT / scale is a beta-prime variate, those below the threshold are drawn again."""
    pt = np.zeros(len(scale))
    low = np.arange(len(scale))
    while len(low):
        pt[low] = scale[low] * rng.gamma(2.0, 1.0, len(low)) / rng.gamma(_POWER - 2.0, 1.0, len(low))
        low = low[pt[low] < MIN_PT]
    return pt
