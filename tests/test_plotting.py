"""Figures: what is drawn is what the numbers say, in our style, without touching anybody's settings."""

import os
import subprocess
import sys

import awkward as ak
import hist
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.figure import Figure
from toys import toy_jets

from cortado import plotting
from cortado.histograms import axis_category, axis_mass, axis_score, book, fill_variations
from cortado.metrics import background_at, confusion_counts, proportion, reliability, roc, significance_improvement
from cortado.plotting.style import legend

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def _settings_are_left_alone():
    before, figures = dict(mpl.rcParams), plt.get_fignums()
    yield
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == figures


@pytest.fixture(scope="module")
def curves():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    return {name: roc(labels, rng.normal(labels * separation)) for name, separation in (("PFN", 3), ("MLP", 1))}


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


def texts(ax):
    return [text.get_text() for text in ax.texts]


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def error_bars(ax):
    """Centres, values and errors of the first container of points."""
    (line, _, (bars,)) = ax.containers[0]
    lengths = [np.diff(segment[:, 1])[0] / 2 for segment in bars.get_segments()]
    return line.get_xdata(), line.get_ydata(), np.array(lengths)


def band_heights(ax, x):
    """Lower and upper end of the filled band at x."""
    vertices = next(c for c in ax.collections if isinstance(c, PolyCollection)).get_paths()[0].vertices
    at = vertices[np.isclose(vertices[:, 0], x, atol=1e-6), 1]
    return at.min(), at.max()


def behind_legend(ax):
    """Highest vertex of lines in the horizontal range of the legend, and the legend's lower end, in pixels."""
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    points = np.concatenate([ax.transData.transform(line.get_xydata()) for line in ax.lines])
    inside = points[(points[:, 0] > box.x0) & (points[:, 0] < box.x1), 1]
    return np.nanmax(inside), box.y0


def test_roc_curves_show_rejection_with_its_band(curves):
    figure, ax = plotting.roc_curves(curves, right="500 GeV")
    assert isinstance(figure, Figure)
    assert ax.get_yscale() == "log"
    assert ax.get_xlim() == (0, 1)
    assert "efficiency" in ax.get_xlabel()
    assert "rejection" in ax.get_ylabel()
    assert legend_of(ax) == [*(f"{name}  (AUC {curve.auc})" for name, curve in curves.items()), "random"]
    assert texts(ax) == ["cortado", "Simulation", "500 GeV"]
    assert (len(ax.lines), len(ax.collections)) == (3, 2)
    efficiency, rejection = ax.lines[1].get_data()
    background, error = background_at(curves["MLP"], efficiency)
    np.testing.assert_allclose(rejection, np.where(background > 0, 1 / np.maximum(background, 1e-9), np.nan))
    at = int(np.argmin(abs(efficiency - 0.6)))
    edges = ax.collections[1].get_paths()[0].vertices
    column = edges[np.isclose(edges[:, 0], efficiency[at], atol=1e-9), 1]
    relative = error[at] / background[at]
    assert (column.min(), column.max()) == pytest.approx(
        (rejection[at] * np.exp(-relative), rejection[at] * np.exp(relative))
    )


def improvement_of(seed, floor=25):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [4000, 500])
    return significance_improvement(labels, rng.normal(1.5 * labels), floor=floor)


def test_significance_improvement_of_seeds_is_their_mean_and_spread():
    curves = [improvement_of(seed) for seed in range(4)]
    figure, ax = plotting.significance_improvement({"trees": curves, "forest": curves[0]}, right="3.3 to 3.7 TeV")
    assert isinstance(figure, Figure)
    assert legend_of(ax) == ["trees", "forest", "random"]
    assert ax.get_legend().get_title().get_text() == "at least 25 background events"
    assert texts(ax) == ["cortado", "Simulation", "3.3 to 3.7 TeV"]
    background, mean = ax.lines[0].get_data()
    at = 100
    allowed = [curve.improvement[curve.background_efficiency <= background[at]][0] for curve in curves]
    assert mean[at] == pytest.approx(np.mean(allowed))
    low, high = band_heights(ax, background[at])
    assert (high - low) / 2 == pytest.approx(np.std(allowed, ddof=1), rel=1e-6)
    assert min(background) == pytest.approx(max(curve.background_efficiency[-1] for curve in curves))
    single, value = ax.lines[1].get_data()
    assert value[-1] == pytest.approx(1)
    assert len(single) == len(value) == 200


def test_curves_of_different_floors_are_refused():
    with pytest.raises(ValueError, match="curves of one floor of background events are needed"):
        plotting.significance_improvement({"a": improvement_of(1), "b": improvement_of(1, floor=30)})


def test_an_area_near_one_needs_no_more_digits():
    labels = np.repeat([0, 1], 5000)
    scores = np.random.default_rng(0).normal(9 * labels)
    _, ax = plotting.roc_curves({"GAN": roc(labels, scores)})
    assert legend_of(ax)[0] == "GAN  (AUC > 0.9999)"


