"""Counts on a scale of unit variance: Poisson, and with more spread."""

import numpy as np
import pytest

from cortado.counts import LARGEST_DISPERSION, fit_dispersion, from_root, mean_root, root

RNG = np.random.default_rng(1)


def drawn(mean, dispersion, shape):
    """Negative-binomial counts: Poisson ones of a rate that is gamma-distributed."""
    spread = RNG.gamma(1 / dispersion, dispersion, shape) if dispersion else 1.0
    return RNG.poisson(mean * spread, shape)


@pytest.mark.parametrize("mean", [5.0, 30.0, 1000.0])
@pytest.mark.parametrize("dispersion", [0.0, 1e-3, 0.01, 0.1])
def test_roots_have_the_mean_that_is_said_and_width_1(mean, dispersion):
    roots = root(drawn(mean, dispersion, 200_000), dispersion)
    assert roots.mean() == pytest.approx(mean_root(mean, dispersion), abs=0.02)
    assert roots.std() == pytest.approx(1, abs=0.01)


def test_poisson_is_the_limit_of_no_dispersion():
    counts = np.array([0.0, 1.0, 7.0, 400.0])
    for function in (root, mean_root):
        np.testing.assert_allclose(function(counts, 1e-9), function(counts), rtol=1e-5)
        np.testing.assert_array_equal(function(counts, np.zeros(4)), function(counts))
    np.testing.assert_array_equal(root(counts), 2 * np.sqrt(counts + 0.375))


def test_each_count_may_have_its_own_dispersion():
    counts, wide = np.array([3.0, 3.0, 90.0]), np.array([0.0, 0.2, 0.01])
    for function in (root, mean_root, from_root):
        each = [float(function(n, d)) for n, d in zip(counts, wide)]
        np.testing.assert_allclose(function(counts, wide), each)


@pytest.mark.parametrize("dispersion", [0.0, 0.01, 0.1, 0.5])
def test_the_inverse_gives_the_mean_back(dispersion):
    means = np.array([0.0, 0.01, 0.3, 3.0, 20.0, 300.0, 5000.0])
    np.testing.assert_allclose(from_root(mean_root(means, dispersion), dispersion), means, rtol=1e-4, atol=1e-4)
    assert from_root(-5.0, dispersion) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("dispersion", [0.001, 0.02, 0.2])
def test_a_dispersion_is_found_again(dispersion):
    mean = np.linspace(20, 2000, 300)
    counts = drawn(mean, dispersion, (400, 300))
    means = np.broadcast_to(mean, counts.shape)
    one = fit_dispersion(counts.ravel(), means.ravel(), counts.size)
    # The variance of the squared residuals of 120,000 counts is 2 of each, and a little more.
    assert one == pytest.approx(dispersion, rel=0.04)
    each = fit_dispersion(counts, means, np.full(300, 400))
    assert each.shape == (300,)
    assert np.median(each) == pytest.approx(dispersion, rel=0.05)


def test_the_fitted_dispersion_is_where_the_residuals_are_as_they_should_be():
    counts, mean = drawn(50.0, 0.1, (500, 3)), np.full((500, 3), 50.0)
    fitted = fit_dispersion(counts, mean, np.full(3, 500.0))
    squares = np.square(counts - mean) / (mean + fitted * mean**2)
    np.testing.assert_allclose(squares.sum(axis=0), 500, rtol=1e-6)


def test_counts_that_are_as_narrow_as_poisson_ones_have_none_and_wide_ones_the_most():
    assert fit_dispersion(np.full(50, 30.0), np.full(50, 30.0), np.array(50.0)) == 0
    assert fit_dispersion([0.0, 900.0], [30.0, 30.0], 2.0) == pytest.approx(LARGEST_DISPERSION)
