"""Two samples told apart by a classifier: known densities, calibration, and several seeds."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from cortado.metrics import (
    Estimate,
    auc,
    calibrate,
    jensen_shannon_divergence,
    repeated,
    separability,
)

SHIFT = 1.0


def toy(n, seed, shift=SHIFT):
    """Labels and values of two normal samples, the one of label 1 shifted."""
    labels = np.repeat([1, 0], [n, n])
    return labels, np.random.default_rng(seed).normal(shift * labels, 1.0)


def probability(values):
    """That of label 1 for values of `toy`, exactly."""
    return 1 / (1 + np.exp(-SHIFT * (values - SHIFT / 2)))


def divergence(shift=SHIFT):
    """Jensen-Shannon divergence of the densities of `toy` in bits, by integration."""

    def integrand(x):
        p, q = stats.norm.pdf(x, shift), stats.norm.pdf(x)
        return (p * math.log2(2 * p / (p + q)) + q * math.log2(2 * q / (p + q))) / 2

    return integrate.quad(integrand, -8, 9)[0]


def test_divergence_of_exact_probabilities_is_that_of_the_densities():
    jsds = [jensen_shannon_divergence(labels, probability(x)) for labels, x in (toy(1000, seed) for seed in range(60))]
    values = np.array([each.value for each in jsds])
    assert abs(values.mean() - divergence()) < 4 * values.std() / math.sqrt(60)
    assert np.mean([each.error for each in jsds]) == pytest.approx(values.std(), rel=0.2)


def test_divergence_is_one_minus_the_cross_entropy():
    labels, scores = [1, 1, 0, 0], [0.9, 0.6, 0.2, 0.5]
    entropy = -np.mean(np.log2([0.9, 0.6, 0.8, 0.5]))
    assert jensen_shannon_divergence(labels, scores).value == pytest.approx(1 - entropy)


def test_scores_that_know_nothing_see_no_difference():
    labels, _ = toy(100, 0)
    merits = separability(labels, np.full(200, 0.5))
    assert merits == (Estimate(0.5, 0.0), Estimate(0.0, 0.0))


def test_both_samples_count_alike_however_large_they_are():
    labels, x = toy(200, 0)
    twice = np.concatenate([np.arange(400), np.flatnonzero(labels == 0)])
    few, many = (
        jensen_shannon_divergence(labels, probability(x)),
        jensen_shannon_divergence(labels[twice], probability(x)[twice]),
    )
    assert many.value == pytest.approx(few.value)
    weighted = jensen_shannon_divergence(labels, probability(x), np.where(labels == 0, 7.0, 1.0))
    assert weighted == pytest.approx(few)


def test_calibrated_scores_are_probabilities():
    """The score is any rising function of the exact probability; three times as many events have label 0."""
    labels, x = toy(40_000, 1)
    kept = (labels == 0) | (np.arange(len(labels)) % 3 == 0)
    calibrated = calibrate(labels[kept], np.exp(3 * x[kept]), np.exp(3 * np.linspace(-1, 2, 50)))
    np.testing.assert_allclose(calibrated, probability(np.linspace(-1, 2, 50)), atol=0.05)
    assert (np.diff(calibrated) >= 0).all()


def test_calibration_stays_off_zero_and_one_and_accepts_scores_beyond():
    calibrated = calibrate([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [-5.0, 0.15, 0.85, 5.0])
    np.testing.assert_allclose(calibrated, [1e-6, 1e-6, 1 - 1e-6, 1 - 1e-6])


def test_weights_of_the_calibration_are_repeated_events():
    labels, x = toy(100, 2)
    counts = np.random.default_rng(0).integers(1, 4, 200)
    repeated_events = calibrate(np.repeat(labels, counts), np.repeat(x, counts), x)
    np.testing.assert_allclose(calibrate(labels, x, x, counts), repeated_events)


def test_separability_has_the_area_of_the_scores_and_the_divergence_of_calibrated_ones():
    (labels, x), (other_labels, other_x) = toy(20_000, 3), toy(20_000, 4)
    overconfident = [1 / (1 + np.exp(-5 * values)) for values in (x, other_x)]
    merits = separability(labels, overconfident[0], calibration=(other_labels, overconfident[1]))
    assert merits.auc == auc(labels, x)
    assert abs(merits.auc.value - stats.norm.cdf(SHIFT / math.sqrt(2))) < 4 * merits.auc.error
    assert abs(merits.jsd.value - divergence()) < 5 * merits.jsd.error
    assert separability(labels, overconfident[0]).jsd.value < 0
    assert str(merits).startswith("AUC 0.7")


def test_samples_of_one_distribution_cannot_be_told_apart():
    (labels, x), calibration = toy(3000, 5, shift=0.0), toy(3000, 6, shift=0.0)
    merits = separability(labels, x, calibration=calibration)
    assert abs(merits.auc.value - 0.5) < 4 * merits.auc.error
    assert abs(merits.jsd.value) < 0.02


def test_seeds_have_a_mean_a_spread_and_the_error_of_the_events():
    summary = repeated([Estimate(0.70, 0.01), Estimate(0.74, 0.01), Estimate(0.72, 0.01)])
    assert summary.mean.value == pytest.approx(0.72)
    assert summary.spread == pytest.approx(0.02)
    assert summary.mean.error == pytest.approx(math.hypot(0.01, 0.02 / math.sqrt(3)))
    assert str(summary) == "0.720 ± 0.015 (3 seeds, spread 0.02)"


def test_one_seed_has_the_error_of_the_events_and_no_spread():
    summary = repeated([Estimate(0.7, 0.01)])
    assert summary.mean == pytest.approx((0.7, 0.01, False, None, None))
    assert math.isnan(summary.spread)
    assert str(summary) == "0.700 ± 0.010 (1 seed, spread nan)"


def test_unfit_scores_are_refused():
    with pytest.raises(ValueError, match=r"2 of 3 scores, such as 0, are not within \(0, 1\)"):
        jensen_shannon_divergence([1, 0, 0], [0.5, 0.0, 1.5])
    with pytest.raises(ValueError, match="1 of 2 scores to calibrate are not finite"):
        calibrate([1, 0], [0.5, 0.1], [0.5, np.nan])
    with pytest.raises(ValueError, match=r"no signal \(label 1\) events"):
        calibrate([0, 0], [0.5, 0.1], [0.5])
    with pytest.raises(ValueError, match="no estimates to combine: one or more are needed"):
        repeated([])
