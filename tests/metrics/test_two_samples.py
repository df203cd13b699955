"""Frechet and kernel physics distance: closed forms, slow twins, and samples of one distribution."""

import math

import numpy as np
import pytest
from scipy import linalg

from cortado.metrics import frechet_distance, frechet_physics_distance, kernel_physics_distance
from cortado.metrics.two_samples import _discrepancy

MIX = np.eye(4) + np.diag([0.5, 0.5, 0.5], k=1)  # correlates neighbouring features


def toy(n, seed, shift=0.0, scale=1.0):
    """Correlated normal features, shape (n, 4)."""
    return scale * np.random.default_rng(seed).normal(size=(n, 4)) @ MIX + shift


def scaled_distance(reference, shift, scale):
    """Of the distributions of `toy`, in units of the largest absolute values of the reference."""
    unit = np.abs(reference).max(axis=0)
    covariance = MIX.T @ MIX / np.outer(unit, unit)
    return frechet_distance(np.zeros(4), covariance, shift / unit, scale**2 * covariance)


def slow_discrepancy(first, second, degree):
    """Pair by pair, no entry with itself."""

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y)) / len(x) + 1) ** degree

    def mean(pairs):
        values = [kernel(x, y) for x, y in pairs]
        return sum(values) / len(values)

    within = [[(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j] for s in (first, second)]
    return mean(within[0]) + mean(within[1]) - 2 * mean([(x, y) for x in first for y in second])


def test_frechet_distance_is_that_of_the_matrix_root():
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(2, 5, 5))
    covariance, other = (root @ root.T for root in roots)
    shift = rng.normal(size=5)
    expected = shift @ shift + np.trace(covariance + other - 2 * linalg.sqrtm(covariance @ other).real)
    assert frechet_distance(np.zeros(5), covariance, shift, other) == pytest.approx(expected)
    assert frechet_distance(shift, other, np.zeros(5), covariance) == pytest.approx(expected)


def test_frechet_distance_of_independent_features_adds_up():
    widths, others = np.array([1.0, 2.0, 0.0]), np.array([1.5, 0.0, 0.0])
    distance = frechet_distance([0, 0, 1], np.diag(widths**2), [3, 0, 1], np.diag(others**2))
    assert distance == pytest.approx(9 + ((widths - others) ** 2).sum())


def test_frechet_distance_of_a_distribution_from_itself_is_zero():
    covariance = MIX.T @ MIX
    assert frechet_distance(np.ones(4), covariance, np.ones(4), covariance) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("distance", [frechet_physics_distance, kernel_physics_distance])
def test_samples_of_one_distribution_have_distance_zero_within_errors(distance):
    distances = [distance(toy(1000, seed), toy(800, 1000 + seed)) for seed in range(40)]
    values = np.array([each.value for each in distances])
    assert abs(values.mean()) < 3.5 * values.std() / math.sqrt(len(values))
    assert np.std([each.value / each.error for each in distances]) < 1.6


def test_frechet_physics_distance_is_that_of_the_distributions():
    pulls = []
    for seed in range(40):
        reference, other = toy(1000, seed), toy(800, 1000 + seed, 0.1, 1.1)
        distance = frechet_physics_distance(reference, other)
        pulls.append((distance.value - scaled_distance(reference, 0.1, 1.1)) / distance.error)
    assert abs(np.mean(pulls)) < 0.6
    assert 0.7 < np.std(pulls) < 1.4


def test_frechet_physics_distance_agrees_with_the_extrapolation_of_the_paper():
    """Distances of growing parts of the samples against 1 / n, whose line ends at infinite size."""
    reference, other = toy(20_000, 1), toy(20_000, 2, 0.1, 1.1)
    unit = np.abs(reference).max(axis=0)
    sizes, distances = [500, 1000, 2000, 4000], []
    for size in sizes:
        parts = [(reference[i : i + size] / unit, other[i : i + size] / unit) for i in range(0, 20_000, size)]
        moments = [[(sample.mean(axis=0), np.cov(sample, rowvar=False)) for sample in pair] for pair in parts]
        distances.append(np.mean([frechet_distance(*one, *another) for one, another in moments]))
    intercept = np.polyfit(1 / np.array(sizes), distances, 1)[1]
    distance = frechet_physics_distance(reference, other)
    assert distances[0] - intercept > 3 * distance.error  # so the line was needed
    assert abs(distance.value - intercept) < distance.error


@pytest.mark.parametrize("degree", [3, 4])
def test_discrepancy_is_that_of_all_pairs(degree):
    first, second = toy(130, 1), toy(110, 2, 0.5)  # more than a block of rows
    assert _discrepancy(first, second, degree) == pytest.approx(slow_discrepancy(first, second, degree))


def test_kernel_physics_distance_is_the_median_of_batches():
    reference, other = toy(400, 1), toy(400, 2, 0.3)
    unit = np.abs(reference).max(axis=0)
    rng = np.random.default_rng(5)
    dealt = [np.array_split(rng.permutation(400), 4) for _ in range(2)]
    values = [slow_discrepancy(reference[i][:30] / unit, other[j][:30] / unit, 4) for i, j in zip(*dealt)]
    distance = kernel_physics_distance(reference, other, batches=4, batch_size=30, seed=5)
    assert distance.value == pytest.approx(np.median(values))
    assert distance.error == pytest.approx(1.2533 * np.std(values, ddof=1) / 2, rel=1e-3)


@pytest.mark.parametrize("distance", [frechet_physics_distance, kernel_physics_distance])
def test_a_shift_is_found(distance):
    estimate = distance(toy(2000, 1), toy(2000, 2, 0.5))
    assert estimate.value > 5 * estimate.error


@pytest.mark.parametrize("distance", [frechet_physics_distance, kernel_physics_distance])
def test_units_and_features_that_never_vary_change_nothing_or_little(distance):
    reference, other = toy(500, 1), toy(400, 2, 0.2)
    units = np.array([1e-3, 1.0, -1.0, 1e6])
    expected = distance(reference, other)
    assert distance(reference * units, other * units) == pytest.approx(expected)
    padded = [np.column_stack([sample, np.zeros(len(sample))]) for sample in (reference, other)]
    assert math.isfinite(distance(*padded).value)
    if distance is frechet_physics_distance:
        assert distance(*padded) == pytest.approx(expected)


def test_sorted_showers_are_dealt_out_evenly():
    reference, other = toy(1000, 1), toy(1000, 2)
    in_order = [sample[np.argsort(sample[:, 0])] for sample in (reference, other)]
    distance, expected = frechet_physics_distance(*in_order), frechet_physics_distance(reference, other)
    assert abs(distance.value - expected.value) < expected.error


@pytest.mark.parametrize("distance", [frechet_physics_distance, kernel_physics_distance])
def test_unfit_samples_are_refused(distance):
    with pytest.raises(ValueError, match=r"with the same features, got \(100, 4\), \(100, 3\)"):
        distance(toy(100, 1), toy(100, 2)[:, :3])
    with pytest.raises(ValueError, match="1 of 100 entries of the other sample have NaN or infinity"):
        distance(toy(100, 1), np.where(np.arange(100)[:, None] == 7, np.nan, toy(100, 2)))
    with pytest.raises(ValueError, match=r"two entries of each sample, are needed; there are to be \d+ of 100 and 5"):
        distance(toy(100, 1), toy(5, 2))
