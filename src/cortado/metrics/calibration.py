"""Do scores mean what they say: reliability curve and expected calibration error of weighted events."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.inputs import binary
from cortado.statistics import Estimate, proportion_error

__all__ = ["Reliability", "expected_calibration_error", "reliability"]

Floats = NDArray[np.float64]


class Reliability(NamedTuple):
    """Signal fraction found against score given, in bins of the score, each array of shape (bins,).

    Bins without events have NaN in all but `weight`.
    """

    score: Floats  # mean score of the bin
    fraction: Floats  # part of the bin's weight that is signal
    error: Floats  # of the fraction
    weight: Floats  # sum of weights


def reliability(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, bins: int = 10
) -> Reliability:
    """Signal fraction against mean score in equal bins of the score.

    The weights set the mixture of signal and background to which the scores are compared.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Probability of signal, shape (n,).
        weights: Weight of each event, shape (n,), none of them negative.
        bins: Number of bins between 0 and 1.
    Raises:
        ValueError: If a score is out of [0, 1] or the events are not fit for `classification.roc`.
    """
    events = binary(labels, scores, weights)
    if np.any((events.scores < 0) | (events.scores > 1)):
        low, high = events.scores.min(), events.scores.max()
        raise ValueError(f"scores span {low:g} to {high:g}; calibration needs probabilities in [0, 1]")
    index = np.minimum((events.scores * bins).astype(int), bins - 1)
    w, w2, signal = events.weights, events.weights**2, events.signal
    total, total_w2, scored, inside, inside_w2 = (
        np.bincount(index, column, minlength=bins) for column in (w, w2, w * events.scores, w * signal, w2 * signal)
    )
    filled = np.where(total > 0, total, np.nan)
    fraction, fraction_w2 = inside / filled, inside_w2 / np.where(total > 0, total_w2, np.nan)
    error = proportion_error(fraction, fraction_w2, filled**2 / total_w2)
    return Reliability(scored / filled, fraction, error, total.astype(np.float64))


def expected_calibration_error(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, bins: int = 10
) -> Estimate:
    """Mean distance of signal fraction and score over the bins of `reliability`, by weight.

    Being a mean of absolute values it is above zero even for perfectly calibrated scores, by about its own
    error.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Probability of signal, shape (n,).
        weights: Weight of each event, shape (n,), none of them negative.
        bins: Number of bins between 0 and 1.
    Raises:
        ValueError: If a score is out of [0, 1] or the events are not fit for `classification.roc`.
    References:
        Guo et al., On calibration of modern neural networks (2017), arXiv:1706.04599, eq. (3).
    """
    curve = reliability(labels, scores, weights, bins=bins)
    share = curve.weight / curve.weight.sum()
    distance = np.nansum(share * np.abs(curve.fraction - curve.score))
    return Estimate(float(distance), float(np.sqrt(np.nansum((share * curve.error) ** 2))))
