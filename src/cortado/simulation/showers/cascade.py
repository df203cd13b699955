"""One shower: photons, electrons and pions are followed one after the other until nothing is left."""

from __future__ import annotations

import math

import numpy as np

from cortado.simulation.showers.compilation import compiled
from cortado.simulation.showers.hadrons import collision, photoneutron
from cortado.simulation.showers.materials import ELECTRON_MASS, PION_MASS
from cortado.simulation.showers.particles import (
    ELECTRON,
    PHOTON,
    PION,
    POSITRON,
    Floats,
    Vector,
    azimuth,
    isotropic,
    push,
    push_two,
    turned,
)
from cortado.simulation.showers.processes import (
    ANY,
    COMPTON,
    LOSS,
    NUCLEAR,
    PAIR,
    PHOTON_CUT,
    PION_LOSS,
    RADIATION,
    Tables,
)
from cortado.simulation.showers.readout import (
    LEAKED,
    LOST,
    Calorimeter,
    ahead,
    deposit,
    material_at,
    outside,
)
from cortado.simulation.showers.sampling import (
    compton_scattered,
    emitted,
    largest_transfer,
    pair_share,
    radiated,
    scattered,
    transfer,
)

_STACK = 16384  # more than the photons of neutral pions of 1 TeV
_STEP = 0.3  # share of its energy that a particle may lose in a step
_NUDGE = 1e-7  # mm, across a boundary


@compiled
def shower(
    kind: float, energy: float, tables: Tables, calorimeter: Calorimeter, readout: Floats, rng: np.random.Generator
) -> None:
    """Add the energy of one shower to the readout.

    The particle enters in the centre of the front, along z. What is read out, leaked and lost adds up to the kinetic
    energy, to that and two masses of the electron for a positron, and to that and its mass for a pion.

    Args:
        kind: PHOTON, ELECTRON, POSITRON or PION.
        energy: Kinetic [MeV], up to 1 TeV.
        tables: Of the absorber and the active material.
        calorimeter: The block.
        readout: Of `calorimeter.size` [MeV], is added to.
        rng: Source of randomness.
    """
    stack = np.empty((_STACK, 8))
    n = push(stack, 0, (kind, energy, (0.0, 0.0, 1.0)), (0.0, 0.0, 0.0))
    while n > 0:
        if stack[n - 1, 0] == PHOTON:
            n = _photon(stack, n - 1, tables, calorimeter, readout, rng)
        else:
            n = _charged(stack, n - 1, tables, calorimeter, readout, rng)


@compiled
def _photon(
    stack: Floats, n: int, tables: Tables, calorimeter: Calorimeter, readout: Floats, rng: np.random.Generator
) -> int:
    """Follow photon n to its interaction.

    It flies everywhere as in the absorber, and goes on unharmed where the material is thinner: no boundary is needed.

    References:
        Woodcock et al., ANL-7050 (1965) 557.
    """
    energy, x, y, z = stack[n, 1], stack[n, 2], stack[n, 3], stack[n, 4]
    u, v, w = stack[n, 5], stack[n, 6], stack[n, 7]
    if energy < PHOTON_CUT:
        deposit(readout, calorimeter, x, y, z, energy)
        return n
    i, part = _place(tables, energy)
    rate = _value(tables, 0, i, part, ANY)
    while True:
        step = -math.log(1 - rng.random()) / rate
        x, y, z = x + step * u, y + step * v, z + step * w
        if outside(calorimeter, x, y, z):
            readout[LEAKED] += energy
            return n
        material, dice = material_at(calorimeter, z), rng.random() * rate
        if dice < _value(tables, material, i, part, ANY):
            break
    cut, pair = tables.materials[material, 2], _value(tables, material, i, part, PAIR)
    compton = _value(tables, material, i, part, COMPTON)
    if dice < pair and energy > 2 * ELECTRON_MASS:
        return _pair(stack, n, energy, (x, y, z), (u, v, w), rng)
    if dice < pair + compton:
        after, cosine = compton_scattered(energy, rng)
        recoil, phi = energy - after, azimuth(rng)
        photon = (PHOTON, after, turned((u, v, w), cosine, phi))
        if recoil < cut:
            deposit(readout, calorimeter, x, y, z, recoil)
            return push(stack, n, photon, (x, y, z))
        along = (energy - after * cosine) / math.sqrt(recoil * (recoil + 2 * ELECTRON_MASS))
        electron = (ELECTRON, recoil, turned((u, v, w), min(along, 1.0), phi + math.pi))
        return push_two(stack, n, photon, electron, (x, y, z))
    if dice < pair + compton + _value(tables, material, i, part, NUCLEAR):
        photoneutron(energy, tables.materials[material, 9], (x, y, z), calorimeter, readout, rng)
        return n
    if energy < cut:
        deposit(readout, calorimeter, x, y, z, energy)
        return n
    return push(stack, n, (ELECTRON, energy, (u, v, w)), (x, y, z))


@compiled
def _pair(stack: Floats, n: int, energy: float, position: Vector, direction: Vector, rng: np.random.Generator) -> int:
    kinetic = energy - 2 * ELECTRON_MASS
    one = pair_share(energy, rng) * kinetic
    first = (ELECTRON, one, emitted(direction, one, rng))
    second = (POSITRON, kinetic - one, emitted(direction, kinetic - one, rng))
    return push_two(stack, n, first, second, position)


