"""ROC curve, area and rejection against scikit-learn, closed forms, slow twins and repeated experiments."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from cortado.metrics import Estimate, auc, background_at, rejection, rejection_at, roc
from cortado.statistics import effective_sample_size


def toy(n_signal, n_background, seed=0, separation=1.0, digits=None):
    """Gaussian scores of two classes, rounded to make ties if digits are given, and weights."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [n_signal, n_background])
    scores = rng.normal(separation * labels, 1.0)
    scores = scores if digits is None else scores.round(digits)
    return labels, scores, rng.uniform(0.2, 3.0, len(labels))


def slow_auc(labels, scores, weights):
    """Area and DeLong's error from all pairs, one at a time."""
    signal = [(s, w) for label, s, w in zip(labels, scores, weights) if label]
    background = [(s, w) for label, s, w in zip(labels, scores, weights) if not label]

    def win(a, b):
        return 1.0 if a > b else 0.5 if a == b else 0.0

    def total(events):
        return sum(w for _, w in events)

    placed_signal = [sum(win(s, b) * w for b, w in background) / total(background) for s, _ in signal]
    placed_background = [sum(win(s, b) * w for s, w in signal) / total(signal) for b, _ in background]
    area = sum(v * w for v, (_, w) in zip(placed_signal, signal)) / total(signal)
    variance = 0.0
    for placed, events in ((placed_signal, signal), (placed_background, background)):
        effective = total(events) ** 2 / sum(w * w for _, w in events)
        spread = sum((v - area) ** 2 * w * w for v, (_, w) in zip(placed, events)) / total(events) ** 2
        variance += spread * effective / (effective - 1)
    return area, math.sqrt(variance)


def slow_background_at(labels, scores, weights, efficiency):
    """Background efficiency of the tightest cut that keeps the signal efficiency, by trying every cut."""
    for cut in sorted(set(scores), reverse=True):
        passed = scores >= cut
        kept, mistagged = (weights[passed & (labels == c)].sum() / weights[labels == c].sum() for c in (1, 0))
        if kept >= efficiency - 1e-12:
            return mistagged
    raise AssertionError("no cut keeps everything")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("digits", [None, 1])
def test_auc_is_that_of_all_pairs(weighted, digits):
    labels, scores, weights = toy(60, 90, digits=digits)
    given = weights if weighted else None
    expected = slow_auc(labels, scores, weights if weighted else np.ones(150))
    assert auc(labels, scores, given)[:2] == pytest.approx(expected, rel=1e-12)
    assert auc(labels, scores, given).value == pytest.approx(roc_auc_score(labels, scores, sample_weight=given))


def test_auc_of_gaussians_is_the_closed_form():
    labels, scores, _ = toy(20_000, 20_000, separation=1.5)
    area = auc(labels, scores)
    exact = 0.5 * (1 + math.erf(1.5 / math.sqrt(2) / math.sqrt(2)))
    assert abs(area.value - exact) < 4 * area.error
    assert area.error == pytest.approx(0.0019, rel=0.1)


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_error_is_the_spread_of_the_bootstrap(weighted):
    labels, scores, weights = toy(150, 250, digits=1)
    weights = weights if weighted else np.ones(400)
    rng = np.random.default_rng(1)
    drawn = (np.concatenate([rng.integers(0, 150, 150), rng.integers(150, 400, 250)]) for _ in range(400))
    areas = [roc_auc_score(labels[i], scores[i], sample_weight=weights[i]) for i in drawn]
    assert auc(labels, scores, weights).error == pytest.approx(np.std(areas), rel=0.12)


def test_perfect_and_useless_scores():
    labels = np.repeat([1, 0], [10, 20])
    assert auc(labels, labels) == Estimate(1.0, 0.0)
    assert auc(labels, np.zeros(30)).value == 0.5
    assert auc(labels, -labels).value == 0.0


def test_auc_of_one_signal_event_has_no_error():
    area = auc([1, 0, 0], [0.5, 0.1, 0.7])
    assert area.value == 0.5
    assert math.isnan(area.error)


def test_order_and_monotonic_transforms_change_nothing():
    labels, scores, weights = toy(80, 120, digits=1)
    shuffled = np.random.default_rng(2).permutation(200)
    reference = roc(labels, scores, weights)
    for variant in (
        roc(labels[shuffled], scores[shuffled], weights[shuffled]),
        roc(labels, np.exp(3 * scores) - 7, weights),
        roc(labels.astype(bool), scores, 5 * weights),
    ):
        for name in set(reference._fields) - {"thresholds"}:
            ours, theirs = (np.asarray(getattr(each, name), float) for each in (variant, reference))
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15)


