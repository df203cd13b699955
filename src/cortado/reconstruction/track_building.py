"""Scored edges between hits to tracks: connected components, or chains of the best edges.

An edge joins an inner hit to an outer one. Both builders work on all events at once, and give the same tracks for any
order of the edges whose scores differ, and for any division of events into batches.
"""

from __future__ import annotations

import awkward as ak
import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from cortado.kinematics import delta_phi
from cortado.reconstruction.connected import connected
from cortado.reconstruction.hit_columns import numbered

__all__ = ["best_chains", "tracks_from_best_edges", "tracks_from_components"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


def tracks_from_components(edges: ak.Array, hits: ArrayLike, *, threshold: float = 0.5, min_hits: int = 3) -> ak.Array:
    """Tracks are the connected components of the edges above a threshold.

    One wrong edge joins two tracks to one, for both of which it may be lost: `tracks_from_best_edges` cuts there.

    Args:
        edges: `inner`, `outer` (index of the hit in its event) and `score` of each edge, shape (n, var).
        hits: Number of hits of each event, shape (n,).
        threshold: Edges of this score and below are left out, on the scale of the scores.
        min_hits: Components of fewer hits are no tracks.
    Returns:
        Track of each hit, -1 for none, shape (n, var): from 0 on in each event, in the order of their first hits.
    Raises:
        ValueError: If edges and hits are not of the same events, a score is NaN, or an edge joins a hit that its event
            does not have.
    """
    counts, inner, outer, score = _flat(edges, hits)
    kept = score > threshold
    return numbered(connected(inner[kept], outer[kept], int(counts.sum())), counts, min_hits)


def tracks_from_best_edges(
    edges: ak.Array, hits: ArrayLike, *, places: ak.Array | None = None, threshold: float = 0.5, min_hits: int = 3
) -> ak.Array:
    """Tracks are chains in which each hit has one predecessor and one successor at most ("walk-through").

    Edges are taken from the best to the worst, each if its inner hit has no successor yet and its outer hit no
    predecessor: a hit that two tracks claim goes to the better edge. An edge that passes over a hit, a -> c where
    a -> b and b -> c are above the threshold as well, is left out: the longer way has more hits.

    Where modules of a layer overlap, a particle has two hits in it: with `places`, hits of two modules of one layer
    that have a neighbour inwards and one outwards in common, and of which each is the nearest in azimuth to the other,
    are one link of the chain; so is a hit that stands there twice. Two tracks side by side in the core of a jet so stay
    two; where modules are not known, all hits of a layer with such neighbours are one link.

    Args:
        edges: `inner`, `outer` (index of the hit in its event) and `score` of each edge, shape (n, var).
        hits: Number of hits of each event, shape (n,).
        places: x, y [mm], layer, and module within its layer where that is known, of each hit, shape (n, var).
        threshold: Edges of this score and below are left out, on the scale of the scores.
        min_hits: Chains of fewer hits are no tracks.
    Returns:
        Track of each hit, -1 for none, shape (n, var): from 0 on in each event, in the order of their first hits.
    Raises:
        ValueError: As `tracks_from_components`.
    References:
        Ju et al., Performance of a geometric deep learning pipeline for HL-LHC particle tracking (2021),
        arXiv:2103.06995, section 4.3, has a walk of this kind along the first edges above two thresholds.
    """
    counts, inner, outer, score = _flat(edges, hits)
    total = int(counts.sum())
    kept = score > threshold
    if places is not None:
        layer = ak.to_numpy(ak.flatten(places.layer))
        kept &= layer[inner] != layer[outer]  # no step of a track, though perhaps of one particle
    inner, outer, score = inner[kept], outer[kept], score[kept]
    link = np.arange(total) if places is None else _links(inner, outer, ak.flatten(places))
    inner, outer = link[inner], link[outer]
    direct = ~_passes_over(inner, outer, total)
    inner, outer, score = inner[direct], outer[direct], score[direct]
    chosen = best_chains(inner, outer, score, total)
    return numbered(connected(inner[chosen], outer[chosen], total)[link], counts, min_hits)


def _links(inner: Integers, outer: Integers, places: ak.Array) -> Integers:
    """The first of the hits of a layer that are of one particle, as far as edges say, for each hit, shape (h,)."""
    hits = len(places)
    layer = ak.to_numpy(places.layer)
    joined = scipy.sparse.coo_array((np.ones(len(inner), dtype=np.int64), (inner, outer)), shape=(hits, hits)).tocsr()
    between = (joined.T @ joined).multiply(joined @ joined.T).tocoo()
    one, other = between.row.astype(np.int64), between.col.astype(np.int64)
    module = ak.to_numpy(places.module).astype(np.int64) if "module" in places.fields else np.arange(hits)
    arc = _arc(places, one, other)
    overlap = (layer[one] == layer[other]) & ((module[one] != module[other]) | ((arc == 0) & (one != other)))
    one, other = one[overlap], other[overlap]
    nearest = _are_nearest(one, other, module[other], arc[overlap])
    mutual = nearest & np.isin(other * hits + one, (one * hits + other)[nearest])
    component = connected(one[mutual], other[mutual], hits)
    _, first, place = np.unique(component, return_index=True, return_inverse=True)
    links: Integers = first[place]
    return links


def _arc(places: ak.Array, one: Integers, other: Integers) -> Floats:
    """Between hits, across the beam [mm]."""
    x, y = (ak.to_numpy(places[name]).astype(np.float64) for name in "xy")
    phi = np.arctan2(y, x)
    distance: Floats = np.abs(delta_phi(phi[one], phi[other])) * np.hypot(x, y)[one]
    return distance


def _are_nearest(one: Integers, other: Integers, module: Integers, distance: Floats) -> Bools:
    """Whether `other` is the nearest to `one` of those in its module, the first of equals, shape (p,)."""
    order = np.lexsort((other, distance, module, one))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (np.diff(one[order]) != 0) | (np.diff(module[order]) != 0)
    nearest = np.zeros(len(order), dtype=np.bool_)
    nearest[order[first]] = True
    return nearest


def best_chains(inner: Integers, outer: Integers, score: Floats, hits: int) -> Bools:
    """Which edges are taken if the best goes first and no hit may have two predecessors or two successors, shape (e,).

    An edge that is the best of both its hits is taken, whatever the others are; these rounds are repeated on the edges
    that are still possible. Equal scores count in the order of the edges.

    Args:
        inner: Index of the inner hit, shape (e,).
        outer: Index of the outer hit, shape (e,).
        score: Shape (e,).
        hits: Number of hits.
    """
    taken = np.zeros(len(score), dtype=np.bool_)
    open_edges = np.argsort(-score, kind="stable")
    left, entered = np.zeros(hits, dtype=np.bool_), np.zeros(hits, dtype=np.bool_)
    while len(open_edges):
        start, end = inner[open_edges], outer[open_edges]
        mutual = _is_first(start) & _is_first(end)
        taken[open_edges[mutual]] = True
        left[start[mutual]], entered[end[mutual]] = True, True
        open_edges = open_edges[~(left[start] | entered[end])]
    return taken


def _is_first(values: Integers) -> Bools:
    """Whether each entry is the first of its value, shape (m,)."""
    first = np.zeros(len(values), dtype=np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _passes_over(inner: Integers, outer: Integers, hits: int) -> Bools:
    """Which edges have another way around, of two edges, shape (e,)."""
    if not len(inner):
        return np.zeros(0, dtype=np.bool_)
    joined = scipy.sparse.coo_array((np.ones(len(inner), dtype=np.int64), (inner, outer)), shape=(hits, hits)).tocsr()
    two = (joined @ joined).tocoo()
    return np.isin(inner * hits + outer, two.row.astype(np.int64) * hits + two.col)


def _flat(edges: ak.Array, hits: ArrayLike) -> tuple[Integers, Integers, Integers, Floats]:
    """Number of hits of each event, and inner and outer hit among those of all events and score of each edge."""
    counts = np.asarray(hits, dtype=np.int64)
    if edges.ndim != 2 or len(edges) != len(counts):
        raise ValueError(f"edges of {len(edges)} events, one list each, and hits of {len(counts)} must be of the same")
    number = ak.to_numpy(ak.num(edges)).astype(np.int64)
    event = np.repeat(np.arange(len(counts)), number)
    first = np.cumsum(counts) - counts
    flat = ak.flatten(edges)
    inner, outer = (ak.to_numpy(flat[name]).astype(np.int64) for name in ("inner", "outer"))
    for name, index in (("inner", inner), ("outer", outer)):
        if len(bad := np.flatnonzero((index < 0) | (index >= counts[event]))):
            at = event[bad[0]]
            raise ValueError(f"an edge of event {at} has the {name} hit {index[bad[0]]}, of {counts[at]} hits")
    score = ak.to_numpy(flat["score"]).astype(np.float64)
    if len(bad := np.flatnonzero(np.isnan(score))):
        raise ValueError(f"the score of an edge of event {event[bad[0]]} is NaN, must be a number")
    return counts, inner + first[event], outer + first[event], score
