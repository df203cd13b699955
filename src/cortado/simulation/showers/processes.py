"""How often photons, electrons and pions interact in matter, and what charged particles lose on their way."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.simulation.showers.materials import ELECTRON_MASS, PION_MASS, Material

Floats = NDArray[np.float64]

PHOTON_CUT = 0.1  # MeV: photons below it are absorbed where they are, bremsstrahlung below it is continuous
_AVOGADRO = 0.602214076  # per barn cm2 and mole
_CLASSICAL = 0.07940788  # barn, square of the classical radius of the electron
_ALPHA = 1 / 137.035999
_HIGHLAND = 13.6  # MeV
_POINTS = 400

PAIR, COMPTON, NUCLEAR, ANY, LOSS, RADIATION, PION_LOSS = range(7)
"""Columns of the rates."""

# Fits of the Geant4 physics reference manual to Hubbell, Gimm and Overbo, J. Phys. Chem. Ref. Data 9 (1980) 1023:
# microbarn, powers of ln(E / mass of the electron)
_PAIRS = (
    (878.42, -1962.5, 1294.9, -200.28, 12.575, -0.28333),
    (-10.342, 17.692, -8.2381, 1.3063, -0.090815, 0.0023586),
    (-452.63, 1116.1, -867.49, 217.73, -20.467, 0.65372),
)


class Tables(NamedTuple):
    """Interactions in some materials, on a grid that is even in the logarithm of the kinetic energy.

    Attributes:
        start: Logarithm of the first energy [MeV].
        step: Between two logarithms.
        rates: Shape (materials, points, 7): probabilities per mm that a photon makes a pair, is Compton scattered, is
            absorbed by a nucleus, or does anything; mean loss of electrons [MeV/mm] by collisions and bremsstrahlung
            below the cuts, and probability per mm of bremsstrahlung above; loss of pions by collisions [MeV/mm].
        materials: Constants, shape (materials, 10): collisions (2 pi r^2 m n) [MeV/mm], their cut [MeV], cut of
            electrons [MeV], scattering (13.6 MeV)^2 / X0 [MeV2/mm], inelastic collisions of pions per mm, ln(Z) / 3,
            Coulomb correction, Z^(-1/3), mean energy that breaks up a nucleus and energy that frees a neutron [MeV].
    """

    start: float
    step: float
    rates: Floats
    materials: Floats


def tables(*materials: Material) -> Tables:
    """Tables of all interactions in the materials, from 0.05 MeV to 2 TeV."""
    start, stop = math.log(0.05), math.log(2e6)
    energies = np.exp(np.linspace(start, stop, _POINTS))
    return Tables(
        start,
        (stop - start) / (_POINTS - 1),
        np.array([_rates(energies, material) for material in materials]),
        np.array([_constants(material) for material in materials]),
    )


def pair_production(energy: Floats, material: Material) -> Floats:
    """Probability of a pair per mm, in the fields of nucleus and electrons; fitted above 1.5 MeV, scaled below."""
    z = material.charge
    log = np.log(np.maximum(energy, 1.5) / ELECTRON_MASS)
    first, second, third = (np.polynomial.polynomial.polyval(log, fit) for fit in _PAIRS)
    barn = z * (z + 1) * (first + z * second + third / z) * 1e-6
    threshold = 2 * ELECTRON_MASS
    return _per_mm(barn * (np.clip(energy - threshold, 0, 1.5 - threshold) / (1.5 - threshold)) ** 2, material)


def compton(energy: Floats, material: Material) -> Floats:
    """Probability per mm of scattering on free electrons, after Klein and Nishina (1929)."""
    k = energy / ELECTRON_MASS
    log, double = np.log(1 + 2 * k), 1 + 2 * k
    first = (1 + k) / k**2 * (2 * (1 + k) / double - log / k)
    return _per_mm(
        material.charge * 2 * np.pi * _CLASSICAL * (first + log / (2 * k) - (1 + 3 * k) / double**2), material
    )


def photoeffect(energy: Floats, material: Material) -> Floats:
    """Probability of absorption per mm."""
    cubic, square = material.photoeffect
    return (cubic / energy**3 + square / energy**2) * material.density / 10


def photonuclear(energy: Floats, material: Material) -> Floats:
    """Probability per mm that a photon frees a neutron: Lorentz curve of the giant dipole resonance."""
    peak, centre, width = material.giant_resonance
    curve = peak / (1 + ((energy**2 - centre**2) / (energy * width)) ** 2)
    return _per_mm(np.where(energy > material.separation, curve, 0.0), material)


def bremsstrahlung(kinetic: Floats, material: Material, cut: float = PHOTON_CUT) -> tuple[Floats, Floats]:
    """Radiation of electrons, after Bethe and Heitler with screening and Coulomb correction.

    The Coulomb correction belongs to high energies: it is switched on from 2 to 50 MeV.

    Args:
        kinetic: Energies [MeV], shape (n,).
        material: What is crossed.
        cut: Energy of photons [MeV].

    Returns:
        Loss by photons below the cut [MeV/mm] and number of photons above it per mm, shape (n,) each.

    References:
        Tsai, Rev. Mod. Phys. 46 (1974) 815; Nelson, Hirayama and Rogers, The EGS4 code system (1985), eq. 2.7.
    """
    z, energy = material.charge, kinetic + ELECTRON_MASS
    nodes, node_weights = np.polynomial.legendre.leggauss(64)
    screened = math.log(184.15 * z ** (-1 / 3)) - coulomb_correction(z)
    scale = 4 * _ALPHA * _CLASSICAL * z * (z + math.log(1194 * z ** (-2 / 3)) / screened)

    def integral(low: Floats, high: Floats, power: int) -> Floats:
        """Of k^power dsigma/dlnk over ln k."""
        middle, half = (np.log(high) + np.log(low)) / 2, (np.log(high) - np.log(low)) / 2
        k = np.exp(middle + half * nodes[:, None])
        summed: Floats = half * (node_weights[:, None] * k**power * _spectrum(k / energy, energy, material)).sum(axis=0)
        return _per_mm(scale * summed, material)

    edge = np.minimum(cut, kinetic)
    return integral(edge * 1e-6, edge, 1), integral(edge, kinetic, 0)


def _spectrum(share: Floats, energy: Floats, material: Material) -> Floats:
    """k dsigma/dk in units of 4 alpha r^2 Z (Z + xi)."""
    screening = 136 * material.charge ** (-1 / 3) * ELECTRON_MASS / energy * share / (1 - share)
    far = 21.12 - 4.184 * np.log(screening + 0.952)
    first = np.where(screening < 1, 20.867 - 3.242 * screening + 0.625 * screening**2, far)
    second = np.where(screening < 1, 20.209 - 1.930 * screening - 0.086 * screening**2, far)
    minus = math.log(material.charge) / 3 + coulomb_correction(material.charge) * _switch(energy)
    rate = (1 + (1 - share) ** 2) * (first / 4 - minus) - 2 / 3 * (1 - share) * (second / 4 - minus)
    return np.asarray(np.maximum(rate, 0.0))


def _switch(energy: Floats) -> Floats:
    return np.asarray(np.clip(np.log(energy / 2) / math.log(25), 0, 1))


def coulomb_correction(charge: int) -> float:
    """Davies, Bethe and Maximon's, Phys. Rev. 93 (1954) 788."""
    a = (_ALPHA * charge) ** 2
    return a * (1 / (1 + a) + 0.20206 - 0.0369 * a + 0.0083 * a**2 - 0.002 * a**3)