def test_flipped_scores_and_labels_change_nothing():
    labels, scores, weights = toy(80, 120, digits=1)
    assert auc(1 - labels, -scores, weights)[:2] == pytest.approx(auc(labels, scores, weights)[:2])


def test_whole_weights_are_repeated_events():
    labels, scores, _ = toy(50, 70, digits=1)
    counts = np.random.default_rng(3).integers(0, 4, 120)
    weighted, repeated = roc(labels, scores, counts), roc(np.repeat(labels, counts), np.repeat(scores, counts))
    np.testing.assert_array_equal(weighted.thresholds, repeated.thresholds)
    np.testing.assert_allclose(weighted.signal_efficiency, repeated.signal_efficiency)
    np.testing.assert_allclose(weighted.background_efficiency, repeated.background_efficiency)
    assert weighted.auc.value == pytest.approx(repeated.auc.value)
    assert rejection_at(weighted, 0.5).value == pytest.approx(rejection_at(repeated, 0.5).value)
    # the same event twice is not two events
    assert weighted.auc.error > repeated.auc.error
    assert weighted.n_signal == pytest.approx(effective_sample_size(counts[labels == 1].astype(float)))


def test_roc_errors_are_binomial():
    labels, scores, _ = toy(400, 600)
    curve = roc(labels, scores)
    middle = np.searchsorted(curve.signal_efficiency, 0.5)
    e = curve.background_efficiency[middle]
    assert (curve.n_signal, curve.n_background) == (400, 600)
    assert curve.background_error[middle] == pytest.approx(math.sqrt(e * (1 - e) / 600), rel=0.01)
    assert curve.signal_error[middle] == pytest.approx(math.sqrt(0.25 / 400), rel=0.01)
    assert curve.thresholds[0] == np.inf
    assert (curve.signal_efficiency[0], curve.background_efficiency[-1]) == (0, 1)


@pytest.mark.parametrize("digits", [None, 1, 0])
@pytest.mark.parametrize("efficiency", [0.01, 0.3, 0.5, 0.9, 1.0])
def test_rejection_is_that_of_the_tightest_cut(digits, efficiency):
    labels, scores, weights = toy(90, 300, digits=digits, separation=0.5)
    expected = slow_background_at(labels, scores, weights, efficiency)
    curve = roc(labels, scores, weights)
    assert float(background_at(curve, efficiency)[0]) == pytest.approx(expected, abs=1e-12)
    if expected:
        assert rejection(labels, scores, efficiency, weights).value == pytest.approx(1 / expected)


def test_rejection_error_is_the_spread_of_repeated_experiments():
    rejections = [rejection(*toy(300, 3000, seed=seed)[:2], 0.5) for seed in range(300)]
    spread = np.std([estimate.value for estimate in rejections])
    assert np.median([estimate.error for estimate in rejections]) == pytest.approx(spread, rel=0.15)
    # the binomial error of the background alone would be too small: the threshold moves too
    binomial = np.median([estimate.value**2 * math.sqrt(0.16 * 0.84 / 3000) for estimate in rejections])
    assert binomial < 0.6 * spread


@pytest.mark.parametrize("passing", [1, 3, 8])
def test_the_interval_of_a_rejection_holds_the_truth_as_often_as_it_says(passing):
    """Where a handful of background events pass, which value minus error to value plus error does not."""
    background, rng = 4000, np.random.default_rng(passing)
    truth, inside = background / passing, 0
    labels = np.repeat([1, 0], [20_000, background])
    for _ in range(300):
        signal, others = rng.random(20_000), rng.random(background)
        others = np.where(others < passing / background, 0.6 + rng.random(background) / 3, others / 4)
        # Half of the signal is above 0.5, and all of the background that passes, by far.
        estimate = rejection(labels, np.concatenate([signal, others]), 0.5)
        low, high = (estimate.value, math.inf) if estimate.lower_limit else (estimate.low, estimate.high)
        inside += low <= truth <= high
    assert inside / 300 > 0.68 - 3 * math.sqrt(0.68 * 0.32 / 300)


def test_the_interval_of_a_rejection_is_that_of_clopper_and_pearson():
    curve = roc(np.repeat([1, 0], [100_000, 1000]), np.concatenate([np.linspace(0, 1, 100_000), [0.9, *np.zeros(999)]]))
    estimate = rejection_at(curve, 0.5)
    tail = stats.norm.sf(1)
    low, high = stats.beta.ppf(tail, 1, 1000), stats.beta.isf(tail, 2, 999)
    assert (1 / estimate.high, 1 / estimate.low) == pytest.approx((low, high), rel=1e-6)
    assert estimate.value == pytest.approx(1000)
    assert str(estimate) == "1000 (303 to 5790)"


