"""Figures of showers: cells, shapes, times and weights, drawn where the numbers are."""

import hist
import matplotlib as mpl
import numpy as np
import pytest
from plotting.figures import legend_of
from toy_showers import toy_showers

from cortado import plotting
from cortado.calorimeter import CALOCHALLENGE_1_PHOTONS, CALOCHALLENGE_2, CALOGAN, cells
from cortado.histograms import axis_category, book, fill_variations
from cortado.plotting.style import CURVES
from cortado.statistics import Estimate, effective_sample_size

SIZES = np.cumsum([0, *CALOGAN.sizes])


def mesh_of(ax):
    (mesh,) = ax.collections
    return mesh


def averages(seed=1):
    return cells(toy_showers(20, seed), CALOGAN).mean(axis=0)


def test_average_showers_are_drawn_in_mev_with_one_colour_scale_a_layer():
    samples = {"Simulation": averages(1), "CaloGAN": 0.1 * averages(2)}
    figure, axes = plotting.average_showers(samples, CALOGAN, right="photons")
    assert axes.shape == (2, 3)
    for row, values in zip(axes, samples.values()):
        for ax, start, stop in zip(row, SIZES, SIZES[1:]):
            drawn = mesh_of(ax).get_array().ravel()
            np.testing.assert_allclose(drawn.filled(0), 1000 * values[start:stop])
            np.testing.assert_array_equal(drawn.mask, values[start:stop] == 0)
    for column, start, stop in zip(axes.T, SIZES, SIZES[1:]):
        assert mesh_of(column[0]).norm is mesh_of(column[1]).norm
        assert mesh_of(column[0]).norm.vmax == pytest.approx(1000 * max(v[start:stop].max() for v in samples.values()))
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["Simulation\n$y$ [mm]", "CaloGAN\n$y$ [mm]"]
    assert [ax.get_xlabel() for ax in axes[1]] == [f"$x$ [mm]\nlayer {number}" for number in range(3)]
    assert axes[0, 2].get_title(loc="right") == "photons"
    assert [ax.get_xlabel() for ax in figure.axes[6:]] == ["Mean energy per cell [MeV]"] * 3


def test_colours_span_five_decades_at_most():
    values = np.ones(504)
    values[0], values[300] = 1e-9, 0.5
    _, axes = plotting.average_showers({"Simulation": values}, CALOGAN)
    assert [mesh_of(ax).norm.vmin for ax in axes[0]] == pytest.approx([0.01, 100, 100])


@pytest.mark.parametrize("geometry", [CALOGAN, CALOCHALLENGE_1_PHOTONS], ids=lambda geometry: geometry.name)
def test_cells_are_where_the_geometry_has_them(geometry):
    """One cell has energy: its centre lies within what is drawn of it."""
    for index, (size, first) in enumerate(zip(geometry.sizes, np.cumsum([0, *geometry.sizes]))):
        values, place = np.zeros(sum(geometry.sizes)), 2 * size // 3
        values[first + place] = 1.0
        _, axes = plotting.average_showers({"one": values}, geometry, layers=[index])
        mesh = mesh_of(axes[0, 0])
        drawn = ~mesh.get_array().mask.ravel()
        x, y = (centre.ravel()[place] for centre in geometry.centres(index))
        assert sum(path.contains_point((x, y)) for path, there in zip(mesh.get_paths(), drawn) if there) == 1


def test_undivided_rings_are_round():
    _, axes = plotting.average_showers({"one": np.ones(368)}, CALOCHALLENGE_1_PHOTONS, layers=[0, 4])
    x, y = np.moveaxis(mesh_of(axes[0, 1]).get_coordinates(), -1, 0)
    np.testing.assert_allclose(np.hypot(x, y), np.broadcast_to([0, 100, 200, 400, 1000, 2000], x.shape))
    area = np.sum(x[:-1, -1] * y[1:, -1] - x[1:, -1] * y[:-1, -1]) / 2
    assert area == pytest.approx(np.pi * 2000**2, rel=2e-3)
    assert [ax.get_xlabel() for ax in axes[0]] == ["$x$ [mm]\nlayer 0", "$x$ [mm]\nlayer 12"]


