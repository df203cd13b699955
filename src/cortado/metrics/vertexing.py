"""How well the tracks of jets are put together to vertices: partitions compared pair by pair and vertex by vertex.

Partitions come jagged, one list of vertex indices (0 or more) a jet, or as a numpy array padded to shape (n, p), with a
negative index where there is no track. Only which indices are equal matters. Jets of fewer than two tracks have no
pairs: NaN for the single jet, left out of means, and counted there.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.statistics import Estimate

__all__ = [
    "PairCounts",
    "PartitionMerits",
    "VertexFinding",
    "adjusted_rand_index",
    "bell_ratios",
    "count_pairs",
    "flat_partitions",
    "pairwise_f1",
    "partition_merits",
    "rand_index",
    "vertex_finding",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Partition: TypeAlias = Any  # jagged: an awkward array or lists; padded: a numpy array


class PairCounts(NamedTuple):
    """Pairs of tracks of each jet, each array of shape (n,)."""

    tracks: Integers
    pairs: Integers  # all of them, k (k - 1) / 2
    true: Integers  # that share a true vertex
    reconstructed: Integers  # that share a reconstructed vertex
    both: Integers  # that share either


class PartitionMerits(NamedTuple):
    """F1 and adjusted Rand index of each jet, shape (n,) each; NaN with fewer than two tracks."""

    f1: Floats
    adjusted_rand_index: Floats


class VertexFinding(NamedTuple):
    """Means over the jets of two tracks and more, with the errors of the means."""

    f1: Estimate
    rand_index: Estimate
    adjusted_rand_index: Estimate
    jets: int
    left_out: int  # jets of fewer than two tracks


def count_pairs(truth: Partition, reconstructed: Partition) -> PairCounts:
    """Count the pairs of tracks that share a vertex.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
    Raises:
        ValueError: If a partition is not jagged or padded integers, a jagged one has a negative index, or the two do
            not have the same tracks.
    """
    counts, owner, true, of_reconstructed = flat_partitions(truth, reconstructed)
    n = len(counts)
    nothing = np.zeros_like(owner)
    parts = [(true, nothing), (nothing, of_reconstructed), (true, of_reconstructed)]
    shared = (_pairs_of_groups(owner, *labels, n) for labels in parts)
    return PairCounts(counts, counts * (counts - 1) // 2, *shared)


def pairwise_f1(truth: Partition, reconstructed: Partition) -> Floats:
    """F1 of the pairs of each jet, 2 TP / (2 TP + FP + FN), shape (n,).

    As published, 0 without a true positive: also where no two tracks share a true vertex and none were put together.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
    Raises:
        ValueError: As `count_pairs`.
    References:
        Shlomi et al., Secondary Vertex Finding in Jets with Neural Networks (2021), arXiv:2008.02831, section 4.
    """
    return _f1(count_pairs(truth, reconstructed))


def rand_index(truth: Partition, reconstructed: Partition) -> Floats:
    """Part of the pairs of each jet on which both partitions agree, shape (n,).

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
    Raises:
        ValueError: As `count_pairs`.
    References:
        Rand, Objective Criteria for the Evaluation of Clustering Methods (1971), doi:10.1080/01621459.1971.10482356.
    """
    return _rand_index(count_pairs(truth, reconstructed))


def adjusted_rand_index(truth: Partition, reconstructed: Partition) -> Floats:
    r"""Rand index of each jet on a scale where chance is 0 and perfection 1, shape (n,).

    (RI - E) / (1 - E), one-sided: E is the mean over all partitions that could have been reconstructed, each as likely,
    with the truth fixed. Of the :math:`B_k` partitions of k tracks :math:`B_{k-1}` hold a given pair together, thus
    :math:`E = r q + (1 - r) (1 - q)` with the Bell numbers' :math:`r = B_{k-1} / B_k` and the part q of the pairs that
    truly share a vertex. E is below 1 for any two tracks or more. scikit-learn's index takes another chance, in which
    the sizes of the reconstructed vertices are fixed.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
    Raises:
        ValueError: As `count_pairs`.
    References:
        Gates, Ahn, The Impact of Random Models on Clustering Similarity (2017), arXiv:1701.06508, section 4.
    """
    return _adjusted(count_pairs(truth, reconstructed))


def partition_merits(truth: Partition, reconstructed: Partition) -> PartitionMerits:
    """F1 and adjusted Rand index of each jet at once.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
    Raises:
        ValueError: As `count_pairs`.
    """
    counts = count_pairs(truth, reconstructed)
    return PartitionMerits(_f1(counts), _adjusted(counts))


def vertex_finding(truth: Partition, reconstructed: Partition, flavour: ArrayLike) -> dict[Hashable, VertexFinding]:
    """Mean F1, Rand index and adjusted Rand index of the jets of each flavour, in ascending order.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
        flavour: Flavour of each jet, shape (n,).
    Raises:
        ValueError: As `count_pairs`, or if there are not as many flavours as jets.
    """
    counts = count_pairs(truth, reconstructed)
    flavours = np.asarray(flavour)
    if flavours.shape != counts.tracks.shape:
        raise ValueError(f"flavour has shape {flavours.shape}, needed is ({len(counts.tracks)},), one a jet")
    merits = _f1(counts), _rand_index(counts), _adjusted(counts)
    return {value.item(): _means(merits, flavours == value, counts.tracks < 2) for value in np.unique(flavours)}


def flat_partitions(truth: Partition, reconstructed: Partition) -> tuple[Integers, Integers, Integers, Integers]:
    """Number of tracks of each jet, shape (n,), and of each track the jet and both vertices, shape (m,) each.

    Args:
        truth: True vertex of each track, jagged or padded.
        reconstructed: Reconstructed vertex of each track, the same tracks.
    Raises:
        ValueError: As `count_pairs`.
    """
    true_counts, true = _columns(truth, "truth")
    counts, of_reconstructed = _columns(reconstructed, "reconstructed")
    if len(true_counts) != len(counts):
        raise ValueError(f"truth has {len(true_counts)} jets, reconstructed {len(counts)}; they must be the same")
    if len(wrong := np.flatnonzero(true_counts != counts)):
        jet = wrong[0]
        raise ValueError(f"jet {jet} has {true_counts[jet]} tracks in truth and {counts[jet]} in reconstructed")
    if isinstance(truth, np.ndarray) and isinstance(reconstructed, np.ndarray):
        _require_equal_padding(truth, reconstructed)
    return counts, np.repeat(np.arange(len(counts)), counts), true, of_reconstructed


def bell_ratios(at_most: int) -> Floats:
    """Part B_(k-1) / B_k of the partitions of k objects that hold a given pair together, for k from 0 to `at_most`.

    Bell numbers are summed up exactly, those of some hundred objects exceed any float. NaN for k = 0.
    """
    bell, row = [1], [1]
    for _ in range(at_most):
        following = [row[-1]]
        for number in row:
            following.append(following[-1] + number)
        row = following
        bell.append(row[0])
    return np.array([np.nan, *(before / after for before, after in pairwise(bell))])


def _f1(counts: PairCounts) -> Floats:
    total = counts.true + counts.reconstructed
    value = np.divide(2.0 * counts.both, total, out=np.zeros(len(total)), where=total > 0)
    return np.where(counts.pairs > 0, value, np.nan)


def _rand_index(counts: PairCounts) -> Floats:
    wrong = counts.true + counts.reconstructed - 2 * counts.both
    return 1 - _of_pairs(wrong, counts)


def _adjusted(counts: PairCounts) -> Floats:
    together = bell_ratios(int(counts.tracks.max(initial=0)))[counts.tracks]
    true = _of_pairs(counts.true, counts)
    chance = together * true + (1 - together) * (1 - true)
    return (_rand_index(counts) - chance) / (1 - chance)


def _of_pairs(number: Integers, counts: PairCounts) -> Floats:
    part: Floats = np.divide(number, counts.pairs, out=np.full(len(number), np.nan), where=counts.pairs > 0)
    return part


def _means(merits: tuple[Floats, ...], chosen: NDArray[np.bool_], without: NDArray[np.bool_]) -> VertexFinding:
    left_out, used = int((chosen & without).sum()), chosen & ~without
    f1, rand, adjusted = (_mean(values[used]) for values in merits)
    return VertexFinding(f1, rand, adjusted, int(used.sum()), left_out)


def _mean(values: Floats) -> Estimate:
    if not len(values):
        return Estimate(np.nan, np.nan)
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Estimate(float(values.mean()), float(error))


def _columns(partition: Partition, what: str) -> tuple[Integers, Integers]:
    padded = isinstance(partition, np.ndarray)
    array = ak.from_regular(ak.from_numpy(partition, regulararray=True), axis=None) if padded else ak.Array(partition)
    flat = ak.to_packed(ak.flatten(array, axis=None if array.ndim == 1 else 1)).layout
    whole = flat.is_unknown or (flat.is_numpy and np.issubdtype(flat.dtype, np.integer))
    if array.ndim != 2 or not whole:
        raise ValueError(f"{what} must be vertex indices of shape (n, var) or (n, p), got {ak.type(array)!s:.60}")
    if padded:
        array = array[array >= 0]
    indices = ak.to_numpy(ak.flatten(array)).astype(np.int64)
    if (indices < 0).any():
        raise ValueError(f"{what} has the vertex index {indices.min()}; a jagged partition must have none below 0")
    return ak.to_numpy(ak.num(array)).astype(np.int64), indices


def _require_equal_padding(truth: NDArray[Any], reconstructed: NDArray[Any]) -> None:
    same = truth.shape == reconstructed.shape
    if not same or not np.array_equal(truth < 0, reconstructed < 0):
        shapes = f"{truth.shape}, {reconstructed.shape}"
        where = f"of jet {np.argwhere((truth < 0) != (reconstructed < 0))[0, 0]}" if same else shapes
        raise ValueError(f"padded truth and reconstructed must have their tracks in the same places, not {where}")


def _pairs_of_groups(owner: Integers, one: Integers, other: Integers, jets: int) -> Integers:
    """Pairs of tracks of each jet (n,) with equal labels."""
    if not len(owner):
        return np.zeros(jets, dtype=np.int64)
    order = np.lexsort((other, one, owner))
    owner, one, other = owner[order], one[order], other[order]
    new = (np.diff(owner) != 0) | (np.diff(one) != 0) | (np.diff(other) != 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    size = np.diff(np.append(first, len(owner)))
    return np.bincount(owner[first], size * (size - 1) // 2, minlength=jets).astype(np.int64)
