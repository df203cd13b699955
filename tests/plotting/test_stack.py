"""Distributions and stacks of histograms, with their ratio."""

import hist
import numpy as np
import pytest
from plotting.figures import band_heights, error_bars, legend_of, texts

from cortado import plotting
from cortado.histograms import axis_category, axis_mass, axis_score, book, fill_variations


@pytest.fixture(scope="module")
def masses():
    """Two bins; W, QCD with one systematic uncertainty, and data."""
    histogram = book(axis_mass(2))
    contents = {"QCD": ([50, 50, 150], [10.0, 20.0, 40.0]), "W": ([50, 150], [3.0, 2.0])}
    for name, (mass, weight) in contents.items():
        weights = np.array(weight)
        varied = {"nominal": weights, "taggerUp": 1.1 * weights, "taggerDown": 0.8 * weights}
        fill_variations(histogram, name, {"mass": mass}, varied)
    fill_variations(histogram, "data", {"mass": [50] * 30 + [150] * 40}, np.ones(70))
    return histogram


def test_score_distributions_have_unit_area():
    histogram = book(axis_category("truth"), axis_score(4))
    score = np.array([0.1, 0.1, 0.6, 0.9])
    fill_variations(histogram, "a", {"truth": "W", "score": score}, np.array([1.0, 2.0, 1.0, 4.0]))
    fill_variations(histogram, "a", {"truth": "QCD", "score": score}, np.ones(4))
    names = {"W": "W jets", "QCD": "QCD jets"}
    _, ax = plotting.score_distributions(histogram[{"dataset": sum}], names, by="truth", log=True)
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "Score", "Probability density")
    assert legend_of(ax) == ["W jets", "QCD jets"]
    values = ax.patches[0].get_data().values
    np.testing.assert_allclose(values, np.array([3, 0, 1, 4]) / 8 / 0.25)
    assert band_heights(ax, 0) == pytest.approx((1.5 - np.sqrt(5) / 2, 1.5 + np.sqrt(5) / 2))


def test_densities_have_the_inverse_unit(masses):
    _, ax = plotting.score_distributions(masses, ["QCD"], log=False)
    assert ax.get_ylabel() == "Probability density [1/GeV]"
    assert ax.get_yscale() == "linear"


def test_ratio_to_data_has_the_errors_of_the_data_and_the_band_those_of_the_sum(masses):
    _, (ax, ratio_ax) = plotting.stacked(masses, {"QCD": "Multijet", "W": "W"}, data="data")
    assert ax.get_ylabel() == "Jets / 100 GeV"
    assert (ratio_ax.get_xlabel(), ratio_ax.get_ylabel()) == ("Jet mass [GeV]", "Data / sim.")
    assert legend_of(ax) == ["Data", "W", "Multijet", "Stat. + syst. unc."]
    assert texts(ax) == ["cortado"]
    centres, values, errors = error_bars(ratio_ax)
    np.testing.assert_allclose(centres, [50, 150])
    np.testing.assert_allclose(values, [30 / 33, 40 / 42])
    np.testing.assert_allclose(errors, [np.sqrt(30) / 33, np.sqrt(40) / 42])
    up = np.hypot(np.sqrt(10**2 + 20**2 + 3**2), 0.1 * 33) / 33
    down = np.hypot(np.sqrt(10**2 + 20**2 + 3**2), 0.2 * 33) / 33
    assert band_heights(ratio_ax, 0) == pytest.approx((1 - down, 1 + up))
    np.testing.assert_allclose(error_bars(ax)[2], [np.sqrt(30), np.sqrt(40)])


def test_ratio_of_a_signal_has_the_error_of_the_signal(masses):
    _, (ax, ratio_ax) = plotting.stacked(masses, ["QCD", "W"], signal="W", systematics=[], log=True)
    assert ax.get_yscale() == "log"
    assert texts(ax) == ["cortado", "Simulation"]
    assert legend_of(ax)[-1] == "Stat. unc."
    _, values, errors = error_bars(ratio_ax)
    np.testing.assert_allclose(values, [33 / 30, 42 / 40])
    np.testing.assert_allclose(errors, [3 / 30, 2 / 40])
    assert band_heights(ratio_ax, 0) == pytest.approx((1 - np.sqrt(500) / 30, 1 + np.sqrt(500) / 30))


def test_ratio_of_variations(masses):
    _, (_, ratio_ax) = plotting.stacked(masses, ["QCD", "W"])
    drawn = {patch.get_label(): patch.get_data().values for patch in ratio_ax.patches}
    np.testing.assert_allclose(drawn[r"tagger $\uparrow$"], [1.1, 1.1])
    np.testing.assert_allclose(drawn[r"tagger $\downarrow$"], [0.8, 0.8])
    assert ratio_ax.get_ylabel() == "Var. / nominal"


def test_points_beyond_the_frame_are_marked():
    histogram = book(axis_mass(4))
    fill_variations(histogram, "QCD", {"mass": [25, 75, 125, 175]}, np.array([100.0, 100.0, 100.0, 1.0]))
    data = np.repeat([25, 75, 125, 175], [100, 90, 110, 5])
    fill_variations(histogram, "data", {"mass": data}, np.ones(len(data)))
    _, (_, ratio_ax) = plotting.stacked(histogram, ["QCD"], data="data")
    high = next(line for line in ratio_ax.lines if line.get_marker() == "^")
    assert ratio_ax.get_ylim()[1] < 5
    assert high.get_xdata().tolist() == [175]


def test_uneven_bins_are_said_to_be_bins():
    histogram = book(hist.axis.Variable([0, 50, 200], name="mass", label="Jet mass [GeV]"))
    fill_variations(histogram, "QCD", {"mass": [25, 75]}, np.ones(2))
    _, (ax, _) = plotting.stacked(histogram, ["QCD"], counted="Events")
    assert ax.get_ylabel() == "Events / bin"


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["QCD", "W"], {"data": "data", "signal": "W"}, "one ratio at a time"),
        (["QCD"], {"signal": "W"}, r"'W' must be stacked on something else; stacked are \['QCD'\]"),
        (["W"], {"signal": "W"}, "must be stacked on something else"),
        ([], {}, "no names are given"),
    ],
)
def test_stacks_that_make_no_sense_are_refused(masses, names, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.stacked(masses, names, **options)


def test_unknown_data_sets_are_refused(masses):
    with pytest.raises(KeyError, match=r"no dataset 'QCDD'; nearest: QCD"):
        plotting.stacked(masses, ["QCDD"])


def test_empty_histograms_are_refused():
    histogram = book(axis_mass(2))
    fill_variations(histogram, "QCD", {"mass": [500.0]}, np.ones(1))
    with pytest.raises(ValueError, match=r"nothing to stack: \['QCD'\] are empty within the range of the axis 'mass'"):
        plotting.stacked(histogram, ["QCD"])
    with pytest.raises(ValueError, match=r"'QCD' has no .* weight within the axis range"):
        plotting.score_distributions(histogram, ["QCD"])


def test_a_bin_that_negative_weights_outweigh_is_drawn():
    histogram = book(axis_mass(4, 0, 200))
    masses, weights = np.array([10.0, 60, 60, 110, 110]), np.array([1.0, 1, -3, 1, 1])
    fill_variations(histogram, "nlo", {"mass": masses}, weights)
    fill_variations(histogram, "data", {"mass": np.array([10.0, 60, 110, 160])}, np.ones(4))
    for options in ({"data": "data"}, {"data": "data", "log": True}, {}):
        figure, _ = plotting.stacked(histogram, ["nlo"], **options)
        assert plotting.png(figure)
