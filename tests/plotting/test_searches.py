"""Figures of searches: what is drawn is what fit and hunt say."""

import numpy as np
import pytest
from scipy import stats
from search_spectra import EDGES, FUNCTION, SHAPE, background_only, with_signal

from cortado import plotting
from cortado.searches import Limits, Strength, bump_hunt, fit_background, fit_signal


@pytest.fixture(scope="module")
def hunt():
    return bump_hunt(with_signal(70, 3500, seed=4), EDGES, function=FUNCTION, shape=SHAPE, toys=20)


def entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_spectrum_shows_counts_fit_signal_and_window(hunt, tmp_path):
    signal = fit_signal(hunt.background.counts, EDGES, function=FUNCTION, shape=SHAPE, mass=hunt.mass)
    figure, (ax, pulls) = plotting.mass_spectrum(hunt.background, bump=hunt, signal=signal)
    points = ax.lines[0].get_xydata()
    seen = hunt.background.counts > 0
    np.testing.assert_array_equal(points[:, 1], hunt.background.counts[seen])
    np.testing.assert_allclose(points[:, 0], ((EDGES[:-1] + EDGES[1:]) / 2)[seen])
    assert entries(ax)[0] == "Pseudo-data"
    assert f"Fit with signal, {signal.events.value:.0f} ± {signal.events.error:.0f} events" in entries(ax)
    assert any(rf"{hunt.mass:.0f} GeV, local {hunt.local_significance:.1f}" in entry for entry in entries(ax))
    assert any(r"global $p \leq 0.05$" in entry for entry in entries(ax))
    assert ax.get_ylabel() == "Events / 100 GeV"
    assert pulls.get_xlabel() == "Dijet mass [GeV]"
    assert plotting.save(figure, tmp_path / "spectrum.png").stat().st_size > 10_000


def test_pulls_are_gaussian_for_many_events():
    counts = np.random.default_rng(1).poisson(1000 * np.exp(-np.arange(40) / 20) + 500).astype(float)
    fit = fit_background(counts, EDGES, function=FUNCTION)
    _, (_, ax) = plotting.mass_spectrum(fit, simulation=False)
    drawn = ax.patches[0].get_data().values
    np.testing.assert_allclose(drawn, (counts - fit.expected) / np.sqrt(fit.expected), atol=0.12)


def test_errors_are_poisson_intervals_and_data_are_called_so(hunt):
    _, (ax, _) = plotting.mass_spectrum(hunt.background, simulation=False)
    assert entries(ax)[0] == "Data"
    (bars,) = ax.containers[0].lines[2]
    for (_, low), (_, high) in (segment for segment in bars.get_segments()):
        n = next(
            n for n in hunt.background.counts if low < n < high and abs(stats.gamma.isf(0.158655, n + 1) - high) < 1e-3
        )
        assert stats.poisson.cdf(n, high) == pytest.approx(0.1587, abs=1e-3)
        assert stats.poisson.sf(n - 1, low) == pytest.approx(0.1587, abs=1e-3)


def test_a_masked_window_is_dashed(hunt):
    fit = fit_background(hunt.background.counts, EDGES, function=FUNCTION, window=(3200, 3800))
    _, (ax, _) = plotting.mass_spectrum(fit)
    assert "Not fitted" in entries(ax)
    dashed = next(patch for patch in ax.patches if patch.get_label() == "Not fitted").get_data().values
    np.testing.assert_array_equal(np.isfinite(dashed), ~fit.fitted)
    np.testing.assert_array_equal(dashed[~fit.fitted], fit.expected[~fit.fitted])


def test_local_p_values_are_the_smallest_of_all_widths(hunt, tmp_path):
    figure, ax = plotting.local_p_values(hunt, right="10 % most anomalous")
    masses, drawn = ax.lines[0].get_xydata().T
    table = hunt.windows
    twin = [table.p_value[(table.low + table.high) / 2 == mass].min() for mass in masses]
    np.testing.assert_array_equal(drawn, twin)
    lines = [line.get_ydata()[0] for line in ax.lines[2:]]
    np.testing.assert_allclose(lines, stats.norm.sf(np.arange(1, len(lines) + 1)))
    assert len(lines) == int(hunt.local_significance)
    assert max(ax.get_yticks()) <= 1
    assert ax.get_ylim()[0] < hunt.local_p
    assert plotting.save(figure, tmp_path / "p.png").stat().st_size > 10_000


def test_a_hunt_without_an_excess_can_be_drawn():
    quiet = bump_hunt(background_only(1, seed=31)[0], EDGES, function=FUNCTION, shape=SHAPE, toys=20)
    _, ax = plotting.local_p_values(quiet)
    assert len(ax.lines) >= 4
    assert any("global $p =" in entry for entry in entries(ax))


def test_a_signal_of_other_bins_is_refused(hunt):
    other = fit_signal(hunt.background.counts[2:], EDGES[2:], function=FUNCTION, shape=SHAPE, mass=3500)
    with pytest.raises(ValueError, match="signal was fitted in 38 other bins"):
        plotting.mass_spectrum(hunt.background, signal=other)


def test_limits_are_where_they_are_and_said_once(tmp_path):
    expected = np.array([0.1, 0.2, 0.3, 0.5, 0.8])
    found = {
        "one": (Limits(1.4, expected, 0.95), Strength(1.1, 0.9, 1.35)),
        "other": (Limits(0.4, expected, 0.95),) * 2,
    }
    found["other"] = (found["other"][0], Strength(0.0, 0.0, 0.2))
    figure, ax = plotting.strength_limits(found, true=1.0)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "other"]
    assert len(entries(ax)) == len(set(entries(ax))) == 6
    observed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert observed == [1.4, 0.4]
    extents = [path.get_extents() for bars in ax.collections[:2] for path in bars.get_paths()]
    np.testing.assert_allclose([(each.x0, each.x1) for each in extents], [(0.1, 0.8), (0.2, 0.5)])
    assert plotting.save(figure, tmp_path / "limits.png").stat().st_size > 10_000


def test_limits_of_several_levels_or_none_are_refused():
    expected = np.array([0.1, 0.2, 0.3, 0.5, 0.8])
    pair = {str(level): (Limits(1.4, expected, level), Strength(1.1, 0.9, 1.3)) for level in (0.9, 0.95)}
    for found in (pair, {}):
        with pytest.raises(ValueError, match="needed is one level, of one search or more"):
            plotting.strength_limits(found)
