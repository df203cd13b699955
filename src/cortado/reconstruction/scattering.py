"""Multiple scattering in track fits: its angle, what it does to track parameters, and a filter that allows for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortado.perigee import linearised, point
from cortado.reconstruction.helix_distance import HitErrors, covariance, distance
from cortado.reconstruction.matrices import times

__all__ = ["filter_inwards", "scattering_angle", "scattering_covariance"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_DIFFUSE = 1e8  # by which the covariance of a fit without scattering is enlarged to be no information


def scattering_angle(theta: Floats, q_over_p: Floats, disc: Bools, radiation_lengths: float) -> Floats:
    """Angle of multiple scattering in a plane [rad], by Highland's formula, shape (m,).

    Args:
        theta: Polar angle [rad], shape (m,).
        q_over_p: Charge over momentum [1/GeV], shape (m,).
        disc: Whether the matter lies across the z axis, not around it, shape (m,).
        radiation_lengths: Its thickness, above 0, crossed at right angles.
    """
    matter = radiation_lengths / np.maximum(np.where(disc, np.abs(np.cos(theta)), np.sin(theta)), 1e-3)
    return np.asarray(0.0136 * np.abs(q_over_p) * np.sqrt(matter) * np.maximum(1 + 0.038 * np.log(matter), 0.1))


def scattering_covariance(
    parameters: Floats, path: Floats, disc: Bools, radiation_lengths: float, magnetic_field: float
) -> Floats:
    """Covariance that scattering at a point of a helix adds to its perigee parameters, shape (m, 5, 5).

    Args:
        parameters: d0, z0, phi, theta, q/p, shape (m, 5).
        path: Transverse path from the perigee to the point [mm], shape (m,).
        disc: Whether the matter lies across the z axis, shape (m,).
        radiation_lengths: Its thickness, crossed at right angles.
        magnetic_field: Along z [T].
    """
    theta, q_over_p = parameters[:, 3], parameters[:, 4]
    position = point(parameters, path, magnetic_field)
    direction = np.stack([distance(parameters, position, magnetic_field).phi, theta, q_over_p], axis=-1)
    slopes = linearised(position, direction, magnetic_field).momentum[:, :, :2]
    angle = scattering_angle(theta, q_over_p, disc, radiation_lengths)
    wide = slopes * np.stack([angle / np.sin(theta), angle], axis=-1)[:, np.newaxis, :]
    return np.asarray(wide @ np.swapaxes(wide, 1, 2))


def filter_inwards(
    parameters: Floats, matrix: Floats, points: Floats, track: Integers, errors: HitErrors, radiation_lengths: float,
    magnetic_field: float,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Kalman filter from the outermost hit of each track to the innermost, with scattering at each hit.

    Linear about the given parameters. What comes out is the best estimate at the perigee, where a fit without
    scattering takes the far hits for as good as the near ones.

    Args:
        parameters: From a fit without scattering, shape (t, 5).
        matrix: Their covariance, which gives the scale only, shape (t, 5, 5).
        points: x, y, z of the hits [mm], shape (h, 3).
        track: Index of the track of each, shape (h,).
        errors: Of the hits, shape (h,) each; where the radial one is above 0 is a disc.
        radiation_lengths: Of the matter at each hit, crossed at right angles.
        magnetic_field: Along z [T].
    Returns:
        Parameters (t, 5), covariance (t, 5, 5) and chi2 (t,).
    """
    at = distance(parameters[track], points, magnetic_field)
    measured = covariance(errors, points, at.phi, parameters[track, 3])
    disc = np.asarray(errors.radial) > 0
    noise = scattering_covariance(parameters[track], at.path, disc, radiation_lengths, magnetic_field)
    residual = np.stack([at.across, at.along_z], axis=-1)
    moved, spread, chi2 = np.zeros_like(parameters), matrix * _DIFFUSE, np.zeros(len(parameters))
    order = np.lexsort((-at.path, track))
    first = np.searchsorted(track[order], track[order])
    rank = np.arange(len(order)) - first
    for step in range(int(rank.max(initial=-1)) + 1):
        hit = order[rank == step]
        of = track[hit]
        slopes = at.slopes[hit]
        gain = spread[of] @ np.swapaxes(slopes, 1, 2)
        weight = np.linalg.inv(slopes @ gain + measured[hit])
        pull = residual[hit] + times(slopes, moved[of])
        moved[of] -= times(gain @ weight, pull)
        after = spread[of] - gain @ weight @ np.swapaxes(gain, 1, 2)
        spread[of] = (after + np.swapaxes(after, 1, 2)) / 2 + noise[hit]
        chi2[of] += np.einsum("hi,hij,hj->h", pull, weight, pull)
    return parameters + moved, spread, chi2
