"""Random angles and energies of single interactions; energies are kinetic [MeV]."""

from __future__ import annotations

import math

import numpy as np

from cortado.simulation.showers.compilation import compiled
from cortado.simulation.showers.materials import ELECTRON_MASS, PION_MASS
from cortado.simulation.showers.particles import ELECTRON, POSITRON, Vector, azimuth, turned
from cortado.simulation.showers.processes import PHOTON_CUT


@compiled
def emitted(direction: Vector, energy: float, rng: np.random.Generator) -> Vector:
    """Direction of a photon from an electron, or of an electron in a pair: at the angle m/E."""
    return turned(direction, math.cos(ELECTRON_MASS / (energy + ELECTRON_MASS)), azimuth(rng))


@compiled
def scattered(direction: Vector, spread: float, rng: np.random.Generator) -> Vector:
    """Direction after multiple scattering.

    Fisher's distribution on the sphere: Gaussian for small angles, isotropic for large ones.

    Args:
        direction: Before.
        spread: Variance of the angle projected on a plane.
        rng: Source of randomness.
    """
    least = math.exp(-2 / spread) if spread > 0.05 else 0.0
    cosine = 1 + spread * math.log(least + (1 - least) * (1 - rng.random()))
    return turned(direction, max(cosine, -1.0), azimuth(rng))


@compiled
def pair_share(energy: float, rng: np.random.Generator) -> float:
    """Share of the electron in the energy of a pair: complete screening, uniform below 5 MeV."""
    while True:
        share = rng.random()
        if energy < 5 or rng.random() < 1 - 4 / 3 * share * (1 - share):
            return share


@compiled
def compton_scattered(energy: float, rng: np.random.Generator) -> tuple[float, float]:
    """Energy of a scattered photon and cosine of its angle, after Klein and Nishina.

    References:
        Nelson, Hirayama and Rogers, The EGS4 code system (1985), section 2.9.
    """
    k = energy / ELECTRON_MASS
    least = 1 / (1 + 2 * k)
    first, second = -math.log(least), (1 - least**2) / 2
    while True:
        if rng.random() * (first + second) < first:
            ratio = math.exp(-first * rng.random())
        else:
            ratio = math.sqrt(least**2 + (1 - least**2) * rng.random())
        t = (1 - ratio) / (k * ratio)
        if rng.random() < 1 - ratio * t * (2 - t) / (1 + ratio**2):
            return ratio * energy, 1 - t


@compiled
def largest_transfer(kind: float, energy: float) -> float:
    """To an electron at rest; of two electrons the slower one is knocked on."""
    if kind == ELECTRON:
        return energy / 2
    if kind == POSITRON:
        return energy
    squared, total = energy * (energy + 2 * PION_MASS), energy + PION_MASS
    return 2 * ELECTRON_MASS * squared / (PION_MASS**2 + 2 * ELECTRON_MASS * total + ELECTRON_MASS**2)


@compiled
def transfer(least: float, most: float, rng: np.random.Generator) -> float:
    """Energy given to an electron, as 1 / T^2."""
    return 1 / (1 / least - rng.random() * (1 / least - 1 / most))


@compiled
def radiated(energy: float, log_charge: float, coulomb: float, inverse_root: float, rng: np.random.Generator) -> float:
    """Energy of a photon of bremsstrahlung, see `processes.bremsstrahlung`.

    Args:
        energy: Of the electron, more than that of the least photon.
        log_charge: ln(Z) / 3.
        coulomb: Coulomb correction.
        inverse_root: Z^(-1/3).
        rng: Source of randomness.
    """
    total = energy + ELECTRON_MASS
    minus = log_charge + coulomb * min(max(math.log(total / 2) / math.log(25.0), 0.0), 1.0)
    most = 2 * (20.867 / 4 - minus) - 2 / 3 * (20.209 / 4 - minus)
    while True:
        photon = PHOTON_CUT * math.exp(math.log(energy / PHOTON_CUT) * rng.random())
        share = photon / total
        screening = 136 * inverse_root * ELECTRON_MASS / total * share / (1 - share)
        if screening < 1:
            first = 20.867 - 3.242 * screening + 0.625 * screening**2
            second = 20.209 - 1.930 * screening - 0.086 * screening**2
        else:
            first = second = 21.12 - 4.184 * math.log(screening + 0.952)
        height = (1 + (1 - share) ** 2) * (first / 4 - minus) - 2 / 3 * (1 - share) * (second / 4 - minus)
        if rng.random() * most < height:
            return photon
