"""How far apart two samples of one quantity lie: Wasserstein distance, mean and width.

The first sample is the reference (simulated showers), the other one (generated showers) is compared with it. Both may
be weighted; weights count in errors by their squares. Only shapes are compared: each sample is scaled to one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.metrics.inputs import event_weights
from cortado.statistics import Estimate, effective_sample_size, require_finite

__all__ = [
    "Discrepancy",
    "Sample",
    "ShapeDifference",
    "sample_of",
    "shape_difference",
    "wasserstein_distance",
    "weighted_mean",
]

Floats = NDArray[np.float64]


class Discrepancy(NamedTuple):
    """A distance of two samples that is never negative, and its mean for samples like these of one distribution."""

    distance: Estimate
    floor: float

    def __str__(self) -> str:
        """As one writes it: "0.0031 ± 0.0004 (floor 0.0005)"."""
        return f"{self.distance} (floor {self.floor:.2g})"


class ShapeDifference(NamedTuple):
    """How mean and standard deviation differ from those of the reference.

    Attributes:
        mean: Relative difference of the means, 0.02 where that of the other sample is 2 % larger; for quantities that
            are not 0 on average.
        width: Relative difference of the standard deviations.
        shift: Difference of the means over the standard deviation of the reference; for all quantities.
    """

    mean: Estimate
    width: Estimate
    shift: Estimate


class Sample(NamedTuple):
    """Values, and weights that sum to one, of shape (n,) each."""

    values: Floats
    weights: Floats


def wasserstein_distance(
    reference: ArrayLike,
    other: ArrayLike,
    weights: ArrayLike | None = None,
    reference_weights: ArrayLike | None = None,
) -> Discrepancy:
    r"""Wasserstein-1 distance (earth mover's) over the standard deviation of the reference.

    The area between the cumulative distributions F and G. Its error is that of the mean of
    :math:`\int_x^\infty \mathrm{sign}(F - G)`; the floor is the mean area between Brownian bridges,
    :math:`\sqrt{2 / \pi} \int \sqrt{F (1 - F) (1/n + 1/m)}`. Near the floor the error is too large, by up to a half.

    Args:
        reference: Values of the reference, shape (n,).
        other: Values of the sample that is compared, shape (m,).
        weights: Weights of the latter, shape (m,), none of them negative.
        reference_weights: Weights of the reference, shape (n,).
    Raises:
        ValueError: As `separation_power`; if all values of the reference are equal.
    References:
        del Barrio, Gine, Matran, Central limit theorems for the Wasserstein distance between the empirical and the true
        distributions (1999), doi:10.1214/aop/1022677394.
    """
    first, second = sample_of("reference", reference, reference_weights), sample_of("other", other, weights)
    _require_width(first.values)
    width = _mean_and_width(first)[1].value
    places = np.unique(np.concatenate([first.values, second.values]))
    steps = np.diff(places)
    f, g = (_cumulative(sample, places)[:-1] for sample in (first, second))
    beyond = np.append(np.cumsum((np.sign(f - g) * steps)[::-1])[::-1], 0.0)
    errors = [
        weighted_mean(beyond[np.searchsorted(places, sample.values)], sample.weights).error
        for sample in (first, second)
    ]
    common = (f + g) / 2
    noise = sum(1 / effective_sample_size(sample.weights) for sample in (first, second))
    floor = math.sqrt(2 / math.pi * noise) * float(steps @ np.sqrt(common * (1 - common).clip(0.0)))
    return Discrepancy(Estimate(float(steps @ np.abs(f - g)) / width, math.hypot(*errors) / width), floor / width)


def shape_difference(
    reference: ArrayLike,
    other: ArrayLike,
    weights: ArrayLike | None = None,
    reference_weights: ArrayLike | None = None,
) -> ShapeDifference:
    """Differences of mean and standard deviation, with errors from both samples.

    Args:
        reference: Values of the reference, shape (n,).
        other: Values of the sample that is compared, shape (m,).
        weights: Weights of the latter, shape (m,), none of them negative.
        reference_weights: Weights of the reference, shape (n,).
    Returns:
        The differences; that of the means is undefined where the mean of the reference is 0.
    Raises:
        ValueError: As `separation_power`; if all values of the reference are equal.
    """
    first, second = sample_of("reference", reference, reference_weights), sample_of("other", other, weights)
    _require_width(first.values)
    (mean, width), (other_mean, other_width) = _mean_and_width(first), _mean_and_width(second)
    shift = (other_mean.value - mean.value) / width.value
    normal = (first.values - mean.value) / width.value
    slope = normal + shift * (normal**2 - 1) / 2  # of the shift, with the mean and the width of the reference
    shift_error = math.hypot(other_mean.error / width.value, weighted_mean(slope, first.weights).error)
    return ShapeDifference(_relative(mean, other_mean), _relative(width, other_width), Estimate(shift, shift_error))


def sample_of(what: str, values: ArrayLike, weights: ArrayLike | None) -> Sample:
    """A sample, checked; `what` names it in messages.

    Raises:
        ValueError: If a shape is not (n,), a number is NaN or infinite, a weight is negative, or none is positive.
    """
    array = unmasked(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values of the {what} sample have shape {array.shape}, needed is (n,)")
    require_finite(f"values of the {what} sample", array)
    weight = event_weights(weights, len(array))
    if negative := int((weight < 0).sum()):
        raise ValueError(f"{negative} of {len(weight)} weights of the {what} sample are negative")
    if not (total := weight.sum()) > 0:
        raise ValueError(f"the {what} sample has {len(array)} entries, none of positive weight")
    return Sample(array, weight / total)


def _cumulative(sample: Sample, places: Floats) -> Floats:
    """Part of the weight at or below each place."""
    cumulative: Floats = np.cumsum(np.bincount(np.searchsorted(places, sample.values), sample.weights, len(places)))
    return cumulative


def weighted_mean(values: Floats, weights: Floats) -> Estimate:
    """Mean and its error; the weights, of shape (n,) as the values, sum to one."""
    mean = float(weights @ values)
    return Estimate(mean, float(np.sqrt(weights**2 @ (values - mean) ** 2)))


def _mean_and_width(sample: Sample) -> tuple[Estimate, Estimate]:
    mean = weighted_mean(sample.values, sample.weights)
    square = weighted_mean((sample.values - mean.value) ** 2, sample.weights)
    width = math.sqrt(square.value)
    return mean, Estimate(width, square.error / (2 * width) if width else 0.0)


def _require_width(values: Floats) -> None:
    if values.min() == values.max():
        raise ValueError(f"all {len(values)} values of the reference are {values[0]:g}: no width to compare with")


def _relative(reference: Estimate, other: Estimate) -> Estimate:
    if reference.value == 0:
        return Estimate(math.nan, math.nan)
    ratio = other.value / reference.value
    return Estimate(ratio - 1, math.hypot(other.error, ratio * reference.error) / abs(reference.value))
