"""Hits to track parameters: a least-squares fit of a helix, with covariance, of all tracks at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.perigee import BENDING, COVARIANCE, PARAMETERS, perigee
from cortado.reconstruction.helix_distance import HitErrors, covariance, distance, of_hits
from cortado.reconstruction.hit_columns import hit_columns, hit_points
from cortado.reconstruction.matrices import times
from cortado.reconstruction.scattering import filter_inwards

__all__ = ["FittedTracks", "circle_start", "fit_helices", "fit_tracks", "true_tracks"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Sums = Callable[[Floats], Floats]

_STEP = 1e-3  # standard deviations that the last step of a converged fit may have, along each parameter
_SINGULAR = 1e-18  # determinant of a correlation matrix below which hits do not determine five parameters
_ROWS, _COLUMNS = np.triu_indices(5)


class FittedTracks(NamedTuple):
    """Helices of t tracks. What could not be fitted has NaN everywhere, and `converged` False.

    Attributes:
        parameters: d0, z0, phi, theta, q/p [mm, mm, rad, rad, 1/GeV] with respect to the origin, shape (t, 5).
        covariance: Of the parameters, shape (t, 5, 5).
        chi2: Shape (t,).
        degrees_of_freedom: Twice the number of hits less five, shape (t,).
        converged: Whether the last step was small, shape (t,).
    """

    parameters: Floats
    covariance: Floats
    chi2: Floats
    degrees_of_freedom: Integers
    converged: NDArray[np.bool_]


def fit_tracks(
    hits: ak.Array,
    label: ArrayLike,
    errors: HitErrors | Callable[[ak.Array], HitErrors],
    *,
    magnetic_field: float,
    radiation_lengths: float = 0.0,
) -> ak.Array:
    """Fit the tracks of events, as a record that vertex fits take.

    Args:
        hits: Hits of events with x, y, z [mm], shape (n, var).
        label: Track of each hit, -1 for none, shape (n, var).
        errors: Of the hits: numbers, or a function of the flat hits that gives one for each.
        magnetic_field: Along z [T].
        radiation_lengths: Of the matter at each hit, crossed at right angles; 0 for no multiple scattering.
    Returns:
        Tracks in the order of their labels, shape (n, var): `label`, `n_hits`, d0, z0, phi, theta, q_over_p and the 15
        elements of their covariance (`perigee.COVARIANCE`), `pt` [GeV], `eta`, `chi2`, `degrees_of_freedom` and
        `converged`. Tracks of fewer than three hits cannot be fitted and have NaN.
    Raises:
        ValueError: As `fit_helices`; or if there are not as many labels as hits in each event.
    """
    event, track = hit_columns(hits, label, "fit_tracks")
    points = hit_points(hits)
    given = errors(ak.flatten(hits)) if callable(errors) else errors
    on = track >= 0
    key, place = np.unique(np.stack([event[on], track[on]]), axis=1, return_inverse=True)
    fitted = fit_helices(
        points[on],
        place,
        key.shape[1],
        of_hits(given, on, len(on)),
        magnetic_field=magnetic_field,
        radiation_lengths=radiation_lengths,
    )
    theta, q_over_p = fitted.parameters[:, 3], fitted.parameters[:, 4]
    fields = {"label": key[1].astype(np.int32), "n_hits": (fitted.degrees_of_freedom + 5) // 2}
    fields |= dict(zip(PARAMETERS, fitted.parameters.T))
    fields |= dict(zip(COVARIANCE, fitted.covariance[:, _ROWS, _COLUMNS].T))
    fields |= {"pt": np.sin(theta) / np.abs(q_over_p), "eta": -np.log(np.tan(theta / 2)), "chi2": fitted.chi2}
    fields |= {"degrees_of_freedom": fitted.degrees_of_freedom, "converged": fitted.converged}
    return ak.unflatten(ak.zip(fields), np.bincount(key[0], minlength=len(hits)))


def fit_helices(
    points: Floats,
    track: Integers,
    tracks: int,
    errors: HitErrors,
    *,
    magnetic_field: float,
    radiation_lengths: float = 0.0,
    iterations: int = 20,
) -> FittedTracks:
    """Least-squares fit of helices to hits, with any number of hits each: Gauss-Newton over all tracks at once.

    It starts from the circle of `circle_start`. Distances are taken where hit and helix are closest in the transverse
    plane, with the full covariance of the hit there, so barrels and discs are treated alike. If multiple scattering
    is asked for, a Kalman filter inwards follows; without it the covariance of soft tracks is far too small. Hits must
    lie within half a turn of the perigee.

    Args:
        points: x, y, z of the hits [mm], shape (h, 3), in any order.
        track: Index of the track of each hit, shape (h,).
        tracks: Number t of tracks.
        errors: Of the hits.
        magnetic_field: Along z, not 0 [T].
        radiation_lengths: Of the matter at each hit, crossed at right angles; 0 for no multiple scattering.
        iterations: At most.
    Raises:
        ValueError: If a position is not finite, an error is not positive (longitudinal and radial: not both 0), the
            field is 0, or an index of a track is not below t.
    """
    _check(points, track, tracks, errors, magnetic_field)
    order = np.argsort(track, kind="stable")
    points, track, each = points[order], track[order], of_hits(errors, order, len(order))
    sums = _sums_of(track, tracks)
    parameters = circle_start(points, track, tracks, magnetic_field)
    known = np.asarray(np.isfinite(parameters).all(axis=1))
    safe = np.where(known[:, np.newaxis], parameters, _ANYTHING)
    at = distance(safe[track], points, magnetic_field)
    weights = np.asarray(np.linalg.inv(covariance(each, points, at.phi, safe[track, 3])))
    solution = _minimum(safe, points, track, sums, weights, magnetic_field, iterations)
    good = known & solution.determined
    if radiation_lengths and len(track):
        settled = filter_inwards(
            solution.parameters, solution.covariance, points, track, each, radiation_lengths, magnetic_field
        )
        solution = _Solution(*settled, solution.determined, solution.converged)
        theta, variances = solution.parameters[:, 3], np.diagonal(solution.covariance, axis1=1, axis2=2)
        good &= (theta > 0) & (theta < np.pi) & (variances > 0).all(axis=1)  # not so for some that turn round
    nan = np.where(good, 1.0, np.nan)
    return FittedTracks(
        solution.parameters * nan[:, np.newaxis],
        solution.covariance * nan[:, np.newaxis, np.newaxis],
        solution.chi2 * nan,
        2 * np.bincount(track, minlength=tracks) - 5,
        good & solution.converged,
    )


def circle_start(points: Floats, track: Integers, tracks: int, magnetic_field: float) -> Floats:
    """Perigee parameters by a plane through hits on a paraboloid and a straight line along it, shape (t, 5).

    Unweighted, exact for points without errors. NaN for fewer than three hits.

    Args:
        points: x, y, z of the hits [mm], shape (h, 3).
        track: Index of the track of each hit, ascending, shape (h,).
        tracks: Number t of tracks.
        magnetic_field: Along z, not 0 [T].
    References:
        Strandlie, Wroldsen, Fruehwirth, Particle tracks fitted on the Riemann sphere, CPC 131 (2000) 95.
    """
    sums, number = _sums_of(track, tracks), np.bincount(track, minlength=tracks)
    enough = np.where(number > 2, number, np.nan)
    scale = np.sqrt(sums(points[:, 0] ** 2 + points[:, 1] ** 2) / enough)  # of lengths, about 1 m
    x, y = (points[:, :2] / scale[track, np.newaxis]).T
    lifted = np.stack([x, y, x**2 + y**2], axis=-1)
    mean = sums(lifted) / enough[:, np.newaxis]
    from_mean = lifted - mean[track]
    spread = sums(from_mean[:, :, np.newaxis] * from_mean[:, np.newaxis, :])
    normal = np.linalg.eigh(np.nan_to_num(spread))[1][:, :, 0]  # of the plane: direction of least spread
    offset = -(normal * mean).sum(axis=1)
    radial = np.hypot(normal[:, 0], normal[:, 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        norm = np.sqrt(radial**2 - 4 * normal[:, 2] * offset)
        along = sums(x * normal[track, 1] - y * normal[track, 0])
        norm *= np.where(along >= 0, 1, -1)  # hits lie along the momentum
        d0 = -2 * offset / norm / (1 + radial / np.abs(norm)) * scale
        phi = np.arctan2(-normal[:, 0] / norm, normal[:, 1] / norm)
        omega = 2 * normal[:, 2] / norm / scale
    return _line(np.stack([d0, phi, omega], axis=-1), points, track, sums, magnetic_field)


def true_tracks(particles: ak.Array, *, magnetic_field: float) -> Floats:
    """Perigee parameters of true particles with respect to the origin, flat, shape (p, 5).

    Args:
        particles: px, py, pz [GeV], vx, vy, vz [mm] and charge, any nesting; NaN where the charge is 0.
        magnetic_field: Along z [T].
    """
    flat = particles if particles.ndim == 1 else ak.flatten(particles, axis=None if particles.ndim == 0 else 1)
    px, py, pz, *vertex = (ak.to_numpy(flat[name]).astype(np.float64) for name in ("px", "py", "pz", "vx", "vy", "vz"))
    pt, charge = np.hypot(px, py), ak.to_numpy(flat["charge"]).astype(np.float64)
    charge[charge == 0] = np.nan
    direction = np.stack([np.arctan2(py, px), np.arctan2(pt, pz), charge / np.hypot(pt, pz)], axis=-1)
    return perigee(np.stack(vertex, axis=-1), direction, magnetic_field)


_ANYTHING = np.array([0.0, 0.0, 0.0, np.pi / 2, 1.0])


def _sums_of(track: Integers, tracks: int) -> Sums:
    """Sums of values of hits, sorted by track, over the hits of each track."""
    present, first = np.unique(track, return_index=True)

    def sums(values: Floats) -> Floats:
        total = np.zeros((tracks, *values.shape[1:]))
        if len(values):
            total[present] = np.add.reduceat(values, first, axis=0)
        return total

    return sums


class _Solution(NamedTuple):
    parameters: Floats
    covariance: Floats
    chi2: Floats
    determined: NDArray[np.bool_]
    converged: NDArray[np.bool_]


def _minimum(
    parameters: Floats, points: Floats, track: Integers, sums: Sums, weights: Floats, field: float, iterations: int
) -> _Solution:
    """Gauss-Newton steps, of which those that raise chi2 are taken back and shortened."""
    length = np.ones(len(parameters))
    normal, gradient, chi2 = _normal(parameters, points, track, sums, weights, field)
    for _ in range(iterations):
        inverse, determined = _safe_inverse(normal)
        step = times(inverse, gradient)
        errors = np.sqrt(np.diagonal(inverse, axis1=1, axis2=2))
        converged = np.asarray((np.abs(step) <= _STEP * errors).all(axis=1))
        if (converged | ~determined).all():
            break
        trial = parameters + length[:, np.newaxis] * step
        new_normal, new_gradient, new_chi2 = _normal(trial, points, track, sums, weights, field)
        better = ~converged & (new_chi2 <= chi2 * (1 + 1e-9) + 1e-9)  # no track waits for another
        length = np.where(better, 1.0, length / 4)
        parameters = np.where(better[:, np.newaxis], trial, parameters)
        normal = np.where(better[:, np.newaxis, np.newaxis], new_normal, normal)
        gradient = np.where(better[:, np.newaxis], new_gradient, gradient)
        chi2 = np.where(better, new_chi2, chi2)
    parameters[:, 2] = np.arctan2(np.sin(parameters[:, 2]), np.cos(parameters[:, 2]))
    return _Solution(parameters, inverse, chi2, determined, converged)


def _normal(
    parameters: Floats, points: Floats, track: Integers, sums: Sums, weights: Floats, field: float
) -> tuple[Floats, Floats, Floats]:
    """Normal matrices (t, 5, 5), their right-hand sides (t, 5) and chi2 (t,); NaN for unphysical parameters."""
    at = distance(parameters[track], points, field)
    residual = np.stack([at.across, at.along_z], axis=-1)
    weighted = weights @ at.slopes  # (h, 2, 5)
    products = np.einsum("hik,hil->hkl", at.slopes, weighted)
    gradient = -np.einsum("hik,hi->hk", weighted, residual)
    chi2 = sums(np.einsum("hi,hij,hj->h", residual, weights, residual))
    unphysical = ~((parameters[:, 3] > 0) & (parameters[:, 3] < np.pi))
    return sums(products), sums(gradient), np.where(unphysical, np.inf, chi2)


def _safe_inverse(matrices: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Inverses of symmetric matrices, and which are positive definite; the others have any."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scale = 1 / np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        outer = scale[:, :, np.newaxis] * scale[:, np.newaxis, :]
        correlation = matrices * outer
    finite = np.isfinite(correlation).all(axis=(1, 2))
    correlation[~finite] = np.eye(5)
    determined = finite & (np.linalg.det(correlation) > _SINGULAR)
    correlation[~determined] = np.eye(5)
    inverse = np.linalg.inv(correlation) * np.where(determined[:, np.newaxis, np.newaxis], outer, 1.0)
    return np.asarray(inverse), np.asarray(determined)


def _line(circle: Floats, points: Floats, track: Integers, sums: Sums, field: float) -> Floats:
    """Perigee parameters from d0, phi, omega, shape (t, 3), by the straight line of z against the path."""
    d0, phi, omega = circle.T
    flat = np.stack([d0, np.zeros_like(d0), phi, np.full_like(d0, np.pi / 2), omega / (BENDING * field)], axis=-1)
    path, z = distance(flat[track], points, field).path, points[:, 2]
    number = np.bincount(track, minlength=len(d0))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums(np.stack([path, z], axis=-1)) / number[:, np.newaxis]
        from_mean = path - mean[track, 0]
        slope = sums(from_mean * z) / sums(from_mean**2)
        theta = np.arctan2(1.0, slope)
        z0 = mean[:, 1] - slope * mean[:, 0]
    return np.stack([d0, z0, phi, theta, flat[:, 4] * np.sin(theta)], axis=-1)


def _check(points: Floats, track: Integers, tracks: int, errors: HitErrors, field: float) -> None:
    if not (np.isfinite(field) and field != 0):
        raise ValueError(f"a helix needs a magnetic field other than 0, got {field} T")
    if len(bad := np.flatnonzero(~np.isfinite(points).all(axis=1))):
        raise ValueError(f"the position of hit {bad[0]} is {points[bad[0]].tolist()}, must be finite")
    if len(track) and not (track.min() >= 0 and track.max() < tracks):
        raise ValueError(f"indices of tracks go from {track.min()} to {track.max()}, must be from 0 to {tracks - 1}")
    transverse, longitudinal, radial = (np.asarray(error, dtype=np.float64) for error in errors)
    good = (transverse > 0) & (longitudinal >= 0) & (radial >= 0) & (longitudinal + radial > 0)
    if not np.all(good & np.isfinite(transverse + longitudinal + radial)):
        raise ValueError("errors of hits must be finite, transverse above 0, longitudinal and radial not both 0")
