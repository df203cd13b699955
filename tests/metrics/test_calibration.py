"""Calibration: scores that are probabilities, and scores that are not."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from cortado.metrics import expected_calibration_error, proportion, reliability


def toy(n=4000, seed=0):
    """Labels drawn with the scores as their probabilities."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    return (rng.random(n) < scores).astype(int), scores


def test_reliability_is_that_of_scikit_learn():
    labels, scores = toy()
    curve = reliability(labels, scores, bins=8)
    fraction, score = calibration_curve(labels, scores, n_bins=8)
    np.testing.assert_allclose(curve.fraction, fraction)
    np.testing.assert_allclose(curve.score, score)


def test_weighted_bins_are_weighted_means():
    labels, scores = toy(300)
    weights = np.random.default_rng(1).uniform(0.1, 2, 300)
    curve = reliability(labels, scores, weights, bins=5)
    inside = (scores >= 0.4) & (scores < 0.6)
    w, tagged = weights[inside], labels[inside] == 1
    expected = proportion(w[tagged].sum(), w[~tagged].sum(), (w[tagged] ** 2).sum(), (w[~tagged] ** 2).sum())
    assert (curve.fraction[2], curve.error[2]) == pytest.approx((expected.value, expected.error))
    assert curve.score[2] == pytest.approx(np.average(scores[inside], weights=w))
    assert curve.weight.sum() == pytest.approx(weights.sum())


def test_calibrated_scores_lie_on_the_diagonal():
    curve = reliability(*toy())
    pull = (curve.fraction - curve.score) / curve.error
    assert np.mean(pull**2) < 2.5
    error = expected_calibration_error(*toy())
    assert error.value < 4 * error.error


def test_expected_calibration_error_of_shifted_scores_is_the_shift():
    labels, scores = toy(20_000)
    error = expected_calibration_error(labels, 0.2 + 0.5 * scores)
    exact = np.mean(np.abs(0.2 - 0.5 * np.linspace(0, 1, 10_001)))
    assert abs(error.value - exact) < 4 * error.error


def test_empty_bins_are_undefined_and_do_not_count():
    curve = reliability([0, 1, 1], [0.05, 0.95, 1.0])
    assert np.isnan(curve.fraction[1:9]).all()
    assert curve.weight.tolist() == [1, *[0] * 8, 2]
    assert expected_calibration_error([0, 1, 1], [0.05, 0.95, 1.0]).value == pytest.approx((0.05 + 0.05 + 0.0) / 3)


@pytest.mark.parametrize("scores", [[-0.1, 0.5], [0.5, 1.1]])
def test_scores_that_are_no_probabilities_are_refused(scores):
    with pytest.raises(ValueError, match=r"calibration needs probabilities in \[0, 1\]"):
        reliability([0, 1], scores)