def test_a_layer_that_no_shower_reaches_is_white():
    _, axes = plotting.average_showers({"one": np.repeat([1.0, 1.0, 0.0], CALOGAN.sizes)}, CALOGAN)
    assert mesh_of(axes[0, 2]).get_array().mask.all()
    assert not mesh_of(axes[0, 1]).get_array().mask.any()


def test_frames_can_be_narrower_than_the_layers():
    _, axes = plotting.average_showers({"one": np.ones(504)}, CALOGAN, half_width=100)
    assert {ax.get_xlim() for ax in axes[0]} == {ax.get_ylim() for ax in axes[0]} == {(-100, 100)}


def test_neighbours_are_side_by_side_in_the_same_colours():
    showers = toy_showers(4, 3)
    values = cells(showers, CALOGAN)
    figure, axes = plotting.shower_neighbours(values[:2], values[2:], [12.34, 99.0], CALOGAN, layers=[1, 2])
    assert axes.shape == (2, 4)
    for row, pair in zip(axes, ((0, 2), (1, 3))):
        for ax, shower in zip(row[:2], pair):
            np.testing.assert_allclose(
                mesh_of(ax).get_array().ravel().filled(0), 1000 * values[shower, SIZES[1] : SIZES[2]]
            )
    assert len({id(mesh_of(ax).norm) for ax in axes.ravel()}) == 2
    assert [ax.get_ylabel().split("\n")[0] for ax in axes[:, 0]] == ["12.3 GeV", "99 GeV"]
    names = ["generated, layer 1", "nearest sim., layer 1", "generated, layer 2", "nearest sim., layer 2"]
    assert [ax.get_xlabel().split("\n")[1] for ax in axes[1]] == names
    assert len(figure.axes) == 8 + 2


def test_showers_that_cannot_be_drawn_are_refused():
    ones = np.ones(504)
    with pytest.raises(ValueError, match="no showers to draw"):
        plotting.average_showers({}, CALOGAN)
    with pytest.raises(ValueError, match=r"CaloGAN has 504 cells, got an array of shape \(1, 368\)"):
        plotting.average_showers({"one": np.ones(368)}, CALOGAN)
    with pytest.raises(ValueError, match="CaloGAN has no layer 3; its layers are 0 to 2"):
        plotting.average_showers({"one": ones}, CALOGAN, layers=[0, 3])
    with pytest.raises(ValueError, match="a figure can show 1 to 8 layers, not 45"):
        plotting.average_showers({"one": np.ones(6480)}, CALOCHALLENGE_2)
    with pytest.raises(ValueError, match="no cell has energy, or 0 of 504 are not finite"):
        plotting.average_showers({"one": 0 * ones}, CALOGAN)
    with pytest.raises(ValueError, match="or 1 of 504 are not finite"):
        plotting.average_showers({"one": np.where(np.arange(504) == 7, np.nan, ones)}, CALOGAN)
    with pytest.raises(ValueError, match=r"generated \(1, 504\) and simulated showers \(2, 504\) and energies \(1,\)"):
        plotting.shower_neighbours([ones], [ones, ones], [5.0], CALOGAN)


NAMES = {"simulated": "Simulation", "generated": "CaloFlow", "reweighted": "CaloFlow, reweighted"}
VALUES = {
    "simulated": np.repeat([0.5, 1.5, 2.5, 9.0], [40, 100, 50, 10]),
    "generated": np.repeat([0.5, 1.5, 2.5], [20, 60, 20]),
    "reweighted": np.repeat([0.5, 1.5, 2.5], [20, 60, 20]),
}


def shapes(axis=None, scale=1.0):
    """Three bins and an overflow; the reweighted sample has a variation."""
    axis = hist.axis.Regular(3, 0, 3, name="width", label="Width [mm]") if axis is None else axis
    histogram = book(axis_category("origin"), axis)
    for origin, values in VALUES.items():
        weights = {"nominal": np.full(len(values), scale)}
        if origin == "reweighted":
            weights = {
                "nominal": 1.0 + (values == 0.5),
                "testUp": 1.0 + 3.0 * (values == 0.5),
                "testDown": np.ones(100),
            }
        fill_variations(histogram, "toy", {"origin": origin, axis.name: values}, weights)
    return histogram[{"dataset": sum}]


