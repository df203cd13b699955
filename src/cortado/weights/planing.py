"""Planing: weights that take from a training what it could learn from one number, such as the mass."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.statistics import require_finite
from cortado.weights.target_distributions import TargetDistribution

__all__ = ["planing_weights"]

Floats = NDArray[np.float64]


def planing_weights(
    values: ArrayLike, edges: ArrayLike, *, like: ArrayLike | None = None, weights: ArrayLike | None = None
) -> Floats:
    """Weights, on average 1, that make the distribution of a number flat, or that of another sample.

    As `training.Balance` does in a study; this is for arrays, and for a target other than flat.

    Args:
        values: The number of each event, such as its mass, shape (n,).
        edges: Of the bins within which the distribution is taken. Every event must lie in one; the upper edge belongs
            to the last.
        like: The number of each event of the other sample, shape (m,); flat in the number if not given.
        weights: Weights that the events have already, shape (n,), for a flat target; those returned are to be
            multiplied with them.
    Returns:
        Weights, shape (n,).
    Raises:
        ValueError: If values are outside of the bins or not finite, or edges do not rise; as
            `TargetDistribution.of`.
    References:
        Chang, Cohen, Ostdiek, What is the machine learning? (2017), arXiv:1709.10106.
    """
    number, bins = unmasked(values, np.float64), unmasked(edges, np.float64)
    require_finite("values", number)
    if len(bins) < 2 or not np.all(np.diff(bins) > 0):
        raise ValueError(f"edges must be two or more rising numbers, got {bins.tolist()}")
    if outside := int(((number < bins[0]) | (number > bins[-1])).sum()):
        raise ValueError(
            f"{outside} of {len(number)} values, from {number.min():g} to {number.max():g}, are outside of the bins, "
            f"{bins[0]:g} to {bins[-1]:g}: widen the edges or select"
        )
    if like is not None:
        if weights is not None:
            raise ValueError("weights are for a flat target: a sample to be like has none")
        ratio = TargetDistribution.of(number, like, bins)(number).nominal
        return unmasked(ratio / ratio.mean())
    given = np.ones(len(number)) if weights is None else unmasked(weights, np.float64)
    index = np.minimum(np.searchsorted(bins, number, side="right") - 1, len(bins) - 2)
    content = np.bincount(index, given, len(bins) - 1)
    if empty := int((content[index] <= 0).sum()):
        raise ValueError(f"{empty} of {len(number)} values are in bins whose weights sum to no positive number")
    flat = np.diff(bins)[index] / content[index]
    return unmasked(flat / ((flat * given).sum() / given.sum()))
