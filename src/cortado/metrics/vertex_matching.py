"""Which vertices were found: efficiency of the true and purity of the reconstructed ones, against flight distance."""

from __future__ import annotations

from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.vertexing import Partition, flat_partitions
from cortado.statistics import proportion_error

__all__ = ["BinnedRate", "Vertices", "match_vertices", "values_at", "vertex_rate"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Vertices(NamedTuple):
    """Vertices of two tracks and more, ordered by jet and index, each array of shape (v,)."""

    jet: Integers
    vertex: Integers  # its index in the partition
    tracks: Integers  # in the jet
    partner: Integers  # index of the vertex of the other partition that matches, -1 if none does


class BinnedRate(NamedTuple):
    """Part that is matched in bins, with Wilson errors, each array of shape (bins,); NaN in empty bins."""

    value: Floats
    error: Floats
    entries: Integers


def match_vertices(
    truth: Partition, reconstructed: Partition, *, recall: float = 0.65, purity: float = 0.5
) -> tuple[Vertices, Vertices]:
    """True and reconstructed vertices of two tracks and more, and which of them match.

    Two match if the reconstructed one holds at least the part `recall` of the true one's tracks, and these are more
    than the part `purity` of its own. The primary vertex is one of them: select by index before `vertex_rate`, for
    example `true.vertex > 0`.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
        recall: Part of the tracks of a true vertex that must be found together; above one half.
        purity: Part of the tracks of a reconstructed vertex that must be of the true one; one half at least.
    Returns:
        The true vertices, and the reconstructed ones.
    Raises:
        ValueError: As `count_pairs`, or if a vertex could match two others.
    References:
        ATLAS, Graph Neural Network Jet Flavour Tagging with the ATLAS Detector (2022), ATL-PHYS-PUB-2022-027.
    """
    if not (0.5 < recall <= 1 and 0.5 <= purity < 1):
        raise ValueError(f"recall must be in (0.5, 1] and purity in [0.5, 1), got {recall} and {purity}")
    _, owner, true, of_reconstructed = flat_partitions(truth, reconstructed)
    (jet, one, other), shared = np.unique([owner, true, of_reconstructed], axis=1, return_counts=True)
    true_keys, true_at, true_size = _sizes(jet, one, shared)
    keys, at, size = _sizes(jet, other, shared)
    matches = (shared >= recall * true_size[true_at]) & (shared > purity * size[at])
    matches &= (true_size[true_at] > 1) & (size[at] > 1)
    return (
        _vertices(true_keys, true_size, true_at[matches], other[matches]),
        _vertices(keys, size, at[matches], one[matches]),
    )


def values_at(vertices: Vertices, index: ak.Array, values: ak.Array) -> Floats:
    """Values of vertices, such as flight distances, from a list of vertices of each jet, shape (v,); NaN if not there.

    Args:
        vertices: From `match_vertices`.
        index: Index of each vertex in the partition, jagged, shape (n, var).
        values: A number for each, jagged, shape (n, var).
    """
    owner = np.repeat(np.arange(len(index)), ak.to_numpy(ak.num(index)))
    known = np.stack([owner, ak.to_numpy(ak.flatten(index)).astype(np.int64)])
    numbers = ak.to_numpy(ak.flatten(values)).astype(np.float64)
    wanted = np.stack([vertices.jet, vertices.vertex])
    _, place = np.unique(np.concatenate([known, wanted], axis=1), axis=1, return_inverse=True)
    table = np.full(place.max(initial=-1) + 1, np.nan)
    table[place[: len(numbers)]] = numbers
    return table[place[len(numbers) :]]


def vertex_rate(matched: ArrayLike, distance: ArrayLike, edges: ArrayLike) -> BinnedRate:
    """Efficiency (of true vertices) or purity (of reconstructed ones) in bins of the flight distance.

    Args:
        matched: Whether each vertex has a partner, shape (v,).
        distance: Flight distance of each, shape (v,); what lies outside of the edges, or is NaN, is in no bin.
        edges: Edges of the bins, ascending; an upper edge belongs to the next bin.
    Raises:
        ValueError: If the lengths differ.
    """
    chosen, at, bounds = np.asarray(matched, dtype=bool), np.asarray(distance, dtype=np.float64), np.asarray(edges)
    if chosen.shape != at.shape or chosen.ndim != 1:
        raise ValueError(f"matched {chosen.shape} and distance {at.shape} must have one shape (v,)")
    inside = (at >= bounds[0]) & (at < bounds[-1])
    bin_of = np.searchsorted(bounds, at[inside], side="right") - 1
    entries = np.bincount(bin_of, minlength=len(bounds) - 1)
    filled = np.where(entries > 0, entries, np.nan)
    value = np.bincount(bin_of, chosen[inside], minlength=len(bounds) - 1) / filled
    return BinnedRate(value, proportion_error(value, value, filled), entries)


def _sizes(jet: Integers, index: Integers, shared: Integers) -> tuple[Integers, Integers, Integers]:
    """Vertices (jet, index) of shape (2, v), the vertex of each overlap, and the number of tracks of each vertex."""
    keys, at = np.unique([jet, index], axis=1, return_inverse=True)
    return keys, at, np.bincount(at, shared, minlength=keys.shape[1]).astype(np.int64)


def _vertices(keys: Integers, sizes: Integers, matched: Integers, partner: Integers) -> Vertices:
    partners = np.full(len(sizes), -1, dtype=np.int64)
    partners[matched] = partner
    real = sizes > 1
    return Vertices(keys[0][real], keys[1][real], sizes[real], partners[real])