def test_legend_covers_no_curve(curves):
    _, ax = plotting.roc_curves({f"model {i}": curves["PFN"] for i in range(8)})
    curve, lowest = behind_legend(ax)
    assert curve <= lowest


def test_a_legend_that_covers_nothing_moves_nothing():
    with plotting.style():
        ax = Figure().subplots()
        ax.plot([0, 1], [1, 0], label="falling")
        ax.set(xlim=(0, 1), ylim=(0, 1))
        legend(ax)
    assert ax.get_ylim() == (0, 1)


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


def test_learning_curves_share_a_frame_by_quantity():
    table = {
        "epoch": [1, 2, 3],
        "train_loss": [0.6, 0.5, 0.4],
        "validation_loss": [0.7, np.nan, 0.5],
        "validation_auc": [0.8, 0.9, 0.95],
        "seconds": [1, 1, 1],
    }
    _, axes = plotting.learning_curves(table, titles={"loss": "Cross entropy"})
    assert [ax.get_ylabel() for ax in axes] == ["Cross entropy", "Area under the ROC curve"]
    assert [ax.get_xlabel() for ax in axes] == ["Epoch", "Epoch"]
    assert legend_of(axes[0]) == ["training", "validation"]
    assert axes[0].lines[1].get_xdata().tolist() == [1, 3]
    with pytest.raises(KeyError, match="no column 'step' to draw against"):
        plotting.learning_curves(table, epoch="step")
    with pytest.raises(KeyError, match="no column begins with"):
        plotting.learning_curves({"epoch": [1], "seconds": [1]})


def test_calibration_curve_has_the_points_of_the_metric():
    rng = np.random.default_rng(0)
    score = rng.random(500)
    curve = reliability(rng.random(500) < score, score)
    _, ax = plotting.calibration_curve({"PFN": curve})
    _, values, errors = error_bars(ax)
    np.testing.assert_allclose(values, curve.fraction)
    np.testing.assert_allclose(errors, curve.error)
    assert legend_of(ax) == ["calibrated", "PFN"]


def test_confusion_matrix_shows_percentages_of_the_true_class():
    counts = confusion_counts([0] * 80 + [1] * 20, [0] * 60 + [1] * 40, classes=2)
    figure, ax = plotting.confusion_matrix(counts, ["QCD", "W"])
    shown = [text.split("\n") for text in texts(ax)[:4]]
    error = 100 * proportion(60, 20, 60, 20).error
    assert [lines[0] for lines in shown] == ["75.0", "25.0", "0.0", "100.0"]
    assert shown[0][1] == f"± {error:.1f} %"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["QCD", "W"]
    assert "[%]" in figure.axes[1].get_ylabel()
    with pytest.raises(ValueError, match=r"shape \(2, 2\) does not fit the classes \['W'\]"):
        plotting.confusion_matrix(counts, ["W"])
    with pytest.raises(ValueError, match=r"no events of the true classes \['W'\]"):
        plotting.confusion_matrix(confusion_counts([0], [0], classes=2), ["QCD", "W"])


def test_cutflow_shows_what_is_left():
    flow = hist.Hist(axis_category("dataset"), axis_category("cut"), storage=hist.storage.Weight())
    for cut, n in (("all", 1000), ("pt", 400), ("mass", 10)):
        flow.fill(dataset=["W"] * n, cut=cut)
    _, ax = plotting.cutflow(flow, {"W": "W jets"})
    _, values, errors = error_bars(ax)
    np.testing.assert_allclose(values, [1, 0.4, 0.01])
    assert errors[1] == pytest.approx(proportion(400, 600, 400, 600).error)
    assert ax.get_yscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["all", "pt", "mass"]
    with pytest.raises(KeyError, match=r"no dataset 'WW'; nearest: W"):
        plotting.cutflow(flow, ["WW"])
    with pytest.raises(KeyError, match="the histogram has no axis 'cut'"):
        plotting.cutflow(flow.project("dataset"), ["W"])
    flow.fill(dataset=["QCD"], cut=["pt"])
    with pytest.raises(ValueError, match="'QCD' has no events"):
        plotting.cutflow(flow, ["QCD"])


