"""Masses drawn from a fit, and fitted strengths."""

import sys

import numpy as np
import pytest
from scipy import optimize, stats
from search_spectra import BACKGROUND, EDGES, FUNCTION

from cortado.searches import Channel, draw_masses, fit_background, fit_strength, workspace

WINDOW = (3300.0, 3700.0)


@pytest.fixture(scope="module")
def fit():
    return fit_background(BACKGROUND * 100, EDGES, function=FUNCTION, window=WINDOW)


def test_masses_follow_the_fit_within_the_window(fit):
    masses = draw_masses(fit, 20_000, window=WINDOW, seed=1)
    assert WINDOW[0] <= masses.min() < masses.max() <= WINDOW[1]
    grid = np.linspace(*WINDOW, 20_001)
    density = FUNCTION.density(grid, fit.values)
    cumulative = np.append(0, np.cumsum((density[1:] + density[:-1]) / 2))
    twin = stats.kstest(masses, lambda mass: np.interp(mass, grid, cumulative / cumulative[-1]))
    assert twin.pvalue > 0.01
    np.testing.assert_array_equal(draw_masses(fit, 10, window=WINDOW, seed=1), masses[:10])
    assert len(draw_masses(fit, 0, window=WINDOW)) == 0


def test_senseless_draws_are_refused(fit):
    with pytest.raises(ValueError, match="number is -1"):
        draw_masses(fit, -1, window=WINDOW)
    for window in ((3700.0, 3300.0), (100.0, 3300.0)):
        with pytest.raises(ValueError, match=r"window is .*two rising masses from .*, as fitted"):
            draw_masses(fit, 1, window=window)


def channel(observed):
    nothing = np.empty((0, 2, 2))
    return Channel("one", np.array(observed), np.array([20.0, 30.0]), nothing, np.array([8.0, 2.0]), np.zeros(2), {})


def test_the_interval_of_a_strength_is_that_of_a_slow_twin():
    pytest.importorskip("pyhf")
    observed = np.array([31.0, 30.0])

    def deviance(strength):
        expected = np.array([20.0, 30.0]) + strength * np.array([8.0, 2.0])
        return 2 * (expected - observed * np.log(expected)).sum()

    best = optimize.minimize_scalar(deviance, bounds=(0, 10), method="bounded", options={"xatol": 1e-8})
    ends = [optimize.brentq(lambda x: deviance(x) - best.fun - 1, *ends) for ends in ((0, best.x), (best.x, 20))]
    found = fit_strength(workspace([channel(observed)]))
    np.testing.assert_allclose(found, [best.x, *ends], rtol=5e-3)
    assert str(found).startswith(f"{best.x:.2f} -")


def test_a_deficit_has_a_strength_of_nought():
    pytest.importorskip("pyhf")
    found = fit_strength(workspace([channel([10.0, 30.0])]))
    assert found.value == pytest.approx(0, abs=1e-3)
    assert found.low == 0
    assert found.high > 0.1


def test_without_pyhf_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyhf", None)
    with pytest.raises(ImportError, match="a fit of the strength needs pyhf, of the extra `fit`: pip install"):
        fit_strength({})
