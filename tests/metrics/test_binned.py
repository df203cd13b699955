"""Separation power and chi2: closed forms, slow twins, and what they do over many repeated experiments."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chi2 as chi2_distribution
from scipy.stats import chi2_contingency, norm

from cortado.metrics import Chi2, Discrepancy, Estimate, chi2_test, separation_power


def toy(n=400, seed=0):
    """Two samples that differ, and weights of the second."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, n), rng.normal(0.3, 1.2, n // 2), rng.uniform(0.2, 3, n // 2)


def slow_separation(reference, other, weights, edges):
    """Bin by bin, with the bins below and above all edges."""
    bounds, power = [-math.inf, *edges, math.inf], 0.0
    for low, high in pairwise(bounds):
        h = sum(low <= x < high for x in reference) / len(reference)
        k = sum(w for x, w in zip(other, weights) if low <= x < high) / sum(weights)
        power += (h - k) ** 2 / (h + k) / 2 if h + k else 0.0
    return power


def reweighted(seed, n=1000):
    """A normal sample, and another normal one with the weights that turn it into the first."""
    rng = np.random.default_rng(seed)
    other = rng.normal(0.3, 1.1, 2 * n)
    return rng.normal(0, 1, n), other, norm.pdf(other) / norm.pdf(other, 0.3, 1.1)