def test_a_rejection_of_many_events_is_shown_with_its_error():
    estimate = rejection(*toy(300, 3000)[:2], 0.5)
    assert estimate.low < estimate.value - 0.5 * estimate.error < estimate.value + 0.5 * estimate.error < estimate.high
    assert "±" in str(estimate)


def test_background_at_takes_many_efficiencies():
    curve = roc(*toy(200, 300))
    efficiencies = np.array([[0.2, 0.4], [0.6, 0.8]])
    values, errors = background_at(curve, efficiencies)
    assert values.shape == errors.shape == (2, 2)
    assert values[1, 0] == background_at(curve, 0.6)[0]
    assert np.all(np.diff(values.ravel()) > 0)


def test_no_background_left_gives_a_lower_limit():
    labels = np.repeat([1, 0], [100, 299])
    estimate = rejection(labels, labels + np.linspace(0, 0.1, 399), 0.5)
    assert estimate.lower_limit
    assert math.isnan(estimate.error)
    # of 299 events none passes: eps_B < 1 - 0.05^(1/299) at 95 %
    assert estimate.value == pytest.approx(1 / (1 - 0.05 ** (1 / 299)))
    assert (1 - 1 / estimate.value) ** 299 == pytest.approx(0.05)
    assert str(estimate) == "> 100 (95 % CL)"


def test_inputs_are_not_changed():
    arrays = toy(30, 40)
    copies = [array.copy() for array in arrays]
    roc(*arrays)
    rejection(arrays[0], arrays[1], 0.5, arrays[2])
    for array, copy in zip(arrays, copies):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("labels", "scores", "weights", "message"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], None, r"no background \(label 0\) events"),
        ([0, 0, 0], [0.1, 0.2, 0.3], None, r"no signal \(label 1\) events"),
        ([0, 0, 1], [0.1, 0.2, 0.3], [1, 1, 0], r"no signal .* positive weight"),
        ([], [], None, "no signal"),
        ([1, 0, 0], [0.1, np.nan, np.inf], None, "2 of 3 scores are not finite, the first is nan at 1"),
        ([1, 0, 2], [0.1, 0.2, 0.3], None, r"labels must be 0 or 1 .* \[2\]"),
        ([1, 0, np.nan], [0.1, 0.2, 0.3], None, "labels must be 0 or 1"),
        ([1, -1], [0.1, 0.2], None, r"\[-1\]"),
        ([[1, 0]], [[0.1, 0.2]], None, r"labels have shape \(1, 2\)"),
        ([1, 0], [0.1, 0.2, 0.3], None, r"scores have shape \(3,\), labels \(2,\)"),
        ([1, 0], [0.1, 0.2], [1.0], r"weights have shape \(1,\), needed is \(2,\)"),
        ([1, 0], [0.1, 0.2], [1.0, np.nan], "1 of 2 weights are not finite"),
        ([1, 0], [0.1, 0.2], [1.0, -1.0], r"weights of the 1 background \(label 0\) events sum up to -1"),
    ],
)
def test_unfit_events_are_refused(labels, scores, weights, message):
    for metric in (roc, auc):
        with pytest.raises(ValueError, match=message):
            metric(labels, scores, weights)


@pytest.mark.parametrize("efficiency", [0.0, -0.1, 1.01, np.nan])
def test_unfit_efficiencies_are_refused(efficiency):
    with pytest.raises(ValueError, match=r"must be in \(0, 1\]"):
        rejection(*toy(10, 10)[:2], efficiency)


def test_negative_weights_count_as_they_are():
    """An event of weight -1 takes away one of weight 1 with the same score."""
    rng = np.random.default_rng(4)
    labels, scores = rng.integers(0, 2, 400), rng.integers(0, 30, 400) / 30
    labels[:2] = 0, 1
    extra_labels, extra_scores = rng.integers(0, 2, 60), rng.integers(0, 30, 60) / 30
    every = np.concatenate([labels, extra_labels, extra_labels])
    said = np.concatenate([scores, extra_scores, extra_scores])
    weights = np.repeat([1.0, 1.0, -1.0], [400, 60, 60])
    plain, signed = roc(labels, scores), roc(every, said, weights)
    assert signed.auc.value == pytest.approx(plain.auc.value, abs=1e-12)
    assert signed.auc.error > plain.auc.error  # but they cost precision
    wanted = np.isin(signed.thresholds, plain.thresholds)
    np.testing.assert_allclose(signed.signal_efficiency[wanted], plain.signal_efficiency, atol=1e-12)
    for efficiency in (0.3, 0.5, 0.9):
        mine, theirs = (background_at(curve, efficiency)[0] for curve in (signed, plain))
        assert mine == pytest.approx(theirs, abs=1e-12)
