import numpy as np
import pytest
from scipy import stats

from cortado.weights import AlarmThreshold, alarm_threshold, binomial_interval, false_alarms


def test_the_threshold_is_the_order_statistic_of_conformal_prediction():
    point = alarm_threshold(np.random.default_rng(1).permutation(199.0 + np.arange(199)), 0.05)
    assert point.threshold == 199 + 190 - 1  # k = 0.95 * 200
    assert (point.name, point.n_good, point.effective) == ("5% false alarms", 199, 199)


def test_the_mean_rate_over_calibrations_is_the_stated_one():
    rng = np.random.default_rng(2)
    rates = [1 - alarm_threshold(rng.uniform(size=99), 0.1).threshold for _ in range(4000)]
    # Beta(10, 90)
    assert np.mean(rates) == pytest.approx(0.1, abs=4 * np.std(rates) / np.sqrt(4000))
    assert np.std(rates) == pytest.approx(stats.beta(10, 90).std(), rel=0.05)


def test_the_interval_holds_95_percent_of_the_calibrations():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(2000):
        point = alarm_threshold(rng.uniform(size=499), 0.02)
        inside += point.low < 1 - point.threshold < point.high
    assert inside / 2000 == pytest.approx(0.95, abs=0.02)


def test_false_alarms_hold_95_percent_of_what_is_seen():
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(2000):
        point = alarm_threshold(rng.normal(size=499), 0.02)
        expected = false_alarms(point, 300)
        inside += expected.low <= (rng.normal(size=300) > point.threshold).sum() <= expected.high
    assert expected.mean == pytest.approx(300 * 0.02)
    assert 0.94 < inside / 2000 < 0.99  # whole numbers: a little more


def test_groups_of_equal_objects_count_once():
    rng = np.random.default_rng(5)
    each = rng.normal(size=999)
    alone = alarm_threshold(each, 0.05)
    repeated = alarm_threshold(np.repeat(each, 10), 0.05, groups=np.repeat(np.arange(999), 10))
    assert repeated.n_good == 9990
    assert repeated.effective == pytest.approx(999, rel=0.02)
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high), rel=0.05)
    assert false_alarms(repeated, 10_000).high > false_alarms(alone, 10_000).mean


def test_false_alarms_of_groups_hold_what_is_seen():
    rng = np.random.default_rng(6)
    inside = 0
    for _ in range(500):
        scores, groups = np.repeat(rng.normal(size=400), 5), np.repeat(np.arange(400), 5)
        point = alarm_threshold(scores, 0.05, groups)
        expected = false_alarms(point, 500)
        inside += expected.low <= 5 * (rng.normal(size=100) > point.threshold).sum() <= expected.high
    assert 0.92 < inside / 500 < 1.0


def test_independent_groups_change_little():
    scores = np.random.default_rng(7).normal(size=5000)
    assert alarm_threshold(scores, 0.05, groups=np.arange(5000) // 10).effective > 3500


def test_equal_scores_are_no_alarm():
    point = alarm_threshold(np.repeat([1.0, 2.0], [900, 99]), 0.05)
    assert point.threshold == 2.0


def test_intervals_of_proportions_are_exact():
    low, high = binomial_interval(3, 40)
    assert stats.binom.sf(2, 40, low) == pytest.approx(0.025)
    assert stats.binom.cdf(3, 40, high) == pytest.approx(0.025)
    assert binomial_interval(0, 10)[0] == 0.0
    assert binomial_interval(10, 10)[1] == 1.0


def test_no_objects_give_no_alarms():
    assert false_alarms(alarm_threshold(np.arange(99.0), 0.1), 0) == (0.0, 0, 0)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_a_rate_is_a_rate(rate):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\)"):
        alarm_threshold(np.arange(100.0), rate)


def test_too_few_scores_say_how_many_are_needed():
    with pytest.raises(ValueError, match=r"98 good objects cannot give a rate of 0.01: at least 99 can"):
        alarm_threshold(np.arange(98.0), 0.01)
    assert isinstance(alarm_threshold(np.arange(99.0), 0.01), AlarmThreshold)


def test_scores_are_finite():
    with pytest.raises(ValueError, match="1 of 100 scores are not finite"):
        alarm_threshold(np.append(np.arange(99.0), np.nan), 0.1)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="number of objects must be at least 0, got -1"):
        false_alarms(alarm_threshold(np.arange(99.0), 0.1), -1)
    with pytest.raises(ValueError, match="5 of 4 is no proportion"):
        binomial_interval(5, 4)
