"""Weights to a target distribution: the weighted sample has it, and sums are conserved."""

import numpy as np
import pytest

from cortado.weights import TargetDistribution

EDGES = np.linspace(0, 100, 11)


def samples(seed=1):
    rng = np.random.default_rng(seed)
    return rng.poisson(40, 4000), rng.poisson(50, 6000)


def test_the_weighted_sample_has_the_target_distribution_and_its_own_sum():
    source, target = samples()
    weights = TargetDistribution.of(source, target, EDGES)(source)
    have = np.histogram(source, EDGES, weights=weights.nominal)[0]
    want = np.histogram(target, EDGES)[0] * len(source) / len(target)
    filled = np.histogram(source, EDGES)[0] > 0
    np.testing.assert_allclose(have[filled], want[filled], rtol=1e-12)
    assert weights.nominal.sum() == pytest.approx(len(source), rel=0.01)


def test_variations_lie_around_the_nominal_weight_and_are_not_negative():
    source, target = samples()
    weights = TargetDistribution.of(source, target, EDGES)(source)
    assert np.all(weights.up >= weights.nominal)
    assert np.all((weights.down <= weights.nominal) & (weights.down >= 0))


def test_what_lies_outside_weighs_as_the_nearest_bin():
    target = TargetDistribution(edges=(0.0, 1.0, 2.0), ratio=(0.5, 2.0), error=(0.1, 0.2))
    assert target([-3.0, 0.0, 0.99, 1.0, 2.0, 7.0]).nominal.tolist() == [0.5, 0.5, 0.5, 2.0, 2.0, 2.0]


def test_an_empty_bin_of_the_source_weighs_one():
    target = TargetDistribution.of([0.5], [0.5, 1.5], [0, 1, 2])
    assert target.ratio == (0.5, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TargetDistribution.of([], [1.0], [0, 2]), "the source has no events"),
        (lambda: TargetDistribution.of([], [], [0, 2]), "the source and the target has no events"),
        (lambda: TargetDistribution(edges=(1.0, 0.0), ratio=(1.0,), error=(0.0,)), "two or more rising numbers"),
        (lambda: TargetDistribution(edges=(0.0, 1.0), ratio=(), error=()), "1 bins need as many ratios and errors"),
    ],
)
def test_distributions_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()
