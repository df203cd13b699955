"""Counts on a scale on which their variance is 1: Poisson, or overdispersed (negative binomial).

A count of mean m has the variance m + d m^2, with the dispersion d, the square of the relative spread of what
it is that is counted; d = 0 is Poisson.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LARGEST_DISPERSION", "fit_dispersion", "from_root", "mean_root", "root"]

Floats = NDArray[np.float64]

LARGEST_DISPERSION = 0.5
"""Relative spread of 70 %: beyond it a count says next to nothing, and the scale has no variance of 1."""

_SHIFT = 0.375
_STEPS = 40  # halves of the range of dispersions
_NEWTON = 5


def root(counts: ArrayLike, dispersion: ArrayLike = 0.0) -> Floats:
    """Root of Anscombe, whose variance is 1 for means above about 4 and less below, any shape.

    2 sqrt(n + 3/8) for Poisson counts, 2 sqrt(k - 1/2) arsinh sqrt((n + 3/8) / (k - 3/4)) with k = 1/d for others.

    Args:
        counts: Of any shape, at least 0.
        dispersion: Broadcast to the counts, 0 to 0.5.

    References:
        Anscombe, The transformation of Poisson, binomial and negative-binomial data (1948), eqs. (2.1) and (3.3),
        doi:10.1093/biomet/35.3-4.246.
    """
    shifted, wide = np.asarray(counts, np.float64) + _SHIFT, np.asarray(dispersion, np.float64)
    poisson: Floats = 2 * np.sqrt(shifted)
    if not wide.any():
        return poisson
    scale, stretch = _scale(wide)
    return np.where(wide > 0, 2 * scale * np.arcsinh(np.sqrt(shifted / stretch)), poisson)


def mean_root(mean: ArrayLike, dispersion: ArrayLike = 0.0) -> Floats:
    """Mean of `root` for counts of a mean, to second order; right within 0.04 for Poisson counts of all means.

    Args:
        mean: Of any shape, at least 0.
        dispersion: Broadcast to the means, 0 to 0.5.
    """
    mu, wide = np.asarray(mean, np.float64), np.asarray(dispersion, np.float64)
    shifted = mu + _SHIFT
    poisson: Floats = 2 * np.sqrt(shifted) - 0.25 * mu / shifted**1.5
    if not wide.any():
        return poisson
    scale, stretch = _scale(wide)
    curvature = scale * (2 * shifted + stretch) / (shifted * (shifted + stretch)) ** 1.5
    return np.where(wide > 0, root(mu, wide) - 0.25 * curvature * (mu + wide * mu**2), poisson)


def from_root(roots: ArrayLike, dispersion: ArrayLike = 0.0) -> Floats:
    """Mean of the counts that have a mean root: the inverse of `mean_root`, by Newton's method; at least 0.

    Args:
        roots: Of any shape.
        dispersion: Broadcast to the roots, 0 to 0.5.
    """
    wide = np.asarray(dispersion, np.float64)
    above = np.maximum(roots, root(0.0, wide))
    means = np.square(above / 2)
    if wide.any():
        scale, stretch = _scale(wide)
        means = np.where(wide > 0, stretch * np.square(np.sinh(above / (2 * scale))), means)
    for _ in range(_NEWTON):
        step = 1e-4 * (1 + means)
        here = mean_root(means, wide)
        means = np.maximum(means + step * (above - here) / (mean_root(means + step, wide) - here), 0.0)
    return means


def fit_dispersion(counts: ArrayLike, means: ArrayLike, freedom: ArrayLike) -> Floats:
    """Dispersion with which the squared residuals, in units of their variance, add up to their degrees of freedom.

    0 if they add up to less: counts that are narrower than Poisson ones are taken as Poisson. At most 0.5.

    Args:
        counts: Of good maps, shape (n, ...).
        means: What they should be, shape (n, ...).
        freedom: Degrees of freedom, shape (...): n less what was fitted to them.
    """
    mu, degrees = np.asarray(means, np.float64), np.asarray(freedom, np.float64)
    square = np.square(np.asarray(counts, np.float64) - mu)
    low, high = np.zeros(mu.shape[1:]), np.full(mu.shape[1:], LARGEST_DISPERSION)

    def above(dispersion: Floats) -> NDArray[np.bool_]:
        variance = np.maximum(mu + dispersion * mu**2, 1e-300)
        summed = np.where(mu > 0, square / variance, 0.0).sum(axis=0)
        wide: NDArray[np.bool_] = summed > degrees
        return wide

    poisson = ~above(low)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        wide = above(middle)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return np.where(poisson, 0.0, high)


def _scale(dispersion: Floats) -> tuple[Floats, Floats]:
    """sqrt(k - 1/2) and k - 3/4 where there is a dispersion, 1 elsewhere."""
    k = 1 / np.where(dispersion > 0, dispersion, LARGEST_DISPERSION)
    return np.sqrt(k - 0.5), k - 0.75