def same(seed, n=1000):
    """Two samples of one distribution, of different sizes."""
    rng = np.random.default_rng(seed)
    return rng.gamma(3, size=n), rng.gamma(3, size=n // 2), None


def with_zeros(seed, n=1000):
    """Energies of a layer that a third of the showers does not reach."""
    rng = np.random.default_rng(seed)
    return *(np.where(rng.random(m) < 0.3, 0, rng.exponential(size=m)) for m in (n, n // 2)), None


SAMPLES = {"one distribution": same, "reweighted": reweighted, "zeros": with_zeros}


@pytest.mark.parametrize("edges", [[-1.0, 0.0, 0.5, 2.0], [0.0, 10.0]])
def test_separation_power_is_that_of_the_slow_twin(edges):
    reference, other, weights = toy()
    reference, other = reference.round(1), other.round(1)  # some lie on the edges
    power = separation_power(reference, other, weights, bins=edges)
    assert power.distance.value == pytest.approx(slow_separation(reference, other, weights, edges), rel=1e-12)


def test_separation_power_of_known_histograms():
    assert separation_power([0.5, 1.5], [0.5, 1.5], bins=[0, 1, 2]).distance.value == 0
    assert separation_power([0.5], [1.5, 1.7], bins=[0, 1, 2]).distance.value == 1
    # h = (1/2, 1/2), k = (3/4, 1/4)
    known = ((1 / 16) / (5 / 4) + (1 / 16) / (3 / 4)) / 2
    assert separation_power([0, 1], [0, 0, 0, 1], bins=[0, 1, 2]).distance.value == pytest.approx(known)


def test_what_is_out_of_range_separates():
    assert separation_power([0.5, 0.5], [0.5, 7.0], bins=[0, 1]).distance.value == pytest.approx((0.25 / 1.5 + 0.5) / 2)


def test_separation_power_knows_no_first_and_second():
    reference, other, weights = toy()
    one = separation_power(reference, other, weights, bins=np.linspace(-3, 3, 20))
    another = separation_power(other, reference, reference_weights=weights, bins=np.linspace(-3, 3, 20))
    assert one.distance == pytest.approx(another.distance)
    assert one.floor == pytest.approx(another.floor)


@pytest.mark.parametrize("measure", [separation_power, chi2_test])
def test_order_scale_and_norm_of_the_weights_change_nothing(measure):
    reference, other, weights = toy()
    shuffled = np.random.default_rng(1).permutation(len(other))
    expected = measure(reference, other, weights)
    for measured in (
        measure(reference[::-1], other[shuffled], weights[shuffled]),
        measure(4 * reference - 8, 4 * other - 8, weights),
        measure(reference, other, 7 * weights),
    ):
        assert str(measured) == str(expected)


@pytest.mark.parametrize("name", SAMPLES)
def test_separation_power_of_one_distribution_is_the_floor_within_its_error(name):
    powers = [separation_power(*SAMPLES[name](seed), bins=30) for seed in range(100)]
    values = np.array([each.distance.value for each in powers])
    assert np.mean([each.floor for each in powers]) == pytest.approx(values.mean(), rel=0.08)
    assert np.mean([each.distance.error for each in powers]) == pytest.approx(values.std(), rel=0.25)


def test_floor_of_the_calochallenge():
    """About 4e-4 for the total energy: 100 bins, 121,000 showers each."""
    rng = np.random.default_rng(0)
    power = separation_power(*rng.uniform(0.5, 1.5, (2, 121_000)), bins=np.linspace(0.5, 1.5, 101))
    assert power.floor == pytest.approx(99 / 4 * 2 / 121_000, rel=1e-3)


def test_error_of_the_separation_power_of_different_samples_is_their_spread():
    drawn = (np.random.default_rng(seed) for seed in range(100))
    powers = [separation_power(rng.gamma(3, size=2000), rng.gamma(3.6, size=1500), bins=30).distance for rng in drawn]
    assert np.mean([each.error for each in powers]) == pytest.approx(np.std([each.value for each in powers]), rel=0.2)


@pytest.mark.parametrize("name", SAMPLES)
def test_chi2_of_one_distribution_is_distributed_like_one(name):
    tests = [chi2_test(*SAMPLES[name](seed)) for seed in range(120)]
    assert np.mean([each.per_ndf for each in tests]) == pytest.approx(1, abs=0.1)
    assert np.mean([each.p_value < 0.1 for each in tests]) == pytest.approx(0.1, abs=0.08)


def test_chi2_of_counts_is_close_to_that_of_the_contingency_table():
    rng = np.random.default_rng(0)
    reference, other = rng.normal(0, 1, 5000), rng.normal(0.05, 1, 5000)
    edges = np.quantile(reference, np.linspace(0, 1, 21)[1:-1])
    table = [np.bincount(np.searchsorted(edges, sample, side="right")) for sample in (reference, other)]
    expected = chi2_contingency(table)
    test = chi2_test(reference, other)
    assert test.ndf == expected.dof
    assert test.chi2 == pytest.approx(expected.statistic, rel=0.01)


def test_chi2_finds_a_shift():
    rng = np.random.default_rng(0)
    assert chi2_test(rng.normal(0, 1, 5000), rng.normal(0.1, 1, 5000)).p_value < 1e-3


def test_a_repeated_value_has_a_bin_of_its_own():
    """Layers without energy: a generator that gives each of them a little is found out."""
    rng = np.random.default_rng(0)
    reference, other = (np.where(rng.random(1000) < 0.3, 0, rng.random(1000)) for _ in range(2))
    assert chi2_test(reference, other, bins=10).p_value > 0.01
    assert chi2_test(reference, np.where(other == 0, 1e-9, other), bins=10).p_value < 1e-9


def test_constant_samples_have_nothing_to_compare():
    test = chi2_test(np.ones(10), np.ones(5))
    assert (test.chi2, test.ndf) == (0, 0)
    assert math.isnan(test.per_ndf)
    assert math.isnan(test.p_value)
    assert separation_power(np.ones(10), np.ones(5)).distance.value < 1e-30
    assert separation_power(np.ones(10), np.full(5, 1.5)).distance.value == 1


def test_as_one_writes_them():
    assert str(Chi2(23.14, 19)) == "23.1 / 19 = 1.22"
    assert Chi2(23.14, 19).p_value == pytest.approx(chi2_distribution.sf(23.14, 19))
    assert str(Discrepancy(Estimate(0.00311, 0.00042), 0.00052)) == "0.00311 ± 0.00042 (floor 0.00052)"


@pytest.mark.parametrize("measure", [separation_power, chi2_test])
def test_unfit_samples_are_refused(measure):
    with pytest.raises(ValueError, match=r"values of the other sample have shape \(2, 1\), needed is \(n,\)"):
        measure([1.0], [[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"1 of 2 values of the reference sample are not finite, .* at 1"):
        measure([1.0, np.nan], [1.0])
    with pytest.raises(ValueError, match="1 of 2 weights of the other sample are negative"):
        measure([1.0], [1.0, 2.0], [1.0, -1.0])
    with pytest.raises(ValueError, match="the reference sample has 0 entries, none of positive weight"):
        measure([], [1.0])
    with pytest.raises(ValueError, match=r"weights have shape \(1,\), needed is \(2,\)"):
        measure([1.0, 2.0], [1.0], reference_weights=[1.0])


def test_impossible_bins_are_refused():
    with pytest.raises(ValueError, match="one bin or more, not 0"):
        separation_power([1.0], [1.0], bins=0)
    with pytest.raises(ValueError, match=r"two or more ascending numbers, got \[1.0, 1.0\]"):
        separation_power([1.0], [1.0], bins=[1.0, 1.0])
    with pytest.raises(ValueError, match="two bins or more, not 1"):
        chi2_test([1.0], [1.0], bins=1)
