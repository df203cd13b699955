"""Seeds of tracks: triplets of hits on given layers that lie on a helix from near the beam."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import NDArray

from cortado.perigee import BENDING
from cortado.reconstruction.detector_layers import Layer

__all__ = ["DetectorHits", "SeedCuts", "helices_through", "neighbours", "triplets"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

_APART = 1e7  # mm between the events in the coordinate that keeps them apart
_TURN = 16.0  # more than a turn with windows [rad]


class SeedCuts(NamedTuple):
    """Which triplets are seeds.

    Attributes:
        min_pt: Transverse momentum [GeV].
        max_d0: Distance from the z axis [mm].
        max_z0: Distance along z from the origin [mm].
        window: How far the third hit may be from the line in z against r, and from the circle through the axis, beyond
            what `max_d0` allows [mm].
        neighbours: Hits in the window that are tried, the nearest first.
    """

    min_pt: float = 0.5
    max_d0: float = 1.0
    max_z0: float = 200.0
    window: float = 4.0
    neighbours: int = 5


class DetectorHits(NamedTuple):
    """Hits of some events as flat arrays.

    Attributes:
        points: x, y, z [mm], shape (h, 3).
        on_layer: The same, moved along the radius or along z onto the layer, as if it were one cylinder or plane.
        layer: Index of the layer, -1 for one that is not known, shape (h,).
        event: Shape (h,).
    """

    points: Floats
    on_layer: Floats
    layer: Integers
    event: Integers


def triplets(
    hits: DetectorHits, free: Bools, layers: tuple[Layer, Layer, Layer], at: tuple[int, int, int],
    cuts: SeedCuts, magnetic_field: float,
) -> Integers:  # fmt: skip
    """Triplets of hits, shape (s, 3): pairs by sorting in azimuth, the third by a tree around where it is expected.

    Args:
        hits: All hits.
        free: Which of them may be used, shape (h,).
        layers: The three layers, from inside out.
        at: Their indices.
        cuts: Which triplets are seeds.
        magnetic_field: Along z [T].
    """
    one, two, three = (np.flatnonzero(free & (hits.layer == index)) for index in at)
    first, second = _pairs(hits, one, two, layers[1], cuts, magnetic_field)
    expected, reach, there = _expected(hits.points[first], hits.points[second], layers[2], cuts)
    first, second, expected = first[there], second[there], expected[there]
    pair, third = neighbours(
        hits.on_layer[three], hits.event[three], expected, hits.event[first], reach, cuts.neighbours
    )
    return np.stack([first[pair], second[pair], three[third]], axis=-1)


def helices_through(points: Floats, magnetic_field: float) -> Floats:
    """Perigee parameters of helices through three points in the transverse plane, and the outer two in z, shape (s, 5).

    Args:
        points: x, y, z [mm] in the order of the path, shape (s, 3, 3); NaN comes out where two are the same.
        magnetic_field: Along z [T].
    """
    (x, y), z = points[:, 0, :2].T, points[:, :, 2]
    (ax, ay), (bx, by) = (points[:, i, :2].T - points[:, 0, :2].T for i in (1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        chord = np.hypot(bx, by)
        near, far = np.hypot(ax, ay), np.hypot(bx - ax, by - ay)
        omega = -2 * (ax * by - ay * bx) / (near * chord * far)
        phi = np.arctan2(by, bx) + np.arcsin(omega * chord / 2)  # at the first point, for less than half a turn
        cot = (z[:, 2] - z[:, 0]) / (chord * np.arcsin(omega * chord / 2) / (omega * chord / 2))
        along, across = x * np.cos(phi) + y * np.sin(phi), x * np.sin(phi) - y * np.cos(phi)
        turned = np.arctan2(omega * along, 1 + omega * across)
        radii = np.hypot(omega * along, 1 + omega * across)
        d0 = -(2 * across + omega * (x**2 + y**2)) / (1 + radii)
        z0 = z[:, 0] - cot * along / (radii * np.sinc(turned / np.pi))
    theta = np.arctan2(1.0, cot)
    return np.stack([d0, z0, phi + turned, theta, omega * np.sin(theta) / (BENDING * magnetic_field)], axis=-1)


def neighbours(
    points: Floats, event: Integers, around: Floats, around_event: Integers, reach: float, at_most: int
) -> tuple[Integers, Integers]:
    """Pairs of a place and one of the points nearest to it in its event, as indices, shape (q,) each.

    Args:
        points: Shape (h, 3).
        event: Of the points, shape (h,).
        around: Places, shape (m, 3), finite.
        around_event: Of the places, shape (m,).
        reach: Largest distance.
        at_most: Points for each place.
    """
    if not (len(points) and len(around)):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    tree = scipy.spatial.cKDTree(np.concatenate([points, _APART * event[:, np.newaxis]], axis=1), balanced_tree=False)
    places = np.concatenate([around, _APART * around_event[:, np.newaxis]], axis=1)
    _, index = tree.query(places, k=range(1, at_most + 1), distance_upper_bound=reach)
    place, column = np.nonzero(index < len(points))
    return place, index[place, column].astype(np.int64)


def _pairs(
    hits: DetectorHits, one: Integers, two: Integers, outer: Layer, cuts: SeedCuts, field: float
) -> tuple[Integers, Integers]:
    """Pairs of hits on two layers that a helix of enough momentum from near the origin may join, shape (p,) each."""
    radius, phi = np.hypot(*hits.points[:, :2].T), np.arctan2(hits.points[:, 1], hits.points[:, 0])
    bend = BENDING * abs(field) / cuts.min_pt / 2
    farthest = outer.high if outer.disc else outer.position

    def window(inner_radius: Floats, outer_radius: Floats | float) -> Floats:
        gap = np.abs(outer_radius - inner_radius)
        return bend * gap * 1.2 + cuts.max_d0 * gap / (inner_radius * outer_radius) + 1e-3

    half = np.minimum(window(radius[one], np.maximum(farthest, radius[one])), np.pi)
    copies = np.concatenate([two, two, two])
    key = _TURN * hits.event[copies] + phi[copies] + np.repeat([-2 * np.pi, 0, 2 * np.pi], len(two))
    order = np.argsort(key)
    key, copies = key[order], copies[order]
    centre = _TURN * hits.event[one] + phi[one]
    low, high = np.searchsorted(key, centre - half), np.searchsorted(key, centre + half)
    number = high - low
    first = np.repeat(one, number)
    second = copies[np.arange(number.sum()) + np.repeat(low - np.cumsum(number) + number, number)]
    turn = np.abs((phi[second] - phi[first] + np.pi) % (2 * np.pi) - np.pi)
    gap = radius[second] - radius[first]
    z, z_second = hits.points[first, 2], hits.points[second, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        z0 = z - radius[first] * (z_second - z) / gap
    kept = (gap > 0) & (np.abs(z0) < cuts.max_z0) & (turn < window(radius[first], radius[second]))
    return first[kept], second[kept]


def _expected(first: Floats, second: Floats, layer: Layer, cuts: SeedCuts) -> tuple[Floats, float, Bools]:
    """Where helices through the axis and two points cross a layer, (p, 3), how far hits may be, and if it is there."""
    (r1, r2), (z1, z2) = (np.hypot(p[:, 0], p[:, 1]) for p in (first, second)), (first[:, 2], second[:, 2])
    phi = np.arctan2(first[:, 1], first[:, 0])
    turn = (np.arctan2(second[:, 1], second[:, 0]) - phi + np.pi) % (2 * np.pi) - np.pi
    with np.errstate(divide="ignore"):
        radius = r1 + (r2 - r1) * (layer.position - z1) / (z2 - z1) if layer.disc else np.full_like(r1, layer.position)
    radius = np.clip(np.nan_to_num(radius), 0.0, 1e5)
    rise = (radius - r1) / (r2 - r1)
    azimuth, z = phi + turn * rise, z1 + (z2 - z1) * rise
    # A helix that misses the axis by d0 has azimuths that differ by d0 / r.
    astray = cuts.max_d0 * np.abs(1 + (rise - 1) * radius / r1 - rise * radius / r2)
    across = radius if layer.disc else z
    there = (across > layer.low - cuts.window) & (across < layer.high + cuts.window) & (radius > 0)
    reach = cuts.window + float(np.max(astray, initial=0.0, where=there))
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1), reach, there