def test_average_images_are_means_on_one_scale():
    rng = np.random.default_rng(0)
    before = {"W": rng.random((20, 5, 5)), "QCD": rng.random((30, 5, 5)) * 10}
    after = {name: images[:, None] for name, images in before.items()}
    figure, axes = plotting.average_images(before, after, half_width=1.0)
    assert axes.shape == (2, 2)
    meshes = [next(c for c in ax.collections if isinstance(c, QuadMesh)) for ax in axes.ravel()]
    np.testing.assert_allclose(meshes[0].get_array().reshape(5, 5), before["W"].mean(axis=0).T)
    np.testing.assert_allclose(meshes[1].get_array(), meshes[0].get_array())
    assert meshes[0].norm is meshes[2].norm
    assert isinstance(meshes[0].norm, mpl.colors.LogNorm)
    assert meshes[2].norm.vmax == pytest.approx(before["QCD"].mean(axis=0).max())
    assert figure.axes[4].get_ylabel().endswith("[GeV]")
    assert axes[0, 0].get_ylabel() == r"$\Delta\phi$ [rad]"
    assert axes[1, 1].get_title(loc="right") == "QCD, preprocessed"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({"W": np.ones((2, 3, 3))}, {"QCD": np.ones((2, 3, 3))}, r"of \['W'\], after of \['QCD'\]"),
        ({}, {}, "needed are the same classes"),
        ({"W": np.ones((0, 3, 3))}, {"W": np.ones((2, 3, 3))}, r"images of 'W' have shape \(0, 3, 3\)"),
        ({"W": np.zeros((2, 3, 3))}, {"W": np.ones((2, 3, 3))}, "all pixels are empty"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(before, after, message):
    with pytest.raises(ValueError, match=message):
        plotting.average_images(before, after)


@pytest.mark.parametrize("charged", [True, False])
def test_jet_display_shows_every_constituent_across_the_seam(charged):
    jets = toy_jets(20, min_constituents=5)
    jet = jets[int(np.argmax(np.abs(jets.phi)))]
    assert abs(jet.phi) > 2.9
    if not charged:
        fields = [name for name in jet.constituents.fields if name != "charge"]
        jet = {name: jet[name] for name in ("pt", "eta", "phi", "mass")} | {"constituents": jet.constituents[fields]}
    figure, (cloud, picture) = plotting.jet_display(jet)
    drawn = np.concatenate([points.get_offsets() for points in cloud.collections if len(points.get_offsets())])
    assert len(drawn) == len(jet["constituents"])
    assert np.abs(drawn).max() < cloud.get_xlim()[1]
    mesh = next(c for c in picture.collections if isinstance(c, QuadMesh))
    assert mesh.get_array().sum() == pytest.approx(ak.sum(jet["constituents"]["pt"]), rel=1e-5)
    assert legend_of(cloud) == (["positive", "negative", "neutral"] if charged else ["constituent"])
    assert figure.axes[2].get_ylabel().endswith("[GeV]")


def test_a_jet_without_constituents_cannot_be_displayed():
    jet = toy_jets(3, min_constituents=0, max_constituents=0)[0]
    with pytest.raises(ValueError, match="no constituents to display"):
        plotting.jet_display(jet)


def test_nothing_to_draw_is_an_error():
    for draw in (plotting.roc_curves, plotting.calibration_curve):
        with pytest.raises(ValueError, match="curves to draw"):
            draw({})
    with pytest.raises(ValueError, match="curves of one floor"):
        plotting.significance_improvement({})


def small_figure():
    with plotting.style():
        figure = Figure(figsize=(2, 1))
        figure.subplots().set_xlabel(r"$p_\mathrm{T}$ [GeV]")
    return figure


def test_saved_files_are_whole_and_the_same_each_time(tmp_path):
    first = plotting.save(small_figure(), tmp_path / "new" / "figure")
    second = plotting.save(small_figure(), str(tmp_path / "again.png"))
    assert first == tmp_path / "new" / "figure.png"
    assert first.read_bytes().startswith(PNG)
    assert first.read_bytes() == second.read_bytes()
    assert mpl.image.imread(first).shape == (150, 300, 4)
    assert plotting.save(small_figure(), tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    path = plotting.save(small_figure(), tmp_path / "figure.png")
    before = path.read_bytes()
    broken = small_figure()
    broken.axes[0].set_title(r"$\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        plotting.save(broken, path)
    with pytest.raises(ValueError, match="'nope' is not supported"):
        plotting.save(small_figure(), tmp_path / "figure.nope")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_figures_of_pyplot_are_closed(tmp_path):
    figure = plt.figure(figsize=(1, 1))
    plotting.save(figure, tmp_path / "figure.png")
    assert not plt.fignum_exists(figure.number)


def test_the_backend_stays_the_users(tmp_path):
    code = (
        "import sys; from cortado import plotting; import matplotlib as mpl; from matplotlib.figure import Figure;"
        "plotting.save(Figure(), sys.argv[1]); print(mpl.rcParams['backend'])"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "figure.png")]
    environment = os.environ | {"MPLBACKEND": "svg"}
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
    assert printed.strip() == "svg"
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)


def test_a_bin_that_negative_weights_outweigh_is_drawn():
    histogram = book(axis_mass(4, 0, 200))
    masses, weights = np.array([10.0, 60, 60, 110, 110]), np.array([1.0, 1, -3, 1, 1])
    fill_variations(histogram, "nlo", {"mass": masses}, weights)
    fill_variations(histogram, "data", {"mass": np.array([10.0, 60, 110, 160])}, np.ones(4))
    for options in ({"data": "data"}, {"data": "data", "log": True}, {}):
        figure, _ = plotting.stacked(histogram, ["nlo"], **options)
        assert plotting.png(figure)
