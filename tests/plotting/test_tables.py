"""Confusion matrices and cut flows."""

import hist
import numpy as np
import pytest
from plotting.figures import error_bars, texts

from cortado import plotting
from cortado.histograms import axis_category
from cortado.metrics import confusion_counts, proportion


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