def bars_of(container):
    """Points of an errorbar container and the ends of its bars, shape (points,) each."""
    line, _, (bars,) = container
    return line.get_ydata(), *np.array([segment[:, 1] for segment in bars.get_segments()]).T


def test_shapes_are_shares_of_all_showers_and_ratios_have_the_errors_of_the_sample():
    figure, axes = plotting.shape_histograms([shapes()], NAMES, right="photons")
    upper, lower = axes[0]
    simulated, generated, reweighted = (patch.get_data().values for patch in upper.patches)
    np.testing.assert_allclose(simulated, [0.2, 0.5, 0.25])  # a twentieth is out of range
    np.testing.assert_allclose(generated, [0.2, 0.6, 0.2])
    np.testing.assert_allclose(reweighted, [40 / 120, 60 / 120, 20 / 120])
    points, low, high = bars_of(lower.containers[0])
    np.testing.assert_allclose(points, generated / simulated)
    np.testing.assert_allclose(high - points, np.sqrt([20, 60, 20]) / 100 / simulated)
    np.testing.assert_allclose(points - low, high - points)
    band = lower.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(1 + 1 / np.sqrt(40))  # the worst known bin of the simulation
    assert legend_of(upper) == list(NAMES.values())
    assert (lower.get_xlabel(), upper.get_ylabel()) == ("Width [mm]", "Share of showers / 1 mm")
    assert len(figure.axes) == 2


def test_variations_are_compared_as_shapes_too():
    """Up, the first bin has 80 of 160; down, it has 20 of 100."""
    _, axes = plotting.shape_histograms([shapes()], NAMES)
    points, low, high = bars_of(axes[0, 1].containers[1])
    value, statistical = 40 / 120, np.sqrt(4 * 20) / 120
    assert points[0] * 0.2 == pytest.approx(value)
    assert (high[0] - points[0]) * 0.2 == pytest.approx(np.hypot(statistical, 80 / 160 - value))
    assert (points[0] - low[0]) * 0.2 == pytest.approx(np.hypot(statistical, value - 20 / 100))


def test_the_norm_of_a_sample_changes_nothing_and_the_histogram_stays():
    histogram = shapes(scale=7.0)
    before = histogram.view(flow=True).copy()
    _, axes = plotting.shape_histograms([histogram], ["simulated", "generated"])
    np.testing.assert_array_equal(histogram.view(flow=True), before)
    _, expected = plotting.shape_histograms([shapes()], ["simulated", "generated"])
    for one, another in zip(bars_of(axes[0, 1].containers[0]), bars_of(expected[0, 1].containers[0])):
        np.testing.assert_allclose(one, another)


def test_panels_for_several_shapes_with_the_axes_that_they_need():
    decades = hist.axis.Regular(4, 0.1, 10, name="energy", label="Energy [GeV]", transform=hist.axis.transform.log)
    panels = [shapes(), shapes(decades), shapes(), shapes(decades)]
    figure, axes = plotting.shape_histograms(panels, NAMES, log=["energy"], right="photons")
    assert axes.shape == (4, 2)
    assert len(figure.axes) == 8
    assert [lower.get_xscale() for lower in axes[:, 1]] == ["linear", "log", "linear", "log"]
    assert [upper.get_yscale() for upper in axes[:, 0]] == ["linear", "log", "linear", "log"]
    assert axes[1, 0].get_ylabel() == "Share of showers / bin"
    assert axes[2, 0].get_title(loc="right") == "photons"
    assert axes[0, 0].get_xlim() == axes[0, 1].get_xlim() == (0, 3)
    assert [upper.get_legend() is not None for upper in axes[:, 0]] == [True, False, False, False]


def test_ratios_beyond_the_frame_are_marked():
    axis = hist.axis.Regular(2, 0, 2, name="width", label="Width [mm]")
    histogram = book(axis_category("origin"), axis)
    for origin, counts in (("simulated", [1000, 10]), ("generated", [1000, 50])):
        fill_variations(
            histogram, "toy", {"origin": origin, "width": np.repeat([0.5, 1.5], counts)}, np.ones(sum(counts))
        )
    _, axes = plotting.shape_histograms([histogram[{"dataset": sum}]], ["simulated", "generated"])
    lower = axes[0, 1]
    assert lower.get_ylim() == (0.9, 1.1)
    marks = [(line.get_marker(), line.get_xdata().tolist()) for line in lower.lines if line.get_marker() in ("^", "v")]
    assert marks == [("^", [1.5]), ("v", [])]


