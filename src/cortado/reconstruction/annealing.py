"""Robust fits with soft weights: what most tracks of a group agree on, whatever else is among them.

An adaptive fit weights each track by how well it agrees with the vertex; the weights harden as a temperature falls.

Deviation from the paper: each fit starts at the crossing point of two tracks with which most others agree (smallest
sum of truncated chi2), not at the mode of crossing points along each axis.

References:
    Waltenberger, Fruehwirth, Vanlaer, Adaptive vertex fitting, J. Phys. G 34 (2007) N343.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortado.perigee import phi_near
from cortado.reconstruction.matrices import inverse, times
from cortado.reconstruction.priors import Constraint
from cortado.reconstruction.vertex_fit import VAGUE, Parabolas, newton_step, parabolas, total

__all__ = ["TEMPERATURES", "annealed", "seeds"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TEMPERATURES = (256.0, 64.0, 16.0, 4.0, 1.0)
"""Those of RAVE."""


def annealed(
    parameters: Floats,
    precision: Floats,
    group: Integers,
    known: Constraint,
    start: Floats,
    cutoff: float,
    temperatures: tuple[float, ...],
    magnetic_field: float,
) -> Floats:
    """Weights of tracks in the adaptive fit of one vertex per group, shape (m,).

    Args:
        parameters: d0, z0, phi, theta, q/p, shape (m, 5).
        precision: Inverse of their covariance, shape (m, 5, 5).
        group: Index of the vertex of each track, shape (m,).
        known: Constraint of each of g vertices.
        start: Where to begin [mm], shape (g, 3).
        cutoff: Distance of a track to its vertex, in standard deviations, at weight 1/2.
        temperatures: Of the annealing, falling.
        magnetic_field: Along z [T].
    """
    position = start
    # The last temperature three times: position and weights settle.
    for temperature in (*temperatures, *2 * temperatures[-1:]):
        tracks = _around(parameters, precision, position[group], magnetic_field)
        information, slope = total(tracks, _weights(tracks.chi2, cutoff, temperature), group, known, position)
        position = position + newton_step(information, slope)
    return _weights(_around(parameters, precision, position[group], magnetic_field).chi2, cutoff, temperatures[-1])


def _around(parameters: Floats, precision: Floats, position: Floats, magnetic_field: float) -> Parabolas:
    """Chi2 of tracks around points (m, 3), with the direction where they pass closest to them."""
    direction = parameters[:, 2:].copy()
    direction[:, 0] = phi_near(parameters, position, magnetic_field)
    return parabolas(parameters, precision, position, direction, magnetic_field)


def _weights(chi2: Floats, cutoff: float, temperature: float) -> Floats:
    """1 / (1 + exp((chi2 - cutoff^2) / 2T)), shape (m,)."""
    return 0.5 * (1 - np.tanh((chi2 - cutoff**2) / (4 * temperature)))


def seeds(
    parameters: Floats,
    precision: Floats,
    group: Integers,
    known: Constraint,
    cutoff: float,
    magnetic_field: float,
    *,
    most: int | None = None,
    cells: int = 2**21,
) -> Floats:
    """Where to begin: the crossing of two tracks with which most others agree, shape (g, 3).

    Time grows with the third power of the number of tracks in a group, beyond `most` of them linearly.

    Args:
        parameters: As in `annealed`, here and below.
        precision: Shape (m, 5, 5).
        group: Shape (m,).
        known: Constraint of each of g vertices.
        cutoff: At which chi2 are truncated, in standard deviations.
        magnetic_field: Along z [T].
        most: Of how many tracks of a group, its first ones, the crossings are tried; of all if not given.
        cells: Numbers in memory at once, unless one group needs more.
    """
    tracks = _around(parameters, precision, known.position[group], magnetic_field)
    counts = np.bincount(group, minlength=len(known.position))
    order = np.argsort(group, kind="stable")
    first = np.cumsum(counts) - counts
    point = known.position.copy()
    for count in np.unique(counts[counts > 0]):
        tried = count if most is None else min(count, most)
        groups = np.flatnonzero(counts == count)
        for block in np.array_split(groups, -(-len(groups) * tried**2 * count // cells)):
            members = order[first[block][:, np.newaxis] + np.arange(count)]
            chosen = Parabolas(*(column[members] for column in tracks))
            point[block] += _best_crossing(chosen, known.precision[block], cutoff, tried)
    return point


def _best_crossing(tracks: Parabolas, precision: Floats, cutoff: float, tried: int) -> Floats:
    """Of the crossings of pairs of tracks of a group, that of the smallest sum of truncated chi2, shape (g, 3).

    Each track with itself is a pair too: its point nearest to the constraint.

    Args:
        tracks: Parabolas of p tracks of each group around the position of the constraint, shape (g, p, ...).
        precision: Inverse covariance of the constraint, shape (g, 3, 3).
        cutoff: At which chi2 are truncated, in standard deviations.
        tried: How many tracks of a group, its first ones, are paired.
    """
    one, other = np.triu_indices(tried)
    information = (
        tracks.information[:, one] + tracks.information[:, other] + precision[:, np.newaxis] + VAGUE * np.eye(3)
    )
    crossing = times(inverse(information), tracks.slope[:, one] + tracks.slope[:, other])  # (g, pairs, 3)
    # chi2 of every track at every crossing is one matrix product: (1, v, v v) times its coefficients.
    square = (crossing[..., :, np.newaxis] * crossing[..., np.newaxis, :]).reshape(*crossing.shape[:2], 9)
    terms = np.concatenate([np.ones((*crossing.shape[:2], 1)), crossing, square], axis=-1)
    flat = tracks.information.reshape(*tracks.chi2.shape, 9)
    coefficients = np.concatenate([tracks.chi2[..., np.newaxis], -2 * tracks.slope, flat], axis=-1)
    chi2 = terms @ np.swapaxes(coefficients, 1, 2)  # (g, pairs, p)
    prior = np.sum(crossing * times(precision[:, np.newaxis], crossing), axis=-1)
    best = np.argmin(np.minimum(chi2, cutoff**2).sum(axis=-1) + prior, axis=1)
    return np.asarray(crossing[np.arange(len(best)), best])
