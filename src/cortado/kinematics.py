"""Momenta, angles and masses, each defined once for the whole package.

Every function works element by element on numbers, numpy arrays and awkward arrays, and keeps their
structure and their precision. Units are GeV and rad.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "ELECTRON_MASS",
    "MUON_MASS",
    "PION_MASS",
    "delta_phi",
    "delta_r",
    "energy",
    "mass_of",
    "momentum",
    "wrap_phi",
]

# GeV; Particle Data Group, Phys. Rev. D 110 (2024) 030001
ELECTRON_MASS, MUON_MASS, PION_MASS = 0.51099895e-3, 0.1056583755, 0.13957039


def wrap_phi(phi: Any) -> Any:
    """Bring azimuths to the branch from -pi (included) to pi (excluded), up to rounding.

    An azimuth that already lies there is returned bit by bit, so small differences keep their relative
    precision.

    Args:
        phi: Azimuth [rad], any branch.

    Returns:
        Azimuth [rad].
    """
    return phi - 2 * np.pi * np.floor((phi + np.pi) / (2 * np.pi))


def delta_phi(phi1: Any, phi2: Any) -> Any:
    """Azimuth of the first seen from the second, by the shorter way across the seam at pi.

    Args:
        phi1: Azimuth [rad], any branch.
        phi2: Azimuth [rad], any branch.

    Returns:
        Difference `phi1 - phi2` [rad], from -pi to pi.
    """
    return wrap_phi(phi1 - phi2)


def delta_r(eta1: Any, phi1: Any, eta2: Any, phi2: Any) -> Any:
    """Distance in the plane of pseudorapidity (or rapidity) and azimuth.

    Args:
        eta1: Pseudorapidity of the first.
        phi1: Azimuth of the first [rad].
        eta2: Pseudorapidity of the second.
        phi2: Azimuth of the second [rad].

    Returns:
        Distance, not negative.
    """
    return np.hypot(eta1 - eta2, delta_phi(phi1, phi2))


def energy(pt: Any, eta: Any, mass: Any) -> Any:
    """Energy of a particle or jet.

    Args:
        pt: Transverse momentum [GeV].
        eta: Pseudorapidity.
        mass: Mass [GeV].

    Returns:
        Energy [GeV].
    """
    return np.hypot(pt * np.cosh(eta), mass)


def momentum(pt: Any, eta: Any, phi: Any) -> tuple[Any, Any, Any]:
    """Cartesian components of a momentum, z along the beam.

    Args:
        pt: Transverse momentum [GeV].
        eta: Pseudorapidity.
        phi: Azimuth [rad].

    Returns:
        The components px, py, pz [GeV].
    """
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)


def mass_of(energy: Any, px: Any, py: Any, pz: Any) -> Any:
    """Invariant mass of a four-momentum.

    A space-like four-momentum, which rounding makes of a light particle's, has mass 0. Use float64: of the
    digits of the energy, those of (mass / energy)^2 are lost.

    Args:
        energy: Energy [GeV].
        px: Momentum [GeV].
        py: Momentum [GeV].
        pz: Momentum along the beam [GeV].

    Returns:
        Mass [GeV].
    """
    return np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))
