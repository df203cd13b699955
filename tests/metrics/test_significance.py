"""Significance improvement: slow twins, laws, errors against repeated samples."""

import math

import numpy as np
import pytest

from cortado import metrics


def sample(seed=1, signal=500, background=4000, shift=1.5):
    rng = np.random.default_rng(seed)
    label = np.repeat([1, 0], [signal, background])
    return label, np.round(rng.normal(size=len(label)) + shift * label, 2)


def twin(label, score, floor):
    """Thresholds one by one."""
    points = []
    for threshold in np.unique(score):
        passed = score >= threshold
        background = np.sum(passed & (label == 0))
        if background >= floor:
            signal = np.sum(passed & (label == 1)) / np.sum(label == 1)
            points.append((threshold, signal / math.sqrt(background / np.sum(label == 0))))
    return np.array(points)


@pytest.mark.parametrize("floor", [1, 25, 4000])
def test_the_curve_is_that_of_counting(floor):
    label, score = sample()
    curve = metrics.significance_improvement(label, score, floor=floor)
    np.testing.assert_allclose(np.stack([curve.thresholds, curve.improvement], axis=1), twin(label, score, floor))
    assert curve.best.value == curve.improvement.max()
    assert np.all(curve.background_efficiency * 4000 >= floor - 1e-6)


def test_no_cut_improves_nothing():
    label, score = sample()
    curve = metrics.significance_improvement(label, score, floor=4000)
    assert curve.improvement[0] == pytest.approx(1)
    assert curve.best.value == pytest.approx(1)


def test_a_score_without_information_gives_the_root_of_its_efficiency():
    label, score = sample(signal=20_000, background=20_000, shift=0)
    curve = metrics.significance_improvement(label, score, floor=1000)
    np.testing.assert_allclose(curve.improvement, np.sqrt(curve.background_efficiency), atol=0.02)


def test_it_depends_on_the_order_of_scores_alone():
    label, score = sample()
    plain, other = (metrics.significance_improvement(label, values) for values in (score, np.exp(3 * score)))
    np.testing.assert_allclose(plain.improvement, other.improvement)
    assert plain.best == other.best


def test_equal_weights_are_none():
    label, score = sample()
    plain, weighted = (metrics.significance_improvement(label, score, w) for w in (None, np.full(len(label), 3.0)))
    np.testing.assert_allclose(plain.improvement, weighted.improvement)
    assert plain.best.error == pytest.approx(weighted.best.error)


def test_weighted_events_reach_the_floor_by_their_effective_number():
    """Background of weight 2 and 0 in turn is worth half as many events."""
    label, score = sample()
    weight = np.where(label == 1, 1.0, 2.0 * (np.arange(len(label)) % 2))
    curve = metrics.significance_improvement(label, score, weight, floor=25)
    chosen = (label == 1) | (weight > 0)
    plain = metrics.significance_improvement(label[chosen], score[chosen], floor=25)
    assert curve.best.value == pytest.approx(plain.best.value)
    assert curve.best.error == pytest.approx(plain.best.error)


def test_errors_are_the_spread_of_samples():
    """Of the improvement at a fixed threshold."""
    values, errors = [], []
    for seed in range(300):
        label, score = sample(seed, signal=300, background=3000)
        curve = metrics.significance_improvement(label, score)
        index = np.searchsorted(curve.thresholds, 1.5)
        values.append(curve.improvement[index])
        errors.append(curve.error[index])
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_at_a_background_efficiency_the_threshold_is_the_loosest_that_keeps_it():
    label, score = sample()
    at = metrics.significance_improvement_at(metrics.roc(label, score), 0.01)
    allowed = [t for t in np.unique(score) if np.mean(score[label == 0] >= t) <= 0.01]
    passed = score >= min(allowed)
    background, signal = np.mean(passed[label == 0]), np.mean(passed[label == 1])
    assert at.value == pytest.approx(signal / math.sqrt(background))
    assert 0 < at.error < at.value


def test_a_cut_that_keeps_no_background_has_no_improvement():
    label, score = sample()
    score[label == 1] = 9.0
    assert math.isnan(metrics.significance_improvement_at(metrics.roc(label, score), 1e-4).value)


def test_it_says_its_floor():
    label, score = sample()
    assert str(metrics.significance_improvement(label, score)).endswith("(at least 25 background events)")


@pytest.mark.parametrize("floor", [0, -1, math.nan])
def test_a_floor_below_one_is_refused(floor):
    with pytest.raises(ValueError, match=r"floor = .*: at least 1 background event must pass"):
        metrics.significance_improvement(*sample(), floor=floor)


def test_too_few_background_events_are_refused():
    with pytest.raises(ValueError, match="floor = 5000, but there are 4000 background events in all"):
        metrics.significance_improvement(*sample(), floor=5000)


@pytest.mark.parametrize("efficiency", [0, 1.5, math.nan])
def test_a_background_efficiency_out_of_range_is_refused(efficiency):
    with pytest.raises(ValueError, match="is out of range"):
        metrics.significance_improvement_at(metrics.roc(*sample()), efficiency)
