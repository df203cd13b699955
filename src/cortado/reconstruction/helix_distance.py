"""How far points lie from helices, with derivatives: what a fit and a filter of tracks both need.

A helix and a point are compared where they are closest in the transverse plane: `across` is the distance there, signed,
and `along_z` how far in z the point lies from the helix at that path. A detector measures three coordinates with errors
of their own, which `covariance` turns into that of the two distances.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.perigee import curvature

__all__ = ["Distance", "HitErrors", "covariance", "distance", "of_hits"]

Floats = NDArray[np.float64]


class HitErrors(NamedTuple):
    """Standard deviations of the position of hits [mm], one number or one for each hit.

    A barrel layer knows the radius: radial 0. A disc knows z: longitudinal 0, and radial not.
    """

    transverse: float | Floats  # along the azimuth, r dphi
    longitudinal: float | Floats  # along z
    radial: float | Floats = 0.0  # along r


class Distance(NamedTuple):
    """Of m points from m helices, and derivatives with respect to the perigee parameters.

    Attributes:
        across: Distance in the transverse plane, positive to the left of the momentum [mm], shape (m,).
        along_z: Distance in z at the point of closest approach in the transverse plane [mm], shape (m,).
        slopes: Derivatives of both with respect to d0, z0, phi, theta, q/p, shape (m, 2, 5).
        path: Transverse path from the perigee to the point of closest approach [mm], shape (m,).
        phi: Azimuth of the momentum there [rad], shape (m,).
    """

    across: Floats
    along_z: Floats
    slopes: Floats
    path: Floats
    phi: Floats


def of_hits(errors: HitErrors, hits: NDArray[np.int64] | NDArray[np.bool_], number: int) -> HitErrors:
    """Errors of some of the hits, as arrays of shape (m,).

    Args:
        errors: Numbers, or one for each hit, shape (h,).
        hits: Which of them: indices, shape (m,), or a mask, shape (h,).
        number: Number h of hits.
    """
    columns = (np.broadcast_to(np.asarray(error, dtype=np.float64), number)[hits] for error in errors)
    return HitErrors(*columns)


def distance(parameters: Floats, points: Floats, magnetic_field: float) -> Distance:
    """Signed distances of points from helices, exact for paths of less than half a turn.

    Args:
        parameters: d0, z0, phi, theta, q/p, shape (m, 5).
        points: x, y, z [mm], shape (m, 3).
        magnetic_field: Along z [T].
    References:
        Karimaki, Effective circle fitting for particle trajectories, NIM A 305 (1991) 187, with the signs of `perigee`.
    """
    d0, z0, phi, theta, q_over_p = parameters.T
    sine, cosine = np.sin(phi), np.cos(phi)
    omega, cot = curvature(theta, q_over_p, magnetic_field), 1 / np.tan(theta)
    along = points[:, 0] * cosine + points[:, 1] * sine
    left = points[:, 1] * cosine - points[:, 0] * sine  # of the line through the origin
    v = left - d0
    square = along**2 + v**2
    turned = np.arctan2(omega * along, 1 + omega * v)  # phi at the perigee - phi at the point
    radii = np.hypot(omega * along, 1 + omega * v)  # distance from the centre over the radius of the circle
    across = (2 * v + omega * square) / (1 + radii)
    path = along / (radii * np.sinc(turned / np.pi))
    sin_turned, cos_turned = np.sin(turned), np.cos(turned)
    across_by_omega = (square - across * v) / (radii * (1 + radii))
    path_by_omega = path * (path * _sinc_slope(turned) - across) / radii
    path_by_d0, path_by_phi = sin_turned / radii, (cos_turned * left + sin_turned * along) / radii
    by_theta, by_q_over_p = -omega * cot, curvature(theta, np.ones_like(theta), magnetic_field)  # of omega
    slopes = np.zeros((len(points), 2, 5))
    slopes[:, 0, 0], slopes[:, 0, 2] = -cos_turned, sin_turned * left - cos_turned * along
    slopes[:, 0, 3], slopes[:, 0, 4] = across_by_omega * by_theta, across_by_omega * by_q_over_p
    slopes[:, 1, 0], slopes[:, 1, 1], slopes[:, 1, 2] = -cot * path_by_d0, -1, -cot * path_by_phi
    slopes[:, 1, 3] = path * (1 + cot**2) - cot * path_by_omega * by_theta
    slopes[:, 1, 4] = -cot * path_by_omega * by_q_over_p
    return Distance(across, points[:, 2] - z0 - path * cot, slopes, path, phi - turned)


def covariance(errors: HitErrors, points: Floats, phi: Floats, theta: Floats) -> Floats:
    """Covariance of both distances of hits from tracks that cross them in a given direction, shape (m, 2, 2).

    Args:
        errors: Of the hits.
        points: x, y, z of the hits [mm], shape (m, 3).
        phi: Azimuth of the momentum at the hit [rad], shape (m,).
        theta: Polar angle of the momentum [rad], shape (m,).
    """
    transverse, longitudinal, radial = (np.asarray(error, dtype=np.float64) ** 2 for error in errors)
    angle, cot = phi - np.arctan2(points[:, 1], points[:, 0]), 1 / np.tan(theta)
    sine, cosine = np.sin(angle), np.cos(angle)
    matrix = np.empty((len(points), 2, 2))
    matrix[:, 0, 0] = transverse * cosine**2 + radial * sine**2
    matrix[:, 1, 1] = longitudinal + cot**2 * (transverse * sine**2 + radial * cosine**2)
    matrix[:, 0, 1] = matrix[:, 1, 0] = -cot * sine * cosine * (transverse - radial)
    return matrix


def _sinc_slope(angle: Floats) -> Floats:
    """(sin(a) / a - 1) / a, by its series where the difference would lose digits."""
    small = np.abs(angle) < 1e-3
    safe = np.where(small, 1.0, angle)
    return np.where(small, -angle / 6 + angle**3 / 120, (np.sinc(safe / np.pi) - 1) / safe)
