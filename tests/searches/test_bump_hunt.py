"""The bump hunt: p-values of background alone are uniform, what is injected is found, units do not matter."""

import numpy as np
import pytest
from scipy import stats
from search_spectra import BACKGROUND, EDGES, FUNCTION, SHAPE, background_only, with_signal

from cortado.searches import DijetFunction, SignalShape, bump_hunt, excess, fit_background
from cortado.searches.windows import windows

HUNT = {"function": FUNCTION, "shape": SHAPE}
FEW = {**HUNT, "widths": (3.0,)}


def test_global_p_values_of_background_alone_are_uniform():
    """40 pseudo-experiments; `benchmarks/bump_hunt.py` does 200 with four parameters."""
    found = [
        bump_hunt(each, EDGES, **FEW, toys=59, seed=seed).global_p.value
        for seed, each in enumerate(background_only(40, seed=11))
    ]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("mass", [2600, 3500, 4000])
def test_an_injected_peak_is_found_within_two_resolutions(mass):
    background = BACKGROUND[np.searchsorted(EDGES, mass) - 1]
    events = 12 * np.sqrt(background * SHAPE.width(mass) / 50) + 15
    for seed in range(3):
        found = bump_hunt(with_signal(events, mass, seed), EDGES, **HUNT, toys=39)
        assert abs(found.mass - mass) < 2 * SHAPE.width(mass)
        assert found.global_p.value == pytest.approx(1 / 40)  # no toy is as improbable
        assert found.local_significance > 4


def test_the_result_says_what_is_in_the_most_improbable_window():
    counts = with_signal(120, 3500, seed=3)
    found = bump_hunt(counts, EDGES, **HUNT, toys=50)
    table = found.windows
    best = table.p_value.argmin()
    low, high = table.low[best], table.high[best]
    assert (found.mass, found.width) == ((low + high) / 2, high - low)
    assert found.local_p == table.p_value[best]
    inside = (EDGES[:-1] >= low) & (EDGES[1:] <= high)
    assert found.observed == counts[inside].sum()
    twin = fit_background(counts, EDGES, function=FUNCTION, window=(low, high)).prediction(inside)
    assert found.expected[:2] == pytest.approx(twin[:2], rel=1e-3)
    assert excess(found.observed, *twin[:2]).p_value == pytest.approx(found.local_p, rel=0.02)
    assert "local p" in str(found)
    assert "(50 toys)" in str(found)


def test_units_empty_outer_bins_and_repetition_do_not_matter():
    counts = with_signal(60, 3500, seed=4)
    reference = bump_hunt(counts, EDGES, **FEW, toys=50, seed=5)
    tev = bump_hunt(
        counts,
        EDGES / 1000,
        function=DijetFunction(collision_energy=13.0, parameters=3),
        shape=SHAPE,
        widths=(3.0,),
        toys=50,
        seed=5,
    )
    padded = bump_hunt(np.append([0, 0], counts), np.append([1000, 1500], EDGES), **FEW, toys=50, seed=5)
    above = bump_hunt(np.append(counts, [0, 0]), np.append(EDGES, [8000, 12_000]), **FEW, toys=50, seed=5)
    assert above.mass == reference.mass
    assert above.local_significance == pytest.approx(reference.local_significance, abs=0.15)
    again = bump_hunt(counts, EDGES, **FEW, toys=50, seed=5)
    assert tev.mass == pytest.approx(reference.mass / 1000)
    assert tev.local_p == pytest.approx(reference.local_p, rel=1e-3)
    for other in (padded, again):
        np.testing.assert_array_equal(other.windows.p_value, reference.windows.p_value)
        assert other.global_p == reference.global_p
    assert bump_hunt(counts, EDGES, **FEW, toys=50, seed=6).toys.max() != reference.toys.max()


def test_the_number_of_toys_sets_the_error_of_the_global_p_value():
    counts = background_only(1, seed=12)[0]
    few, many = (bump_hunt(counts, EDGES, **FEW, toys=toys, seed=1).global_p for toys in (100, 400))
    p = many.value
    assert many.error == pytest.approx(np.sqrt(p * (1 - p) / 400), rel=0.1)
    assert abs(few.value - p) < 4 * np.hypot(few.error, many.error)


