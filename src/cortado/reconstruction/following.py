"""From seeds outwards, layer by layer: a Kalman filter of perigee parameters that takes the hit of lowest chi2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.perigee import point
from cortado.reconstruction.detector_layers import Layer, crossings
from cortado.reconstruction.helix_distance import HitErrors, covariance, distance, of_hits
from cortado.reconstruction.matrices import inverse, times
from cortado.reconstruction.scattering import scattering_angle, scattering_covariance
from cortado.reconstruction.seeding import DetectorHits, SeedCuts, helices_through, neighbours

__all__ = ["Candidates", "FollowCuts", "follow", "start"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


class FollowCuts(NamedTuple):
    """How tracks are followed.

    Attributes:
        max_chi2: Of one hit, which has two coordinates.
        max_holes: Layers without a hit, one after the other.
        window: Around the expected crossing in which hits are looked for [mm].
        neighbours: Hits in the window that are tried, the nearest first.
        radiation_lengths: Of each layer, crossed at right angles, for multiple scattering.
        margin: By which a layer is taken to be longer at its ends [mm].
    """

    max_chi2: float = 40.0
    max_holes: int = 3
    window: float = 15.0
    neighbours: int = 4
    radiation_lengths: float = 0.05
    margin: float = 1.0


class Candidates(NamedTuple):
    """Helices that are being followed.

    Attributes:
        parameters: Perigee parameters, shape (c, 5).
        covariance: Of them, shape (c, 5, 5).
        hits: Index of the hit on each layer, -1 for none, shape (c, layers).
        chi2: Shape (c,).
    """

    parameters: Floats
    covariance: Floats
    hits: Integers
    chi2: Floats


def start(
    seeds: Integers, hits: DetectorHits, errors: HitErrors, layers: tuple[Layer, ...],
    cuts: tuple[SeedCuts, FollowCuts], magnetic_field: float,
) -> Candidates:  # fmt: skip
    """Fit seeds of three hits, with multiple scattering as if it were an error of the third; those that are tracks.

    Args:
        seeds: Index of the hits of each, shape (s, 3).
        hits: All hits.
        errors: Of all hits, shape (h,) each.
        layers: All layers.
        cuts: On momentum and origin, and on the chi2 of the one degree of freedom.
        magnetic_field: Along z [T].
    """
    rough = helices_through(hits.points[seeds], magnetic_field)
    wanted = _wanted(rough, cuts[0])
    seeds, rough = seeds[wanted], rough[wanted]
    flat, points = seeds.ravel(), hits.points[seeds.ravel()]
    step = np.linalg.norm(points[2::3] - points[1::3], axis=1)
    disc = np.array([layer.disc for layer in layers])[hits.layer[seeds[:, 1]]]
    stray = scattering_angle(rough[:, 3], rough[:, 4], disc, cuts[1].radiation_lengths) * step
    stray = np.stack([np.zeros_like(stray), np.zeros_like(stray), stray], axis=1).ravel()
    wide = HitErrors(
        *(np.where(error > 0, np.hypot(error, stray), 0.0) for error in of_hits(errors, flat, len(hits.event)))
    )
    at = distance(np.repeat(rough, 3, axis=0), points, magnetic_field)
    weights = np.asarray(np.linalg.inv(covariance(wide, points, at.phi, np.repeat(rough[:, 3], 3))))
    residual = np.stack([at.across, at.along_z], axis=-1)
    slopes, weighted = at.slopes.reshape(-1, 6, 5), (weights @ at.slopes).reshape(-1, 6, 5)
    matrix = inverse(np.swapaxes(slopes, 1, 2) @ weighted)
    gradient = -(np.swapaxes(weighted, 1, 2) @ residual.reshape(-1, 6, 1))[..., 0]
    moved = times(matrix, gradient)  # the circle through three points is exact: one step is all there is to do
    chi2 = np.einsum("hi,hij,hj->h", residual, weights, residual).reshape(-1, 3).sum(axis=1) - (gradient * moved).sum(1)
    good = (chi2 < cuts[1].max_chi2) & _wanted(rough + moved, cuts[0])
    table = np.full((int(good.sum()), len(layers)), -1, dtype=np.int64)
    np.put_along_axis(table, hits.layer[seeds[good]], seeds[good], axis=1)
    return Candidates((rough + moved)[good], matrix[good], table, chi2[good])


def follow(
    candidates: Candidates, hits: DetectorHits, free: Bools, errors: HitErrors, layers: tuple[Layer, ...],
    cuts: FollowCuts, magnetic_field: float,
) -> Candidates:  # fmt: skip
    """Extend candidates outwards, all at once, until they leave the detector or miss too many layers.

    Args:
        candidates: From `start`.
        hits: All hits.
        free: Which of them may be used, shape (h,).
        errors: Of all hits, shape (h,) each.
        layers: All layers.
        cuts: How to follow.
        magnetic_field: Along z [T].
    """
    parameters, matrix = candidates.parameters.copy(), candidates.covariance.copy()
    table, chi2 = candidates.hits.copy(), candidates.chi2.copy()
    discs, seen, holes = np.array([layer.disc for layer in layers]), table >= 0, np.zeros(len(table), dtype=np.int64)
    last, outermost = _ends(parameters, table, hits, magnetic_field)
    going = np.arange(len(table))
    _scatter(parameters, matrix, last, discs[outermost], going, cuts, magnetic_field)
    while True:
        paths = crossings(parameters[going], layers, magnetic_field, cuts.margin)
        paths = np.where((paths > last[going, np.newaxis]) & ~seen[going], paths, np.inf)
        following = paths.argmin(axis=1)
        path = paths[np.arange(len(going)), following]
        onward = np.isfinite(path)
        going, following, path = going[onward], following[onward], path[onward]
        if not len(going):
            return Candidates(parameters, matrix, table, chi2)
        seen[going, following], last[going], outermost[going] = True, path, following
        row, hit = _near(parameters[going], path, following, table[going].max(axis=1), hits, free, cuts, magnetic_field)
        best = _update(parameters, matrix, chi2, going[row], hit, hits, errors, cuts, magnetic_field)
        table[going[row[best]], following[row[best]]] = hit[best]
        holes[going] += 1
        holes[going[row[best]]] = 0
        going = going[holes[going] <= cuts.max_holes]
        _scatter(parameters, matrix, last, discs[outermost], going, cuts, magnetic_field)


def _near(
    parameters: Floats, path: Floats, layer: Integers, any_hit: Integers, hits: DetectorHits, free: Bools,
    cuts: FollowCuts, field: float,
) -> tuple[Integers, Integers]:  # fmt: skip
    """Pairs of a candidate and a hit on its layer near its crossing, candidate after candidate."""
    layers = int(hits.layer.max()) + 1
    usable = np.flatnonzero(free & np.isin(hits.layer, layer))
    own, wanted = (event * layers + of for event, of in ((hits.event, hits.layer), (hits.event[any_hit], layer)))
    expected = point(parameters, path, field)
    row, place = neighbours(hits.on_layer[usable], own[usable], expected, wanted, cuts.window, cuts.neighbours)
    return row, usable[place]


def _update(
    parameters: Floats, matrix: Floats, chi2: Floats, candidate: Integers, hit: Integers, hits: DetectorHits,
    errors: HitErrors, cuts: FollowCuts, field: float,
) -> Integers:  # fmt: skip
    """Take for each candidate the hit of lowest chi2, if that is low enough: in place; indices of those pairs."""
    state, spread, points = parameters[candidate], matrix[candidate], hits.points[hit]
    at = distance(state, points, field)
    own = of_hits(errors, hit, len(hits.event))
    gain = spread @ np.swapaxes(at.slopes, 1, 2)  # (q, 5, 2)
    weight = np.linalg.inv(at.slopes @ gain + covariance(own, points, at.phi, state[:, 3]))
    residual = np.stack([at.across, at.along_z], axis=-1)
    added = np.einsum("qi,qij,qj->q", residual, weight, residual)
    order = np.lexsort((added, candidate))
    best = order[np.unique(candidate[order], return_index=True)[1]]
    best = best[added[best] < cuts.max_chi2]
    gain, weight = gain[best], weight[best]
    moved = state[best] - times(gain @ weight, residual[best])
    physical = (moved[:, 3] > 0) & (moved[:, 3] < np.pi) & np.isfinite(moved).all(axis=1)
    best, gain, weight, moved = best[physical], gain[physical], weight[physical], moved[physical]
    parameters[candidate[best]] = moved
    matrix[candidate[best]] -= gain @ weight @ np.swapaxes(gain, 1, 2)
    chi2[candidate[best]] += added[best]
    return np.asarray(best)


def _scatter(
    parameters: Floats, matrix: Floats, path: Floats, disc: Bools, going: Integers, cuts: FollowCuts, field: float
) -> None:
    """Add multiple scattering at the given paths to the covariance, in place."""
    state, thickness = parameters[going], cuts.radiation_lengths
    matrix[going] += scattering_covariance(state, path[going], disc[going], thickness, field)


def _ends(parameters: Floats, table: Integers, hits: DetectorHits, field: float) -> tuple[Floats, Integers]:
    """Path to the outermost hit of each candidate [mm], and its layer, shape (c,) each."""
    row, column = np.nonzero(table >= 0)
    path = np.full(table.shape, -np.inf)
    path[row, column] = distance(parameters[row], hits.points[table[row, column]], field).path
    return path.max(axis=1, initial=-np.inf), path.argmax(axis=1)


def _wanted(parameters: Floats, cuts: SeedCuts) -> Bools:
    d0, z0, _, theta, q_over_p = parameters.T
    enough = np.sin(theta) > 0.9 * cuts.min_pt * np.abs(q_over_p)  # NaN is not
    return np.asarray(enough & (np.abs(d0) < cuts.max_d0) & (np.abs(z0) < cuts.max_z0))
