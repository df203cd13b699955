"""Wasserstein distance, means and widths: against scipy, closed forms, and repeated experiments."""

import math

import numpy as np
import pytest
from scipy import stats

from cortado.metrics import shape_difference, wasserstein_distance


def toy(n=300, seed=0):
    """Two samples that differ, with equal values among them, and weights of both."""
    rng = np.random.default_rng(seed)
    samples = rng.gamma(3, size=n).round(1), rng.gamma(3.4, size=n // 2).round(1)
    return *samples, *(rng.uniform(0.2, 3, len(sample)) for sample in samples)


def repeated(measure, second_shape, times=100):
    drawn = (np.random.default_rng(seed) for seed in range(times))
    return [measure(rng.gamma(3, size=1000), rng.gamma(second_shape, size=800)) for rng in drawn]


@pytest.mark.parametrize("weighted", [False, True])
def test_wasserstein_distance_is_that_of_scipy(weighted):
    reference, other, reference_weights, weights = toy()
    if not weighted:
        reference_weights, weights = np.ones(len(reference)), np.ones(len(other))
    width = math.sqrt(np.cov(reference, aweights=reference_weights, ddof=0))
    expected = stats.wasserstein_distance(reference, other, reference_weights, weights) / width
    comparison = wasserstein_distance(reference, other, weights, reference_weights)
    assert comparison.distance.value == pytest.approx(expected, rel=1e-12)


def test_wasserstein_distance_of_a_shift_is_the_shift():
    reference = np.random.default_rng(0).normal(3, 2, 500)
    distance = wasserstein_distance(reference, reference + 1).distance
    assert distance.value == pytest.approx(1 / reference.std())
    assert distance.error == pytest.approx(math.sqrt(2 / 500), rel=0.01)
    assert wasserstein_distance(reference, reference).distance == (0, 0, False, None, None)


def test_wasserstein_distance_of_one_distribution_is_the_floor():
    comparisons = repeated(wasserstein_distance, 3)
    values = np.array([each.distance.value for each in comparisons])
    assert np.mean([each.floor for each in comparisons]) == pytest.approx(values.mean(), rel=0.1)
    assert values.std() < np.mean([each.distance.error for each in comparisons]) < 1.6 * values.std()


def test_floor_of_normal_samples_is_the_closed_form():
    """The mean area between Brownian bridges: for normal ones the integral of sqrt(F (1 - F)) is 1.8096."""
    x = np.linspace(-8, 8, 100_001)
    area = np.trapezoid(np.sqrt(stats.norm.cdf(x) * stats.norm.sf(x)), x)
    rng = np.random.default_rng(0)
    comparison = wasserstein_distance(rng.normal(size=40_000), rng.normal(size=10_000), np.full(10_000, 3.0))
    assert comparison.floor == pytest.approx(math.sqrt(2 / math.pi * (1 / 40_000 + 1 / 10_000)) * area, rel=0.01)


def test_error_of_the_wasserstein_distance_is_its_spread():
    repeats = [each.distance for each in repeated(wasserstein_distance, 3.5)]
    assert np.mean([each.error for each in repeats]) == pytest.approx(np.std([each.value for each in repeats]), rel=0.2)


@pytest.mark.parametrize("second_shape", [3, 6])
@pytest.mark.parametrize("name", ["mean", "width", "shift"])
def test_errors_of_differences_are_their_spreads(name, second_shape):
    """Gamma distributions of shape k have mean k and width sqrt(k)."""
    differences = [getattr(each, name) for each in repeated(shape_difference, second_shape)]
    values = np.array([each.value for each in differences])
    exact = {"mean": second_shape / 3 - 1, "width": math.sqrt(second_shape / 3) - 1}
    exact["shift"] = (second_shape - 3) / math.sqrt(3)
    assert abs(values.mean() - exact[name]) < 4 * values.std() / math.sqrt(len(values))
    assert np.mean([each.error for each in differences]) == pytest.approx(values.std(), rel=0.2)


def test_differences_of_a_scaled_sample_are_the_scale():
    reference = np.random.default_rng(0).gamma(3, size=200)
    difference = shape_difference(reference, 1.02 * reference)
    assert (difference.mean.value, difference.width.value) == pytest.approx((0.02, 0.02))
    assert difference.shift.value == pytest.approx(0.02 * reference.mean() / reference.std())


def test_differences_of_weighted_samples_are_those_of_weighted_moments():
    reference, other, reference_weights, weights = toy()
    (mean, width), (other_mean, other_width) = (
        (np.average(x, weights=w), math.sqrt(np.cov(x, aweights=w, ddof=0)))
        for x, w in ((reference, reference_weights), (other, weights))
    )
    difference = shape_difference(reference, other, weights, reference_weights)
    assert difference.mean.value == pytest.approx(other_mean / mean - 1)
    assert difference.width.value == pytest.approx(other_width / width - 1)
    assert difference.shift.value == pytest.approx((other_mean - mean) / width)


@pytest.mark.parametrize("measure", [wasserstein_distance, shape_difference])
def test_order_common_scale_and_norm_of_the_weights_change_nothing(measure):
    reference, other, _, weights = toy()
    shuffled = np.random.default_rng(1).permutation(len(other))
    expected = measure(reference, other, weights)
    for measured in (
        measure(reference[::-1], other[shuffled], weights[shuffled]),
        measure(0.001 * reference, 0.001 * other, weights),
        measure(reference, other, 7 * weights),
    ):
        for one, another in zip(measured, expected):
            np.testing.assert_allclose(np.asarray(one, float), np.asarray(another, float), rtol=1e-9)


def test_a_mean_of_zero_has_no_relative_difference_but_a_shift():
    difference = shape_difference([-1.0, 1.0], [0.0, 1.0, 2.0])
    assert str(difference.mean) == "undefined"
    assert difference.shift.value == 1


def test_a_generator_without_spread_has_no_width():
    difference = shape_difference([1.0, 2.0, 3.0], [2.0, 2.0])
    assert difference.width == (-1, 0, False, None, None)
    assert difference.mean.value == 0


@pytest.mark.parametrize("measure", [wasserstein_distance, shape_difference])
def test_a_reference_without_spread_is_refused(measure):
    with pytest.raises(ValueError, match=r"all 3 values of the reference are 0.1: no width to compare with"):
        measure([0.1, 0.1, 0.1], [0.1, 0.2])
