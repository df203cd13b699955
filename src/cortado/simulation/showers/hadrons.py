"""Inelastic collisions of pions, and of photons, with nuclei: an approximate model, not one of nuclear physics.

What it is: a part of the energy breaks up the nucleus; the rest is shared among pions, a third of them neutral, the
leading one with half of it, with a transverse momentum of 350 MeV on average. A third of what breaks up the nucleus is
invisible (binding energies), a third stays where it is (protons, fragments), and a third goes on with neutrons.

What it is not: no kaons, nucleons or resonances, no conservation of momentum, no low-energy neutrons or delayed photons
one by one, no decay of pions in flight. Fluctuations and correlations of pion showers are only roughly those of Geant4.
"""

from __future__ import annotations

import math

import numpy as np

from cortado.simulation.showers.compilation import compiled
from cortado.simulation.showers.materials import PION_MASS
from cortado.simulation.showers.particles import (
    PHOTON,
    PION,
    Floats,
    Vector,
    azimuth,
    isotropic,
    push,
    push_two,
    turned,
)
from cortado.simulation.showers.readout import LEAKED, LOST, Calorimeter, deposit, outside

_TRANSVERSE = 280.0  # MeV, of a Rayleigh distribution with a mean of 350
_LEADING = (0.2, 0.8)  # share of the leading pion
_NEUTRONS = 3
_NEUTRON_LENGTH = 100.0  # mm


@compiled
def collision(
    stack: Floats,
    n: int,
    energy: float,
    breakup: float,
    position: Vector,
    direction: Vector,
    calorimeter: Calorimeter,
    readout: Floats,
    rng: np.random.Generator,
) -> int:
    """Replace a charged pion by what it makes in a collision, and return the new number on the stack.

    Args:
        stack: Particles that wait, shape (m, 8).
        n: Number of them.
        energy: Kinetic, of the pion [MeV].
        breakup: Mean energy that goes into the nucleus [MeV].
        position: Of the nucleus [mm].
        direction: Of the pion.
        calorimeter: The block.
        readout: Of `calorimeter.size`, is added to.
        rng: Source of randomness.
    """
    nuclear = min(-breakup * math.log(1 - rng.random()), energy)
    left = energy + PION_MASS - nuclear
    low, high = _LEADING
    share = low + (high - low) * rng.random()
    while left > 2 * PION_MASS:
        total = PION_MASS + share * (left - PION_MASS)
        left -= total
        heading = _thrown(direction, total, rng)
        if rng.random() < 1 / 3:
            n = _decay(stack, n, total, position, heading, rng)
        else:
            n = push(stack, n, (PION, total - PION_MASS, heading), position)
        share = 1 - math.sqrt(math.sqrt(rng.random()))
    _break_up(nuclear + left, position, calorimeter, readout, rng)
    return n


@compiled
def _thrown(direction: Vector, total: float, rng: np.random.Generator) -> Vector:
    momentum = math.sqrt(total**2 - PION_MASS**2)
    sine = _TRANSVERSE * math.sqrt(-2 * math.log(1 - rng.random())) / max(momentum, 1e-9)
    return isotropic(rng) if sine > 1 else turned(direction, math.sqrt(1 - sine**2), azimuth(rng))


@compiled
def _decay(stack: Floats, n: int, total: float, position: Vector, heading: Vector, rng: np.random.Generator) -> int:
    """Two photons of a neutral pion, isotropic in its rest frame."""
    beta = math.sqrt(1 - (PION_MASS / total) ** 2)
    cosine, phi = 2 * rng.random() - 1, azimuth(rng)
    first = (PHOTON, total / 2 * (1 + beta * cosine), turned(heading, (cosine + beta) / (1 + beta * cosine), phi))
    second = (
        PHOTON,
        total / 2 * (1 - beta * cosine),
        turned(heading, (beta - cosine) / (1 - beta * cosine), phi + math.pi),
    )
    return push_two(stack, n, first, second, position)


@compiled
def photoneutron(
    energy: float,
    separation: float,
    position: Vector,
    calorimeter: Calorimeter,
    readout: Floats,
    rng: np.random.Generator,
) -> None:
    """Absorption of a photon by a nucleus, which needs the separation energy and frees a neutron [MeV]."""
    readout[LOST] += min(separation, energy)
    _neutrons(max(energy - separation, 0.0), position, calorimeter, readout, rng)


@compiled
def _break_up(
    energy: float, position: Vector, calorimeter: Calorimeter, readout: Floats, rng: np.random.Generator
) -> None:
    x, y, z = position
    readout[LOST] += energy / 3
    deposit(readout, calorimeter, x, y, z, energy / 3)
    _neutrons(energy / 3, position, calorimeter, readout, rng)


@compiled
def _neutrons(
    energy: float, position: Vector, calorimeter: Calorimeter, readout: Floats, rng: np.random.Generator
) -> None:
    """Energy that goes away with neutrons, in three portions."""
    for _ in range(_NEUTRONS):
        u, v, w = isotropic(rng)
        path = -_NEUTRON_LENGTH * math.log(1 - rng.random())
        x, y, z = position[0] + path * u, position[1] + path * v, position[2] + path * w
        if outside(calorimeter, x, y, z):
            readout[LEAKED] += energy / _NEUTRONS
        else:
            deposit(readout, calorimeter, x, y, z, energy / _NEUTRONS)
