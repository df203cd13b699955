"""How far apart two histograms lie: separation power, and chi2 of weighted samples.

As in `distributions`, the first sample is the reference; its quantiles make the bins.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.distributions import Discrepancy, Sample, sample_of
from cortado.statistics import Estimate

__all__ = ["Chi2", "chi2_test", "separation_power"]

Floats = NDArray[np.float64]


class Chi2(NamedTuple):
    """Sum of squared differences over their variances, and the number of degrees of freedom."""

    chi2: float
    ndf: int

    @property
    def per_ndf(self) -> float:
        """About 1 for samples of one distribution; NaN where all entries lie in one bin."""
        return self.chi2 / self.ndf if self.ndf else math.nan

    @property
    def p_value(self) -> float:
        """How often samples of one distribution differ as much or more."""
        return float(scipy.special.chdtrc(self.ndf, self.chi2)) if self.ndf else math.nan

    def __str__(self) -> str:
        """As one writes it: "23.1 / 19 = 1.22"."""
        return f"{self.chi2:.1f} / {self.ndf} = {self.per_ndf:.2f}"


class _Bins(NamedTuple):
    """What of a sample of weight one is in each bin, shape (bins,) each."""

    fraction: Floats
    squares: Floats  # sum of squared weights
    variance: Floats  # of the fraction, as a part of a whole


def separation_power(
    reference: ArrayLike,
    other: ArrayLike,
    weights: ArrayLike | None = None,
    reference_weights: ArrayLike | None = None,
    *,
    bins: int | ArrayLike = 100,
) -> Discrepancy:
    r"""Separation power (triangular discrimination) of histograms, 0 if they agree, 1 if they do not overlap.

    :math:`\frac{1}{2} \sum_i (h_i - k_i)^2 / (h_i + k_i)` with :math:`\sum h_i = \sum k_i = 1`. What lies beyond the
    edges counts in two bins of its own, while the CaloChallenge leaves it out. The value is that of the samples as they
    are; among the same distribution it is the floor, for n showers each and b filled bins (b - 1) / 2n.

    Args:
        reference: Values of the reference, shape (n,).
        other: Values of the sample that is compared, shape (m,).
        weights: Weights of the latter, shape (m,), none of them negative.
        reference_weights: Weights of the reference, shape (n,).
        bins: Number of equal bins between the quantiles 0.001 and 0.999 of the (unweighted) reference, or the edges.
    Raises:
        ValueError: If shapes differ, a number is NaN or infinite, a weight is negative, a sample is empty, there is
            less than one bin, or edges do not ascend.
    References:
        Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611.
        Diefenbacher et al., DCTRGAN (2020), arXiv:2009.03796, eq. (15).
    """
    first, second = sample_of("reference", reference, reference_weights), sample_of("other", other, weights)
    edges = _equal_bins(first.values, bins) if isinstance(bins, int) else _ascending(bins)
    h, k = _filled(_histogram(first, edges), _histogram(second, edges))
    total, difference = h.fraction + k.fraction, h.fraction - k.fraction
    spread = (h.variance + k.variance) / total
    slopes = (difference * (one.fraction + 3 * another.fraction) / (2 * total**2) for one, another in ((h, k), (k, h)))
    linear = sum(one.squares @ (slope - one.fraction @ slope) ** 2 for one, slope in zip((h, k), slopes))
    # Of second order is what remains where the samples agree; the noise of the differences has it twice in `linear`.
    quadratic = float(np.sum(spread**2)) / 2
    error = math.sqrt(max(linear - quadratic, quadratic))
    return Discrepancy(Estimate(float(np.sum(difference**2 / total) / 2), error), float(np.sum(spread) / 2))


def chi2_test(
    reference: ArrayLike,
    other: ArrayLike,
    weights: ArrayLike | None = None,
    reference_weights: ArrayLike | None = None,
    *,
    bins: int = 20,
) -> Chi2:
    """Chi2 of two weighted histograms of free normalisation, in bins of equally many entries of the reference.

    Variances of the bins are sums of squared weights of both samples; the relative normalisation is fitted. A value
    that fills a whole bin alone (the zeros of an empty layer) has one of its own. Weights of the reference do not
    change the bins.

    Args:
        reference: Values of the reference, shape (n,).
        other: Values of the sample that is compared, shape (m,).
        weights: Weights of the latter, shape (m,), none of them negative.
        reference_weights: Weights of the reference, shape (n,).
        bins: Number of bins; fewer where values repeat.
    Raises:
        ValueError: As `separation_power`.
    References:
        Gagunashvili, Comparison of weighted and unweighted histograms (2006), arXiv:physics/0605123.
    """
    first, second = sample_of("reference", reference, reference_weights), sample_of("other", other, weights)
    edges = _equal_populations(first.values, bins)
    h, k = _filled(_histogram(first, edges), _histogram(second, edges))
    variance, difference, mean = h.squares + k.squares, h.fraction - k.fraction, (h.fraction + k.fraction) / 2
    unfitted, pull, curvature = (np.sum(term / variance) for term in (difference**2, difference * mean, mean**2))
    return Chi2(float(unfitted - pull**2 / curvature), len(mean) - 1)


def _equal_bins(values: Floats, bins: int) -> Floats:
    if bins < 1:
        raise ValueError(f"there must be one bin or more, not {bins}")
    low, high = np.quantile(values, [0.001, 0.999])
    return np.linspace(low, high, bins + 1) if low < high else np.array([low, np.nextafter(low, np.inf)])


def _equal_populations(values: Floats, bins: int) -> Floats:
    """Edges between the bins; a value that is more than one quantile has a bin of its own."""
    if bins < 2:
        raise ValueError(f"there must be two bins or more, not {bins}")
    quantiles = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    alone = quantiles[1:][np.diff(quantiles) == 0]
    return np.unique(np.concatenate([quantiles, np.nextafter(alone, np.inf)]))


def _ascending(edges: ArrayLike) -> Floats:
    bounds = np.asarray(edges, dtype=np.float64)
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"edges must be two or more ascending numbers, got {bounds.tolist()}")
    return bounds


def _histogram(sample: Sample, edges: Floats) -> _Bins:
    """One bin more than there are edges: the first is below all of them, the last above."""
    place = np.searchsorted(edges, sample.values, side="right")
    columns = (np.bincount(place, weight, len(edges) + 1) for weight in (sample.weights, sample.weights**2))
    fraction, squares = (column.astype(np.float64) for column in columns)
    return _Bins(fraction, squares, squares * (1 - 2 * fraction) + fraction**2 * squares.sum())


def _filled(*histograms: _Bins) -> list[_Bins]:
    """Without the bins that are empty in all of them."""
    anywhere = np.any([histogram.fraction > 0 for histogram in histograms], axis=0)
    return [_Bins(*(column[anywhere] for column in histogram)) for histogram in histograms]