def collision_loss(kinetic: Floats, material: Material, cut: float, mass: float = ELECTRON_MASS) -> Floats:
    """Mean loss by ionising collisions with energy transfers below a cut [MeV/mm].

    Electrons after Moller (and so positrons), pions after Bethe.

    References:
        Seltzer and Berger, Int. J. Appl. Radiat. Isot. 33 (1982) 1189; Workman et al. (Particle Data Group), Review of
        Particle Physics (2022), eq. 34.26.
    """
    gamma = kinetic / mass + 1
    beta2 = 1 - 1 / gamma**2
    tau = kinetic / ELECTRON_MASS
    excitation = (material.excitation / ELECTRON_MASS) ** 2
    if mass == ELECTRON_MASS:
        up = np.minimum(cut / ELECTRON_MASS, tau / 2)
        below = -1 - beta2 + np.log((tau - up) * up) + tau / (tau - up)
        below += (up**2 / 2 + (2 * tau + 1) * np.log(1 - up / tau)) / gamma**2
        stopping = np.log(2 * (gamma + 1) / excitation) + below
    else:
        most = 2 * beta2 * gamma**2 / (1 + 2 * gamma * ELECTRON_MASS / mass + (ELECTRON_MASS / mass) ** 2)
        up = np.minimum(cut / ELECTRON_MASS, most)
        stopping = np.log(2 * beta2 * gamma**2 * up / excitation) - beta2 * (1 + up / most)
    return _collisions(material) / beta2 * (stopping - _density_effect(gamma * np.sqrt(beta2), material))


def _density_effect(beta_gamma: Floats, material: Material) -> Floats:
    c, x0, x1, a, k = material.density_effect
    x = np.log10(beta_gamma)
    rise = 2 * math.log(10) * x - c
    return np.where(x < x0, 0.0, np.where(x > x1, rise, rise + a * np.maximum(x1 - x, 0.0) ** k))


def _rates(energies: Floats, material: Material) -> Floats:
    pair, scattered, absorbed = (process(energies, material) for process in (pair_production, compton, photonuclear))
    soft, radiation = bremsstrahlung(energies, material)
    cut = material.collision_cut
    return np.stack(
        [
            pair,
            scattered,
            absorbed,
            pair + scattered + absorbed + photoeffect(energies, material),
            collision_loss(energies, material, cut) + soft,
            radiation,
            collision_loss(np.maximum(energies, 1.0), material, cut, PION_MASS),
        ],
        axis=-1,
    )


def _constants(material: Material) -> list[float]:
    return [
        _collisions(material),
        material.collision_cut,
        material.electron_cut,
        _HIGHLAND**2 / material.radiation_length,
        1 / material.pion_length,
        math.log(material.charge) / 3,
        coulomb_correction(material.charge),
        material.charge ** (-1 / 3),
        material.breakup,
        material.separation,
    ]


def _collisions(material: Material) -> float:
    """2 pi r^2 m n [MeV/mm], n electrons in the volume."""
    return float(2 * np.pi * ELECTRON_MASS * _per_mm(_CLASSICAL * np.ones(1), material)[0] * material.charge)


def _per_mm(barn: Floats, material: Material) -> Floats:
    """Cross section of an atom as probability of an interaction per mm."""
    return barn * _AVOGADRO / material.mass * material.density / 10
