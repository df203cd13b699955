"""Areas under ROC curves of objects that are alike in groups, such as the lumisections of runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.metrics.inputs import binary
from cortado.statistics import Interval, interval_of, multiplicities

__all__ = ["clustered_auc"]

Floats = NDArray[np.float64]


def clustered_auc(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, *, toys: int = 2000, seed: int = 1, level: float = 0.95
) -> Interval:
    """Area under the ROC curve, and its central interval by drawing groups anew (cluster bootstrap).

    The area is a sum over pairs of objects, so a sample in which group a is m_a times has the area
    m A m / ((m p) (m q)) with the matrix A of the ordered pairs of each two groups, and their numbers p and q of
    objects of label 1 and 0: no sample is sorted again.

    Args:
        labels: 1 or True for what is to be found, 0 or False for the others, shape (n,).
        scores: Larger for label 1, shape (n,).
        groups: What is alike, such as the run of each object, shape (n,); a group may have objects of both labels.
        toys: Drawn samples; those without one of the labels are left out.
        seed: Of the draws.
        level: Probability of the interval.
    Raises:
        ValueError: If the objects are not fit for `auc`, or those of a label come from one group.
    References:
        Obuchowski, Nonparametric analysis of clustered ROC curve data (1997), doi:10.2307/2533958.
    """
    objects = binary(labels, scores, None)
    _, group = np.unique(unmasked(groups), return_inverse=True)
    if len(group) != len(objects.scores):
        raise ValueError(f"{len(group)} groups for {len(objects.scores)} scores")
    many = int(group.max()) + 1
    signals = np.bincount(group[objects.signal], minlength=many).astype(np.float64)
    others = np.bincount(group[~objects.signal], minlength=many).astype(np.float64)
    for label, of_group in ((1, signals), (0, others)):
        if (holding := np.count_nonzero(of_group)) < 2:
            raise ValueError(f"objects of label {label} come from {holding} group, required: 2 or more for an interval")
    pairs = _ordered_pairs(objects.scores, objects.signal, group, many)
    drawn = multiplicities(many, toys, seed).astype(np.float64)
    with np.errstate(invalid="ignore"):
        areas = np.einsum("ta,ab,tb->t", drawn, pairs, drawn, optimize=True) / ((drawn @ signals) * (drawn @ others))
    return interval_of(pairs.sum() / (signals.sum() * others.sum()), areas, level)


def _ordered_pairs(scores: Floats, signal: NDArray[np.bool_], group: NDArray[np.int64], many: int) -> Floats:
    """Pairs of label 1 in group a above label 0 in group b, ties counted as a half, (many, many)."""
    order = np.argsort(scores[~signal], kind="stable")
    below = np.zeros((len(order) + 1, many))
    below[np.arange(1, len(order) + 1), group[~signal][order]] = 1
    below = below.cumsum(axis=0)
    ends = (np.searchsorted(scores[~signal][order], scores[signal], side) for side in ("left", "right"))
    each = sum(below[end] for end in ends) / 2
    pairs = np.zeros((many, many))
    np.add.at(pairs, group[signal], each)
    return pairs
