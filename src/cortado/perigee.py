"""Tracks of charged particles in a field along z: their parameters, and the helix that these are of.

A track is (d0, z0, phi, theta, q/p) at its perigee, the point of closest approach to the z axis in the transverse
plane, (-d0 sin phi, d0 cos phi, z0), where the momentum points along (sin theta cos phi, sin theta sin phi,
cos theta): the signs of ATLAS and EDM4hep. A positive charge in a field along +z turns to smaller phi. Lengths are in
mm, momenta in GeV, fields in T.

With omega = 0.29979e-3 B (q/p) / sin theta, the signed curvature, s the transverse path, and phi_v = phi - omega s,
all formulas below are written such that omega = 0 is the straight line, with no separate branch.

References:
    Billoir, Qian, Fast vertex fitting with a local parametrization of tracks, NIM A 311 (1992) 139.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BENDING",
    "COVARIANCE",
    "PARAMETERS",
    "Linearisation",
    "cartesian",
    "curvature",
    "linearised",
    "momentum",
    "perigee",
    "phi_near",
    "point",
]

Floats = NDArray[np.float64]

PARAMETERS = ("d0", "z0", "phi", "theta", "q_over_p")
"""Perigee parameters [mm, mm, rad, rad, 1/GeV], in the order of every array: fields of a track in the record."""

COVARIANCE = tuple(f"cov_{one}_{other}" for one, other in combinations_with_replacement(PARAMETERS, 2))
"""Fields of a track that hold its covariance matrix: `cov_d0_d0`, `cov_d0_z0`, ..., 15, the earlier parameter first."""

BENDING = 0.299792458e-3
"""Transverse momentum [GeV] of a unit charge on a circle of 1 mm in a field of 1 T."""


class Linearisation(NamedTuple):
    """Perigee parameters as a function of a point of the track and of the momentum there, to first order.

    Attributes:
        parameters: d0, z0, phi, theta, q/p at the point of expansion, shape (m, 5).
        position: Derivatives with respect to x, y, z of the point, shape (m, 5, 3).
        momentum: Derivatives with respect to phi, theta, q/p at the point, shape (m, 5, 3).
    """

    parameters: Floats
    position: Floats
    momentum: Floats


def curvature(theta: Floats, q_over_p: Floats, magnetic_field: float) -> Floats:
    """Signed transverse curvature -d(phi)/ds of a helix [1/mm].

    Args:
        theta: Polar angle [rad], any shape.
        q_over_p: Charge over momentum [1/GeV], same shape.
        magnetic_field: Along z [T].
    """
    return BENDING * magnetic_field * q_over_p / np.sin(theta)


def point(parameters: Floats, path: Floats, magnetic_field: float) -> Floats:
    """Points of helices [mm], shape (..., 3).

    Args:
        parameters: Perigee parameters, shape (..., 5).
        path: Transverse path from the perigee, positive along the momentum [mm], shape (...).
        magnetic_field: Along z [T].
    """
    d0, z0, phi, theta, q_over_p = np.moveaxis(parameters, -1, 0)
    half = curvature(theta, q_over_p, magnetic_field) * path / 2
    chord = path * _sinc(half)
    x = -d0 * np.sin(phi) + chord * np.cos(phi - half)
    y = d0 * np.cos(phi) + chord * np.sin(phi - half)
    return np.stack([x, y, z0 + path / np.tan(theta)], axis=-1)


def momentum(parameters: Floats, path: Floats, magnetic_field: float) -> Floats:
    """Momenta px, py, pz [GeV] at points of helices, shape (..., 3).

    Args:
        parameters: Perigee parameters with q/p other than 0, shape (..., 5).
        path: Transverse path from the perigee [mm], shape (...).
        magnetic_field: Along z [T].
    """
    _, _, phi, theta, q_over_p = np.moveaxis(parameters, -1, 0)
    return cartesian(phi - curvature(theta, q_over_p, magnetic_field) * path, theta, q_over_p)


def cartesian(phi: Floats, theta: Floats, q_over_p: Floats) -> Floats:
    """Momentum px, py, pz [GeV] of direction and charge over momentum, shape (..., 3).

    Args:
        phi: Azimuth [rad], shape (...).
        theta: Polar angle [rad], same shape.
        q_over_p: Charge over momentum other than 0 [1/GeV], same shape.
    """
    direction = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    return np.asarray(direction / np.abs(q_over_p)[..., np.newaxis])


def phi_near(parameters: Floats, position: Floats, magnetic_field: float) -> Floats:
    """Azimuth of the momentum where helices pass closest to a point in the transverse plane [rad], shape (...).

    Args:
        parameters: Perigee parameters, shape (..., 5).
        position: x, y, z of the point [mm], shape (..., 3).
        magnetic_field: Along z [T].
    """
    d0, _, phi, theta, q_over_p = np.moveaxis(parameters, -1, 0)
    omega = curvature(theta, q_over_p, magnetic_field)
    # The momentum is perpendicular to the line from the centre of the circle, in units of its radius.
    along_x = (1 - omega * d0) * np.cos(phi) + omega * position[..., 1]
    along_y = (1 - omega * d0) * np.sin(phi) - omega * position[..., 0]
    return np.asarray(np.arctan2(along_y, along_x))


def perigee(position: Floats, direction: Floats, magnetic_field: float) -> Floats:
    """Perigee parameters of helices through given points, shape (..., 5).

    Args:
        position: x, y, z of a point of the helix [mm], shape (..., 3), nearer to the z axis than half a turn.
        direction: phi, theta, q/p there [rad, rad, 1/GeV], shape (..., 3).
        magnetic_field: Along z [T].
    """
    return linearised(position, direction, magnetic_field).parameters


def linearised(position: Floats, direction: Floats, magnetic_field: float) -> Linearisation:
    """Perigee parameters of helices through given points, with their exact derivatives ("full perigee").

    Args:
        position: x, y, z of a point of the helix [mm], shape (m, 3), nearer to the z axis than half a turn.
        direction: phi, theta, q/p there [rad, rad, 1/GeV], shape (m, 3).
        magnetic_field: Along z [T].
    """
    x, y, z = np.moveaxis(position, -1, 0)
    phi, theta, q_over_p = np.moveaxis(direction, -1, 0)
    omega, cot = curvature(theta, q_over_p, magnetic_field), 1 / np.tan(theta)
    along, across = x * np.cos(phi) + y * np.sin(phi), x * np.sin(phi) - y * np.cos(phi)
    turned = np.arctan2(omega * along, 1 + omega * across)  # phi at the perigee - phi
    distance = np.hypot(omega * along, 1 + omega * across)  # 1 - omega d0: perigee to centre, over the radius
    d0 = -(2 * across + omega * (x**2 + y**2)) / (1 + distance)
    path = along / (distance * _sinc(turned))
    perigee_phi = phi + turned
    parameters = np.stack([d0, z - path * cot, perigee_phi, theta, q_over_p], axis=-1)

    sine, cosine = np.sin(perigee_phi) / distance, np.cos(perigee_phi) / distance
    nothing, one = np.zeros_like(d0), np.ones_like(d0)
    by_position = [
        [-sine * distance, cosine * distance, nothing],
        [-cot * cosine, -cot * sine, one],
        [omega * cosine, omega * sine, nothing],
        [nothing, nothing, nothing],
        [nothing, nothing, nothing],
    ]
    # Derivatives with respect to omega, which depends on theta and q/p, are free of 1 / omega.
    path_by_phi = y * cosine - x * sine
    path_by_omega = path * (d0 + path * _sinc_slope(turned)) / distance
    d0_by_omega = -((path * _sinc(turned / 2)) ** 2) / 2
    phi_by_omega = x * cosine + y * sine
    omega_by_theta, omega_by_q_over_p = -omega * cot, curvature(theta, one, magnetic_field)
    by_momentum = [
        [-along / distance, d0_by_omega * omega_by_theta, d0_by_omega * omega_by_q_over_p],
        [
            -cot * path_by_phi,
            path * (1 + cot**2) - cot * path_by_omega * omega_by_theta,
            -cot * path_by_omega * omega_by_q_over_p,
        ],
        [np.cos(turned) / distance, phi_by_omega * omega_by_theta, phi_by_omega * omega_by_q_over_p],
        [nothing, one, nothing],
        [nothing, nothing, one],
    ]
    return Linearisation(parameters, _matrix(by_position), _matrix(by_momentum))


def _matrix(rows: list[list[Floats]]) -> Floats:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _sinc(angle: Floats) -> Floats:
    """Sine of an angle over the angle."""
    return np.sinc(angle / np.pi)


def _sinc_slope(angle: Floats) -> Floats:
    """(sin(a) / a - 1) / a, by its series where the difference would lose digits."""
    small = np.abs(angle) < 1e-4
    safe = np.where(small, 1.0, angle)
    return np.where(small, -angle / 6, (_sinc(safe) - 1) / safe)
