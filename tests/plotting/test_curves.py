"""Curves: what is drawn is what the metrics say."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from plotting.figures import band_heights, error_bars, legend_of, texts

from cortado import plotting
from cortado.metrics import background_at, reliability, roc, significance_improvement
from cortado.plotting.style import legend


@pytest.fixture(scope="module")
def curves():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    return {name: roc(labels, rng.normal(labels * separation)) for name, separation in (("PFN", 3), ("MLP", 1))}


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
