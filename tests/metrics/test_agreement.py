"""Agreement in many quantities: counted, with the worst one and a p-value that does not depend on their number."""

import math

import numpy as np
import pytest

from cortado.metrics import Chi2, Closure, Estimate, ShapeDifference, agreement, chi2_test, closure


def difference(mean, width, shift):
    return ShapeDifference(*(Estimate(value, 0.01) for value in (mean, width, shift)))


def test_a_mean_may_differ_by_a_part_of_itself_or_of_the_width():
    differences = {
        "both": difference(0.01, 0.05, 0.01),
        "far in widths": difference(-0.01, -0.05, -0.5),
        "zero on average": difference(3.0, -0.3, 0.01),
        "undefined": difference(math.nan, 0.3, 0.01),
        "off": difference(-0.03, 0.2, -0.03),
    }
    assert agreement(differences)[:2] == (4, 2)
    assert agreement(differences, mean=0.04, width=0.25)[:2] == (5, 3)


def test_what_a_few_events_do_not_decide_is_counted_apart():
    differences = {
        "near": difference(0.005, 0.05, 0.5),
        "far": difference(0.5, 0.5, 0.5),
        "perhaps near": ShapeDifference(Estimate(0.01, 0.05), Estimate(0.2, 0.15), Estimate(0.5, 0.05)),
        "perhaps far": ShapeDifference(Estimate(0.03, 0.02), Estimate(0.08, 0.15), Estimate(0.5, 0.05)),
    }
    found = agreement(differences)
    assert found == (2, 2, 2, 2)
    assert found.cells() == {"means": "2 (2 open)", "widths": "2 (2 open)"}
    assert agreement({"near": differences["near"]}).cells() == {"means": "1", "widths": "1"}


def test_the_worst_has_two_degrees_of_freedom_or_more():
    tests = {"two values": Chi2(9.0, 1), "good": Chi2(9.0, 10), "bad": Chi2(32.0, 20), "constant": Chi2(0.0, 0)}
    summed = closure(tests)
    assert summed == (1, 3, 1.6, "bad", 3 * Chi2(9.0, 1).p_value)
    assert str(summed) == "1 (1.60)"
    assert closure(tests, limit=2.0).closed == 2
    assert closure({"two values": Chi2(9.0, 1)}).worst == "two values"


def test_p_values_of_one_distribution_are_seldom_small_however_many_quantities_there_are():
    rng = np.random.default_rng(1)
    quantities = [f"number {i}" for i in range(20)]
    small = 0
    for _ in range(200):
        first, second = ({name: rng.normal(size=300) for name in quantities} for _ in range(2))
        small += closure({name: chi2_test(first[name], second[name]) for name in quantities}).p_value < 0.1
    assert small < 0.1 * 200 + 3 * math.sqrt(0.1 * 0.9 * 200)


def test_without_degrees_of_freedom_there_is_no_closure():
    with pytest.raises(ValueError, match=r"none of 1 quantities has a chi2 with degrees of freedom: \['depth'\]"):
        closure({"depth": Chi2(0.0, 0)})


def test_more_than_ten_is_shown_without_digits():
    assert str(Closure(3, 30, 186.2, "ratio_0", 0.0)) == "3 (186)"
