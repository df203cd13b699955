"""Fits of the background: a slow twin, pulls, units, the choice of the function, and spectra that cannot be fitted."""

from itertools import pairwise

import hist
import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import xlogy
from search_spectra import BACKGROUND, EDGES, FUNCTION, SHAPE, TRUTH, background_only, with_signal

from cortado.searches import (
    DijetFunction,
    choose_function,
    fit_background,
    fit_signal,
    goodness_of_fit,
    spectrum,
)
from cortado.searches.poisson import fit_poisson

EVERY = np.ones(40, bool)


def published(mass, values, energy=13_000.0):
    """The function as it is printed."""
    log_p0, p1, p2, p3, p4 = (*values, 0.0, 0.0)[:5]
    x = mass / energy
    return np.exp(log_p0) * (1 - x) ** p1 / x ** (p2 + p3 * np.log(x) + p4 * np.log(x) ** 2)


@pytest.mark.parametrize("values", [(-7.5, 8.0, 6.0), (-7.5, 8.0, 6.0, 0.3), (-7.5, 8.0, 6.0, 0.3, -0.1)])
def test_bins_hold_the_integral_of_the_published_function(values):
    function = DijetFunction(collision_energy=13_000.0, parameters=len(values))
    twin = [integrate.quad(published, *edges, args=(values,))[0] for edges in pairwise(EDGES)]
    np.testing.assert_allclose(function.expected(EDGES, values), twin, rtol=1e-7)
    np.testing.assert_allclose(function.density(EDGES, values), published(EDGES, values), rtol=1e-12)


@pytest.mark.parametrize("window", [None, (3000.0, 3800.0)])
def test_fit_equals_a_general_minimiser(window):
    counts = background_only(1, seed=1)[0]
    fit = fit_background(counts, EDGES, function=FUNCTION, window=window)
    used = EVERY if window is None else (EDGES[1:] <= window[0]) | (EDGES[:-1] >= window[1])
    np.testing.assert_array_equal(fit.fitted, used)

    def slow(values):
        mu = np.array([integrate.quad(published, *edges, args=(values,))[0] for edges in pairwise(EDGES)])
        return 2 * (mu - counts + xlogy(counts, counts / mu))[used].sum()

    twin = optimize.minimize(slow, TRUTH, method="Nelder-Mead", options={"maxiter": 700, "fatol": 1e-5, "xatol": 1e-4})
    assert slow(fit.values) == pytest.approx(fit.deviance, abs=1e-5)
    assert fit.deviance == pytest.approx(twin.fun, abs=2e-3)


def test_fits_together_are_those_one_by_one_in_any_order_and_from_any_start():
    counts = background_only(30, seed=2)
    design = FUNCTION.design(EDGES)
    together = fit_poisson(design, counts, EVERY)
    shuffled = np.random.default_rng(1).permutation(30)
    again = fit_poisson(design, counts[shuffled], EVERY, start=np.tile(TRUTH, (30, 1)))
    alone = [fit_poisson(design, each[None], EVERY) for each in counts]
    assert together.converged.all()
    np.testing.assert_allclose(again.expected, together.expected[shuffled], rtol=2e-3)
    np.testing.assert_allclose(np.concatenate([each.deviance for each in alone]), together.deviance, atol=1e-5)


def test_pulls_of_the_parameters_and_of_the_prediction_are_normal():
    counts = background_only(400, seed=3)
    used = EVERY.copy()
    used[10:18] = False
    fits = fit_poisson(FUNCTION.design(EDGES), counts, used)
    pulls = (fits.values[:, 1] - TRUTH[1]) / np.sqrt(fits.covariance[:, 1, 1])
    slope = fits.jacobian[:, 10:18].sum(axis=1)
    error = np.sqrt(np.einsum("tk,tkl,tl->t", slope, fits.covariance, slope))
    prediction = (fits.expected[:, 10:18].sum(axis=1) - BACKGROUND[10:18].sum()) / error
    for values in (pulls, prediction):
        assert abs(values.mean()) < 4 / np.sqrt(400)
        assert values.std() == pytest.approx(1, abs=4 / np.sqrt(800))


