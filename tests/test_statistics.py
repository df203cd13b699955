"""Numbers with their uncertainties, proportions, effective sample sizes."""

import math

import numpy as np
import pytest

from cortado.statistics import (
    Estimate,
    Interval,
    clustered_proportion,
    effective_sample_size,
    interval_of,
    multiplicities,
    proportion,
    proportion_error,
    wilson_error,
)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.94512, 0.00123), "0.9451 ± 0.0012"),
        (Estimate(156.31, 14.2), "156 ± 14"),
        (Estimate(math.nan, math.nan), "undefined"),
        (Estimate(1.0, 0.0), "1 ± 0"),
        (Estimate(math.inf, math.nan), "inf ± nan"),
    ],
)
def test_estimates_print_as_one_writes_them(estimate, text):
    assert str(estimate) == text


def test_proportion_is_wilson():
    assert proportion(25, 75, 25, 75).value == 0.25
    expected = math.sqrt(0.25 * 0.75 / 100 + 0.25 / 100**2) / 1.01
    assert proportion(25, 75, 25, 75).error == pytest.approx(expected)
    assert proportion(0, 100, 0, 100).error == pytest.approx(0.5 / 101)
    assert proportion(7 * 25, 7 * 75, 49 * 25, 49 * 75) == pytest.approx(proportion(25, 75, 25, 75))
    assert str(proportion(0, 0, 0, 0)) == "undefined"


def test_proportion_error_of_many_is_that_of_each():
    inside, outside = np.array([25.0, 0.0, 7.0]), np.array([75.0, 100.0, 0.5])
    total = inside + outside
    errors = proportion_error(inside / total, inside / total, total)
    np.testing.assert_array_equal(errors, [proportion(x, y, x, y).error for x, y in zip(inside, outside)])
    np.testing.assert_allclose(errors, wilson_error(inside * outside / total**3, total), rtol=1e-14)


def test_effective_sample_size():
    assert effective_sample_size(np.full(10, 3.0)) == pytest.approx(10)
    assert effective_sample_size([1.0, 1.0, 0.0]) == pytest.approx(2)
    assert effective_sample_size([]) == 0
    with pytest.raises(ValueError, match="1 of 1 weights are not finite, the first is inf at 0"):
        effective_sample_size([np.inf])


def test_groups_are_drawn_as_often_as_there_are():
    drawn = multiplicities(7, 4000)
    assert drawn.shape == (4000, 7)
    assert set(drawn.sum(axis=1)) == {7}
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.06)


def test_a_proportion_of_groups_of_one_is_binomial():
    found = clustered_proportion(np.arange(400) < 100, np.arange(400), toys=4000)
    assert found.value == 0.25
    assert found.error == pytest.approx(math.sqrt(0.25 * 0.75 / 400), rel=0.05)


def test_groups_that_are_alike_count_as_one_object_each():
    once = clustered_proportion(np.arange(40) < 10, np.arange(40))
    many = clustered_proportion(np.repeat(np.arange(40) < 10, 25), np.repeat(np.arange(40), 25))
    assert many == once
    assert str(once) == f"0.250 ({once.low:.3f} to {once.high:.3f})"


def test_numbers_without_an_interval_are_refused():
    with pytest.raises(ValueError, match="objects of 1 groups have no interval"):
        clustered_proportion([True, False], [3, 3])
    with pytest.raises(ValueError, match="defined in 1 of 4 drawn samples, required: half"):
        interval_of(1.0, [1.0, np.nan, np.nan, np.nan])
    assert interval_of(1.0, [1.0, 1.0, np.nan]) == Interval(1.0, 0.0, 1.0, 1.0)
