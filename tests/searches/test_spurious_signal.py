"""Spurious signal: none for a function that matches, one for a function that does not."""

import numpy as np
import pytest
from search_spectra import BACKGROUND, EDGES, FUNCTION, SHAPE, background_only

from cortado.searches import DijetFunction, fit_signal, spurious_signal

MASSES = (2700.0, 3500.0, 4300.0)
OPTIONS = {"function": FUNCTION, "shape": SHAPE, "masses": MASSES}


def test_a_matching_function_finds_no_signal():
    found = spurious_signal(background_only(200, seed=21), EDGES, **OPTIONS)
    assert np.all(np.abs(found.events) < 4 * found.error)
    assert np.all(np.abs(found.relative) < 0.35)
    assert found.pulls[:, 0].std() == pytest.approx(1, abs=0.2)


def test_the_expectation_itself_has_no_bias():
    found = spurious_signal(BACKGROUND, EDGES, **OPTIONS)
    np.testing.assert_allclose(found.events, 0, atol=0.02)
    np.testing.assert_array_equal(found.error, found.statistical)


def test_a_function_that_cannot_follow_finds_a_signal():
    hump = BACKGROUND + 200 * np.diff(EDGES) / 100 * np.exp(-(((EDGES[:-1] - 3500) / 400) ** 2) / 2) / 10
    found = spurious_signal(hump, EDGES, **OPTIONS)
    assert found.relative[1] > 1


def test_samples_together_are_those_one_by_one_in_any_order():
    samples = background_only(6, seed=22)
    samples[:, -3:] = 1  # one range for all
    found = spurious_signal(samples, EDGES, **OPTIONS)
    turned = spurious_signal(samples[::-1], EDGES, **OPTIONS)
    np.testing.assert_allclose(turned.fitted, found.fitted[::-1], atol=1e-2)
    alone = [fit_signal(each, EDGES, function=FUNCTION, shape=SHAPE, mass=3500.0).events for each in samples]
    np.testing.assert_allclose([each.value for each in alone], found.fitted[:, 1], atol=1e-2)
    np.testing.assert_allclose([each.error for each in alone], found.fitted_error[:, 1], rtol=1e-2)


def test_bad_samples_are_named():
    with pytest.raises(ValueError, match="signal at 9000 is outside"):
        spurious_signal(BACKGROUND, EDGES, **{**OPTIONS, "masses": 9000})
    with pytest.raises(ValueError, match="counts are negative"):
        spurious_signal(-BACKGROUND, EDGES, **OPTIONS)
    with pytest.raises(ValueError, match=r"samples have shape \(0, 40\)"):
        spurious_signal(np.empty((0, 40)), EDGES, **OPTIONS)
    few = {**OPTIONS, "function": DijetFunction(collision_energy=13_000, parameters=5), "masses": 2300}
    with pytest.raises(ValueError, match="too few for 6 parameters"):
        spurious_signal([5, 4, 3, 2, 1, 1], [2000, 2100, 2200, 2300, 2400, 2500, 2600], **few)