def test_prediction_of_one_bin_is_its_expectation():
    fit = fit_background(background_only(1, seed=4)[0], EDGES, function=FUNCTION)
    one = fit.prediction(slice(7, 8))
    assert one.value == pytest.approx(fit.expected[7])
    assert one.error == pytest.approx(fit.error[7])


def test_goodness_of_fit_is_uniform_and_small_for_a_wrong_function():
    """A chi-square where bins hold many events; by toys where they do not."""
    many = np.random.default_rng(5).poisson(200 * BACKGROUND, (300, 40)).astype(float)
    deviances = fit_poisson(FUNCTION.design(EDGES), many, EVERY).deviance
    assert stats.kstest(stats.chi2.sf(deviances, 37), "uniform").pvalue > 1e-3
    wavy = 20 * BACKGROUND * (1 + 0.4 * np.sin(EDGES[:-1] / 300))
    fit = fit_background(wavy, EDGES, function=FUNCTION)
    assert fit.p_value < 1e-4
    assert goodness_of_fit(fit, toys=200).value < 0.02
    true = fit_background(many[0], EDGES, function=FUNCTION)
    by_toys = goodness_of_fit(true, toys=400, seed=2)
    assert by_toys.value == pytest.approx(true.p_value, abs=0.1)
    assert by_toys == goodness_of_fit(true, toys=400, seed=2)
    few = [fit_background(each, EDGES, function=FUNCTION) for each in background_only(40, seed=6)]
    assert stats.kstest([goodness_of_fit(fit, toys=99).value for fit in few], "uniform").pvalue > 1e-3


def test_expectations_are_fitted_exactly_and_units_do_not_matter():
    fit = fit_background(BACKGROUND, EDGES, function=FUNCTION)
    np.testing.assert_allclose(fit.values, TRUTH, rtol=1e-3)
    assert fit.deviance < 1e-6
    counts = background_only(1, seed=7)[0]
    gev = fit_background(counts, EDGES, function=FUNCTION)
    tev = fit_background(counts, EDGES / 1000, function=DijetFunction(collision_energy=13.0, parameters=3))
    np.testing.assert_allclose(tev.expected, gev.expected, rtol=1e-5)
    assert tev.values[0] == pytest.approx(gev.values[0] + np.log(1000), rel=1e-4)


def test_empty_outer_bins_do_not_matter():
    """Not at all below the first event; above, by as much as the 0.15 events expected there."""
    counts = background_only(1, seed=8)[0]
    bare = fit_background(counts, EDGES, function=FUNCTION)
    below = fit_background(np.append([0, 0], counts), np.append([1000, 1500], EDGES), function=FUNCTION)
    np.testing.assert_array_equal(below.edges, bare.edges)
    assert below.deviance == bare.deviance
    above = fit_background(np.append(counts, [0, 0]), np.append(EDGES, [8000, 12_000]), function=FUNCTION)
    np.testing.assert_allclose(above.expected[:20], bare.expected[:20], rtol=0.015)
    assert above.expected[-1] < 0.02
    assert above.degrees == bare.degrees


def test_histograms_are_taken_and_what_flows_over_is_outside():
    histogram = hist.Hist(hist.axis.Variable(EDGES, name="mjj"), storage=hist.storage.Weight())
    rng = np.random.default_rng(1)
    masses = rng.exponential(700, 3000) + 1900
    histogram.fill(masses)
    counts = np.histogram(masses, EDGES)[0]
    np.testing.assert_array_equal(spectrum(histogram).counts, counts)
    ours, theirs = (fit_background(*given, function=FUNCTION) for given in ((histogram,), (counts, EDGES)))
    np.testing.assert_array_equal(ours.expected, theirs.expected)


def test_the_f_test_takes_no_parameter_too_many_and_none_too_few():
    """A test of size 0.05 takes one of 60 spectra too far more than 9 times in 0.2 % of cases."""
    asked = [
        choose_function(each, EDGES, collision_energy=13_000).function.parameters for each in background_only(60, 9)
    ]
    assert asked.count(3) >= 51
    truth = DijetFunction(collision_energy=13_000.0, parameters=4)
    bent = truth.expected(EDGES, (-7.5 + 11, 8.0 + 12.0, 6.0 - 16, -5.0))
    choice = choose_function(bent * 1e5 / bent.sum(), EDGES, collision_energy=13_000)
    assert choice.function.parameters == 4
    assert len(choice.fits) == 3
    assert len(choice.p_values) == 2