def test_shapes_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="the reference 'simulated' must be among the samples to draw"):
        plotting.shape_histograms([shapes()], ["generated"])
    with pytest.raises(ValueError, match="no histograms to draw"):
        plotting.shape_histograms([], NAMES)
    with pytest.raises(KeyError, match=r"no origin 'generate'; nearest.*generated"):
        plotting.shape_histograms([shapes()], ["simulated", "generate"])
    with pytest.raises(ValueError, match=r"no panel of \['depth'\] to draw logarithmically; there are \['width'\]"):
        plotting.shape_histograms([shapes()], NAMES, log=["depth"])
    with pytest.raises(ValueError, match="'generated' has no"):
        plotting.shape_histograms([0 * shapes()], ["generated", "simulated"])


def test_speed_has_a_line_for_each_generator_and_each_simulation():
    times = {"CaloGAN": ([1, 10, 100], [13.0, 5.0, 2.0]), "student": ([1, 100], [50.0, 1.0])}
    _, ax = plotting.time_against_size(times, references={"Geant4 (published)": 1772.0}, right="2 cores")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Batch size", "Time per shower [ms]")
    drawn = {line.get_label(): line.get_xydata().T for line in ax.lines}
    for name, (sizes, values) in times.items():
        np.testing.assert_allclose(drawn[name], [sizes, values])
    np.testing.assert_allclose(drawn["Geant4 (published)"], [ax.get_xlim(), [1772, 1772]])
    assert legend_of(ax) == [*times, "Geant4 (published)"]
    low, high = ax.get_ylim()
    assert low < 1.0 < 1772 < high


def test_areas_against_time_have_their_errors():
    areas = [Estimate(0.95, 0.01), Estimate(0.75, 0.02)]
    _, ax = plotting.auc_against_time({"flow": ([1, 60], areas)}, references={"CaloFlow": 0.859}, unit="h")
    _, _, (bars,) = ax.containers[0]
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[0.94, 0.96], [0.73, 0.77]])
    assert ax.get_xlabel() == "Time of training [h]"
    assert legend_of(ax) == ["flow", "CaloFlow"]


def test_weights_are_over_their_mean_and_none_is_lost():
    weights = np.random.default_rng(0).lognormal(0.0, 1.0, 500)
    _, ax = plotting.weight_distribution({"CaloFlow": 40 * weights, "VAE": weights**3}, bins=20)
    for patch, values, colour in zip(ax.patches, (weights, weights**3), CURVES):
        counts, edges, _ = patch.get_data()
        np.testing.assert_allclose(counts, np.histogram(values / values.mean(), edges)[0] / 500)
        assert counts.sum() == pytest.approx(1)
        assert mpl.colors.to_hex(patch.get_edgecolor()) == colour
    assert legend_of(ax)[0] == rf"CaloFlow  ($n_\mathrm{{eff}}/n$ = {effective_sample_size(weights) / 500:.3f})"


def test_times_and_weights_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="no times to draw"):
        plotting.time_against_size({})
    with pytest.raises(ValueError, match=r"those of the references are \{'Geant4': 0.0\}"):
        plotting.time_against_size({"flow": ([1], [1.0])}, references={"Geant4": 0.0})
    with pytest.raises(ValueError, match="points of 'flow' have 2 places and 1 values"):
        plotting.time_against_size({"flow": ([1, 2], [1.0])})
    with pytest.raises(
        ValueError, match=r"'flow' must be positive numbers .* got \(2,\), 1 of them not positive: \[0.0\]"
    ):
        plotting.auc_against_time({"flow": ([0, 2], [Estimate(0.9, 0.1)] * 2)})
    with pytest.raises(ValueError, match="no areas to draw"):
        plotting.auc_against_time({})
    with pytest.raises(ValueError, match="no weights to draw"):
        plotting.weight_distribution({})
    with pytest.raises(ValueError, match="'flow' must be positive numbers"):
        plotting.weight_distribution({"flow": [1.0, -1.0]})
