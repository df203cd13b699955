"""Least-squares fits of many vertices at once: tracks in flat arrays, with the index of the vertex of each.

Each track brings its five measured perigee parameters and three unknowns, its momentum at the vertex, which drop out
of the equations for the position. What a track says of the position is then a parabola, `Parabolas`, and a vertex is
the minimum of the sum of its tracks' parabolas, found by Gauss-Newton iterations on the exact helix.

References:
    Billoir, Qian, Fast vertex fitting with a local parametrization of tracks, NIM A 311 (1992) 139.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.kinematics import wrap_phi
from cortado.perigee import cartesian, linearised, phi_near
from cortado.reconstruction.matrices import group_sum, inverse, times
from cortado.reconstruction.priors import Constraint, Prior, constraint

__all__ = ["VAGUE", "FittedVertices", "Parabolas", "fit_vertices", "newton_step", "parabolas", "total"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

VAGUE = 1e-6  # 1/mm^2: a position is taken to be known to 1 m before any track, so that no equation is singular
_LARGEST_STEP = 1000.0  # mm


class FittedVertices(NamedTuple):
    """Vertices of g groups of m tracks.

    Attributes:
        position: x, y, z [mm], shape (g, 3).
        covariance: Of the position [mm^2], shape (g, 3, 3).
        chi2: Of all tracks of the vertex, times their weights, and of the prior, shape (g,).
        ndf: Degrees of freedom: twice the sum of weights, less 3 if there is no prior, shape (g,).
        converged: Whether the last step was below a thousandth of the error, shape (g,).
        track_chi2: Of each track at its vertex, shape (m,).
        momentum: px, py, pz of each track at its vertex, with the vertex as a constraint [GeV], shape (m, 3).
    """

    position: Floats
    covariance: Floats
    chi2: Floats
    ndf: Floats
    converged: NDArray[np.bool_]
    track_chi2: Floats
    momentum: Floats


class Parabolas(NamedTuple):
    """Chi2 of each of m tracks as a function of a shift v of its vertex, a parabola after the best choice of momentum.

    chi2(v) = chi2 - 2 v . slope + v . information . v, and the momentum moves by free - tied . v.

    Attributes:
        chi2: At the point of expansion, shape (m,).
        slope: [1/mm], shape (m, 3).
        information: [1/mm^2], of rank two, shape (m, 3, 3).
        free: Change of phi, theta, q/p at the point of expansion, shape (m, 3).
        tied: Change of phi, theta, q/p per shift, shape (m, 3, 3).
    """

    chi2: Floats
    slope: Floats
    information: Floats
    free: Floats
    tied: Floats


def fit_vertices(
    parameters: Floats,
    covariance: Floats,
    group: Integers,
    *,
    groups: int,
    magnetic_field: float = 2.0,
    start: ArrayLike = (0.0, 0.0, 0.0),
    weights: Floats | None = None,
    prior: Prior | None = None,
    iterations: int = 10,
) -> FittedVertices:
    """Fit the common point of each group of tracks, and the momenta of the tracks there.

    Where the tracks of a group do not fix a point (there is one, or they are parallel), the error is up to 1 m along
    the direction that they leave open.

    Args:
        parameters: d0, z0, phi, theta, q/p [mm, mm, rad, rad, 1/GeV], shape (m, 5).
        covariance: Of the parameters, positive definite, shape (m, 5, 5).
        group: Index of the vertex of each track, in any order, shape (m,).
        groups: Number g of vertices; one without tracks stays where it starts.
        magnetic_field: Along z [T].
        start: Where to begin [mm], shape (3,) or (g, 3).
        weights: From 0 to 1, of each track's chi2, shape (m,); 1 if not given.
        prior: Constraint of the position.
        iterations: At most.

    Raises:
        ValueError: If shapes differ, an index is not in [0, groups), or the covariance of the prior is not positive
            definite.
    """
    _require_shapes(parameters, covariance, group, groups, weights)
    weight = np.ones(len(group)) if weights is None else np.asarray(weights, dtype=np.float64)
    precision = inverse(covariance)
    position = np.broadcast_to(np.asarray(start, dtype=np.float64), (groups, 3)).copy()
    known = constraint(prior, groups)
    direction = parameters[:, 2:].copy()
    direction[:, 0] = phi_near(parameters, position[group], magnetic_field)
    converged = np.zeros(groups, dtype=np.bool_)
    for _ in range(iterations):
        tracks = parabolas(parameters, precision, position[group], direction, magnetic_field)
        information, slope = total(tracks, weight, group, known, position)
        shift = newton_step(information, slope)
        position += shift
        direction += tracks.free - times(tracks.tied, shift[group])
        converged = np.sum(shift * slope, axis=-1) < 1e-6
        if converged.all():
            break
    tracks = parabolas(parameters, precision, position[group], direction, magnetic_field)
    information, _ = total(tracks, weight, group, known, position)
    apart = known.position - position
    constrained = np.sum(apart * times(known.precision, apart), axis=-1)
    return FittedVertices(
        position=position,
        covariance=inverse(information + VAGUE * np.eye(3)),
        chi2=group_sum(weight * tracks.chi2, group, groups) + constrained,
        ndf=2 * group_sum(weight, group, groups) - (3 if prior is None else 0),
        converged=converged,
        track_chi2=tracks.chi2,
        momentum=cartesian(*np.moveaxis(direction + tracks.free, -1, 0)),
    )


def parabolas(
    parameters: Floats, precision: Floats, position: Floats, direction: Floats, magnetic_field: float
) -> Parabolas:
    """Chi2 of tracks to second order around given points and momenta.

    Args:
        parameters: Measured d0, z0, phi, theta, q/p, shape (m, 5).
        precision: Inverse of their covariance, shape (m, 5, 5).
        position: x, y, z of the point of expansion [mm], shape (m, 3).
        direction: phi, theta, q/p of the expansion, shape (m, 3).
        magnetic_field: Along z [T].
    """
    predicted, by_position, by_momentum = linearised(position, direction, magnetic_field)
    residual = parameters - predicted
    residual[:, 2] = wrap_phi(residual[:, 2])
    weighted = precision @ by_momentum  # (m, 5, 3)
    gain = inverse(_transposed(by_momentum) @ weighted) @ _transposed(
        weighted
    )  # (m, 3, 5): residual to best change of momentum
    free = times(gain, residual)
    tied = gain @ by_position
    left = residual - times(by_momentum, free)
    slack = by_position - by_momentum @ tied
    pull = times(precision, left)
    return Parabolas(
        chi2=np.sum(left * pull, axis=-1),
        slope=times(_transposed(slack), pull),
        information=_transposed(slack) @ precision @ slack,
        free=free,
        tied=tied,
    )


def total(
    tracks: Parabolas, weights: Floats, group: Integers, known: Constraint, position: Floats
) -> tuple[Floats, Floats]:
    """Information (g, 3, 3) and slope (g, 3) of the weighted sum of the tracks of each vertex and its constraint.

    Args:
        tracks: Around the position of their vertex.
        weights: Of the tracks, shape (m,).
        group: Index of the vertex of each track, shape (m,).
        known: Constraint of each vertex.
        position: Of each vertex [mm], shape (g, 3).
    """
    groups = len(position)
    information = group_sum(weights[:, np.newaxis, np.newaxis] * tracks.information, group, groups)
    slope = group_sum(weights[:, np.newaxis] * tracks.slope, group, groups)
    return known.precision + information, times(known.precision, known.position - position) + slope


def newton_step(information: Floats, slope: Floats) -> Floats:
    """Shift to the minimum of each vertex [mm], at most a metre, shape (g, 3)."""
    shift = times(inverse(information + VAGUE * np.eye(3)), slope)
    length = np.linalg.norm(shift, axis=-1, keepdims=True)
    return np.asarray(shift * (_LARGEST_STEP / np.maximum(length, _LARGEST_STEP)))


def _transposed(matrices: Floats) -> Floats:
    return np.swapaxes(matrices, -1, -2)


def _require_shapes(
    parameters: Floats, covariance: Floats, group: Integers, groups: int, weights: Floats | None
) -> None:
    m = len(group)
    shapes = {"parameters": (np.shape(parameters), (m, 5)), "covariance": (np.shape(covariance), (m, 5, 5))}
    shapes["weights"] = ((m,) if weights is None else np.shape(weights), (m,))
    for name, (given, needed) in shapes.items():
        if given != needed:
            raise ValueError(f"{name} have shape {given}, needed is {needed} for the {m} tracks of group")
    if m and not (group.min() >= 0 and group.max() < groups):
        raise ValueError(f"group must be in [0, {groups}), but goes from {group.min()} to {group.max()}")