def test_the_signal_fit_finds_what_is_there():
    fits = [
        fit_signal(with_signal(120, 3500, seed), EDGES, function=FUNCTION, shape=SHAPE, mass=3500) for seed in range(40)
    ]
    pulls = np.array([(fit.events.value - 120) / fit.events.error for fit in fits])
    assert abs(pulls.mean()) < 4 / np.sqrt(40)
    assert 0.6 < pulls.std() < 1.5
    assert fits[0].significance == pytest.approx(fits[0].events.value / fits[0].events.error, rel=0.4)
    assert (fits[0].signal + fits[0].background).sum() == pytest.approx(fits[0].alone.counts.sum(), rel=1e-3)
    assert fits[0].alone.deviance > fits[0].significance ** 2


@pytest.mark.parametrize(
    "counts, edges, message",
    [
        ([1, 2], None, "without the edges"),
        ([1, 2], [1, 2], r"shape \(2,\), edges \(2,\)"),
        ([1, 2], [1, 3, 2], "edges must rise, but 3 is"),
        ([1, 2], [1, np.nan, 2], "1 of 3 edges are not finite"),
        ([1, np.inf], [1, 2, 3], "1 of 2 counts are not finite"),
        ([1, -2, -3], [1, 2, 3, 4], "2 of 3 counts are negative, the first is -2"),
        ([0, 0], [1, 2, 3], "all 2 bins from 1 to 3 are empty"),
        (
            [0, 5, 4, 3, 0],
            [1, 2, 3, 4, 5, 6],
            "only 3 of 4 fitted bins have events: too few for 3 parameters, needed are 4",
        ),
        ([0, 0, 5, 4, 3], [1, 2, 3, 4, 5, 6], "3 bins .*too few for 3 parameters: needed are 4"),
        ([9, 0, 0, 0, 0, 4], [1, 2, 3, 4, 5, 6, 7], "only 2 of 6 fitted bins have events"),
        ([5, 4, 3, 2], [1, 2, 3, 4, 13_001], r"mass of 13001 is out of \(0, 13000\)"),
    ],
)
def test_spectra_that_cannot_be_fitted_are_named(counts, edges, message):
    with pytest.raises(ValueError, match=message):
        fit_background(counts, edges, function=FUNCTION)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"window": (1900, 3000)}, "2000 to 6000, 0 lie below and 30 above it; needed are 3"),
        ({"window": (2000, 6000)}, "has no sidebands"),
        ({"window": (3000, 3000)}, "two rising masses"),
    ],
)
def test_a_window_without_sidebands_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        fit_background(BACKGROUND, EDGES, function=FUNCTION, **options)


def test_histograms_that_are_no_counts_are_named():
    axis = hist.axis.Regular(10, 2000, 6000, name="mjj")
    weighted = hist.Hist(axis, storage=hist.storage.Weight())
    weighted.fill([2100, 2200, 3000], weight=[2, 2, 1])
    with pytest.raises(ValueError, match="bin 0 holds 4 with variance 8"):
        fit_background(weighted, function=FUNCTION)
    with pytest.raises(ValueError, match="edges of its own"):
        spectrum(weighted, [1, 2])
    two = hist.Hist(axis, hist.axis.Regular(2, 0, 1, name="score"))
    with pytest.raises(ValueError, match=r"axes \['mjj', 'score'\]"):
        spectrum(two)


def test_functions_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="parameters is 6"):
        DijetFunction(collision_energy=13_000, parameters=6)
    with pytest.raises(ValueError, match="collision_energy is -1"):
        DijetFunction(collision_energy=-1)
    with pytest.raises(ValueError, match=r"candidates are \(4, 3\)"):
        choose_function(BACKGROUND, EDGES, collision_energy=13_000, candidates=(4, 3))


def test_a_fit_without_maximum_is_told(monkeypatch):
    monkeypatch.setattr("cortado.searches.poisson._STEPS", 1)
    with pytest.raises(RuntimeError, match="1 of 1 fits of 3 parameters found no maximum"):
        fit_background(background_only(1, seed=1)[0], EDGES, function=FUNCTION)