def test_significance_of_an_excess_is_that_of_the_literature():
    """Without an error it is Poisson's; with one the Poisson probability averaged over a Gamma distribution."""
    observed, expected = np.array([0.0, 4, 12, 30]), np.array([3.0, 4.5, 4.0, 12.0])
    plain = excess(observed, expected, np.full(4, 1e-7)).p_value
    np.testing.assert_allclose(plain, stats.poisson.sf(observed - 1, expected), rtol=1e-4)
    drawn = np.random.default_rng(1).gamma(101.0, 0.3, 400_000)  # posterior of 100 events in a region 10 / 3 as large
    marginal = stats.poisson.sf(44, drawn)
    found = excess(np.array(45.0), np.array(30.0), np.array(3.0)).p_value
    assert found == pytest.approx(marginal.mean(), abs=5 * marginal.std() / np.sqrt(len(drawn)))


def test_on_off_problems_of_the_paper(monkeypatch):
    """Cousins et al., table 1."""
    on, off, tau, binomial, profile = np.array(
        [
            (4, 5, 5.0, 1.66, 1.95),
            (6, 18.78, 14.44, 2.63, 2.82),
            (9, 17.83, 4.69, 1.82, 1.99),
            (17, 40.11, 10.56, 4.46, 4.57),
            (50, 55, 2.0, 2.93, 3.02),
            (67, 15, 0.5, 2.89, 3.04),
            (200, 10, 0.1, 2.20, 2.38),
            (523, 2327, 5.99, 5.93, 5.95),
        ]
    ).T
    problem = on, off / tau, np.sqrt(off) / tau
    np.testing.assert_allclose(excess(*problem).significance, binomial, atol=0.006)
    monkeypatch.setattr("cortado.searches.windows._SMALLEST", 1.0)  # as if all were too small
    np.testing.assert_allclose(excess(*problem).significance, profile, atol=0.006)


def test_a_huge_excess_still_has_a_significance():
    p, z = excess(np.array([4000.0, 40_000, 60_000]), np.array([100.0] * 3), np.array([2.0] * 3))
    assert np.all(np.diff(z) > 0)
    assert z[1] > 37
    assert np.all(np.isfinite(z))
    assert p[0] < 1e-290
    near = excess(np.array([330.0]), np.array([100.0]), np.array([2.0]))
    assert near.p_value == pytest.approx(stats.norm.sf(near.significance), rel=1e-6)


def test_windows_have_sidebands_and_no_two_are_alike():
    found = windows(EDGES, SHAPE, (2.0, 3.0), 4)
    assert len(set(found)) == len(found)
    assert min(low for low, _ in found) == 4
    assert max(high for _, high in found) == 36
    assert all(low < high for low, high in windows(EDGES, SignalShape(resolution=1e-4), (1.0,), 3))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"toys": 0}, "toys is 0"),
        ({"widths": ()}, "widths are"),
        ({"widths": (-1.0,)}, "positive numbers of standard deviations"),
        ({"sidebands": 20}, "sidebands are missing"),
        ({"shape": SignalShape(resolution=0.9)}, "sidebands are missing"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        bump_hunt(BACKGROUND, EDGES, **{**HUNT, **options})


def test_a_signal_region_alone_is_refused():
    with pytest.raises(
        ValueError, match="has 3 bins on each side among 4 bins from 3300 to 3700: sidebands are missing"
    ):
        bump_hunt(BACKGROUND[13:17], EDGES[13:18], **HUNT)


@pytest.mark.parametrize("resolution", [0.0, 1.0, -0.1])
def test_a_shape_without_width_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution is"):
        SignalShape(resolution=resolution)


def test_parts_of_the_signal_sum_to_one():
    parts = SHAPE.parts(np.linspace(1000, 6000, 51), 3500)
    assert parts.sum() == pytest.approx(1)
    assert parts.argmax() in (24, 25)