@compiled
def _charged(
    stack: Floats, n: int, tables: Tables, calorimeter: Calorimeter, readout: Floats, rng: np.random.Generator
) -> int:
    """Follow electron, positron or pion n to its next interaction.

    Multiple scattering has Rossi's form, 13.6 MeV / (beta p) sqrt(step / X0), whose variance adds up over steps. The
    angle comes before or after a step, at random, and the step leads as far as a random walk of that length: so steps
    of soft electrons may be longer than their mean free path.
    """
    kind, energy, x, y, z = stack[n, 0], stack[n, 1], stack[n, 2], stack[n, 3], stack[n, 4]
    direction = stack[n, 5], stack[n, 6], stack[n, 7]
    mass = PION_MASS if kind == PION else ELECTRON_MASS
    loss_column = PION_LOSS if kind == PION else LOSS
    while True:
        material = material_at(calorimeter, z)
        collisions, least = tables.materials[material, 0], tables.materials[material, 1]
        cut, scattering = tables.materials[material, 2], tables.materials[material, 3]
        if energy < cut:
            deposit(readout, calorimeter, x, y, z, energy)
            return _stopped(stack, n, kind, (x, y, z), readout, rng)
        i, part = _place(tables, energy)
        loss = _value(tables, material, i, part, loss_column)
        squared = energy * (energy + 2 * mass)  # p^2
        beta2 = squared / (energy + mass) ** 2
        most = largest_transfer(kind, energy)
        knocks = collisions / beta2 * max(1 / least - 1 / most, 0.0)
        others = tables.materials[material, 4] if kind == PION else _value(tables, material, i, part, RADIATION)
        free = -math.log(1 - rng.random()) / (knocks + others)
        longest = min(free, _STEP * energy / loss)
        bend = scattering / (beta2 * squared)
        step = min(longest, _path(ahead(calorimeter, z, direction[2]), bend))
        early = rng.random() < 0.5
        if early:
            direction = scattered(direction, step * bend, rng)
            step = min(step, _path(ahead(calorimeter, z, direction[2]), bend))
        spent, way = min(step * loss, energy), step / math.sqrt(1 + 0.4 * step * bend)
        u, v, w = direction
        deposit(readout, calorimeter, x + way * u / 2, y + way * v / 2, z + way * w / 2, spent)
        energy, x, y, z = energy - spent, x + way * u, y + way * v, z + way * w
        if outside(calorimeter, x, y, z):
            readout[LEAKED] += energy + _hidden(kind)
            return n
        if not early:
            direction = scattered(direction, step * bend, rng)
        if step < free:
            continue
        if rng.random() * (knocks + others) < knocks:
            given = transfer(least, min(most, energy), rng)
            if kind == PION and rng.random() * most < given * beta2:
                continue  # spin 0: there are 1 - beta^2 T / T_max of them
            energy -= given
            if given < cut:
                deposit(readout, calorimeter, x, y, z, given)
                continue
            cosine = given * (energy + given + mass + ELECTRON_MASS)
            cosine /= math.sqrt(given * (given + 2 * ELECTRON_MASS) * squared)
            knocked = (ELECTRON, given, turned(direction, min(cosine, 1.0), azimuth(rng)))
            return push_two(stack, n, (kind, energy, direction), knocked, (x, y, z))
        if kind == PION:
            breakup = tables.materials[material, 8]
            return collision(stack, n, energy, breakup, (x, y, z), direction, calorimeter, readout, rng)
        log_charge, coulomb = tables.materials[material, 5], tables.materials[material, 6]
        photon = radiated(energy, log_charge, coulomb, tables.materials[material, 7], rng)
        first = (kind, energy - photon, direction)
        return push_two(stack, n, first, (PHOTON, photon, emitted(direction, energy, rng)), (x, y, z))


@compiled
def _path(reach: float, bend: float) -> float:
    """Length of the crooked path that leads beyond a boundary at a distance, the inverse of step / sqrt(...) above."""
    square = 0.2 * (reach + _NUDGE) * bend
    return (reach + _NUDGE) * (square + math.sqrt(1 + square**2))


@compiled
def _stopped(stack: Floats, n: int, kind: float, position: Vector, readout: Floats, rng: np.random.Generator) -> int:
    """A positron annihilates; the mass of a pion goes to nuclei and neutrinos."""
    if kind == POSITRON:
        u, v, w = isotropic(rng)
        n = push(stack, n, (PHOTON, ELECTRON_MASS, (u, v, w)), position)
        return push(stack, n, (PHOTON, ELECTRON_MASS, (-u, -v, -w)), position)
    readout[LOST] += _hidden(kind)
    return n


@compiled
def _hidden(kind: float) -> float:
    """What a particle has besides its kinetic energy [MeV]."""
    if kind == POSITRON:
        return 2 * ELECTRON_MASS
    return PION_MASS if kind == PION else 0.0


@compiled
def _place(tables: Tables, energy: float) -> tuple[int, float]:
    """Point of the tables below an energy, and part of the way to the next."""
    where = (math.log(energy) - tables.start) / tables.step
    return int(where), where - int(where)


@compiled
def _value(tables: Tables, material: int, i: int, part: float, column: int) -> float:
    low: float = tables.rates[material, i, column]
    high: float = tables.rates[material, i + 1, column]
    return low + part * (high - low)
