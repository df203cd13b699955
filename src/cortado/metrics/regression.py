"""Differences of measured and true numbers: where they are centred, and how wide they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.metrics.inputs import event_weights
from cortado.statistics import Estimate, effective_sample_size, proportion, require_finite

__all__ = ["Residuals", "coverage", "residuals", "weighted_quantiles"]

_ONE_SIGMA = (0.15865525393145707, 0.8413447460685429)


class Residuals(NamedTuple):
    """Centre and width of differences."""

    bias: Estimate  # median
    resolution: Estimate  # half the width of the central 68.3 %


def residuals(differences: ArrayLike, weights: ArrayLike | None = None) -> Residuals:
    """Bias and resolution, both by quantiles: a few far outliers do not move them.

    Errors are those of a normal distribution of the same width: sqrt(pi / 2) and 0.962 times the resolution over the
    root of the effective number of objects.

    Args:
        differences: Measured minus true, or a ratio or pull of them, shape (n,).
        weights: Shape (n,), not negative.
    Raises:
        ValueError: If there are none, or one is not finite.
    """
    values = unmasked(differences, np.float64)
    require_finite("differences", values)
    w = event_weights(weights, len(values))
    low, middle, high = weighted_quantiles(values, (_ONE_SIGMA[0], 0.5, _ONE_SIGMA[1]), w)
    width = (high - low) / 2
    error = width / np.sqrt(effective_sample_size(w))
    return Residuals(Estimate(middle, np.sqrt(np.pi / 2) * error), Estimate(width, 0.962 * error))


def coverage(inside: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Part of the objects whose true value lies inside of its interval; the error is Wilson's, see `proportion`.

    Args:
        inside: Boolean, shape (n,).
        weights: Shape (n,), not negative.
    """
    mask = unmasked(inside, dtype=bool)
    w = event_weights(weights, len(mask))
    return proportion(*(float(part.sum()) for part in (w[mask], w[~mask], w[mask] ** 2, w[~mask] ** 2)))


def weighted_quantiles(values: ArrayLike, levels: ArrayLike, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Quantiles of weighted values, shape (levels,): linear between the middles of the steps of their distribution.

    Args:
        values: Shape (n,), at least one.
        levels: In [0, 1].
        weights: Shape (n,), not negative.
    Raises:
        ValueError: If there are no values.
    """
    x = unmasked(values, np.float64)
    if not len(x):
        raise ValueError("quantiles of no values")
    w = np.ones(len(x)) if weights is None else unmasked(weights, np.float64)
    order = np.argsort(x, kind="stable")
    steps = np.cumsum(w[order])
    middles = (steps - w[order] / 2) / steps[-1]
    interpolated: NDArray[np.float64] = np.interp(unmasked(levels, np.float64), middles, x[order])
    return interpolated
