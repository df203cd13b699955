"""Pairs of points that are near each other, event by event: by trees, never all pairs.

Shapes: N points of all events, E pairs.
"""

from __future__ import annotations

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

__all__ = ["near_pairs"]


def near_pairs(places: ArrayLike, event: ArrayLike, *, radius: float, neighbours: int) -> NDArray[np.int64]:
    """Points with their nearest neighbours within a radius in the same event, each pair once, shape (2, E).

    The first of a pair is the one that comes first; pairs are in the order of the first, then the second.

    Args:
        places: Shape (N, d); points that are not finite have no neighbours.
        event: Of each point, rising, shape (N,).
        radius: Neighbours are nearer than that.
        neighbours: Most neighbours that a point asks for; it may be one of more points.
    """
    places, event = np.asarray(places, np.float64), np.asarray(event, np.int64)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    starts = np.flatnonzero(np.diff(event[known], prepend=-1))
    pairs = [_of_event(places, hits, radius, neighbours) for hits in np.split(known, starts[1:])]
    first, second = np.concatenate(pairs, axis=1)
    number = np.unique(first * len(places) + second)
    return np.stack([number // max(len(places), 1), number % max(len(places), 1)])


def _of_event(
    places: NDArray[np.float64], points: NDArray[np.int64], radius: float, neighbours: int
) -> NDArray[np.int64]:
    """Pairs (2, E) of some of the points, in any order and perhaps twice."""
    most = min(neighbours + 1, len(points))
    if most < 2:
        return np.zeros((2, 0), np.int64)
    # By a list of ranks: the answer is then of two dimensions, whatever their number.
    tree = scipy.spatial.cKDTree(places[points])
    distance, other = tree.query(places[points], k=np.arange(1, most + 1), distance_upper_bound=radius)
    there = np.isfinite(distance) & (other != np.arange(len(points))[:, None])
    # Where points coincide, one is not always its own first neighbour.
    there &= np.cumsum(there, axis=1) <= neighbours
    one, rank = np.nonzero(there)
    ends = points[one], points[other[one, rank]]
    return np.sort(np.stack(ends), axis=0)
