"""Figures in our style, saved whole, without touching anybody's settings."""

import os
import subprocess
import sys

import hist
import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from cortado import metrics, plotting

PNG = b"\x89PNG\r\n\x1a\n"


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


def test_names_that_begin_with_an_underscore_are_in_the_legend():
    """matplotlib takes such labels for those of artists without one."""
    histogram = hist.Hist(
        hist.axis.StrCategory(["_private", "qcd"], name="dataset"),
        hist.axis.Regular(4, 0, 1, name="x"),
        storage=hist.storage.Weight(),
    )
    histogram.fill(dataset=["_private", "qcd"], x=[0.3, 0.6])
    _, ax = plotting.score_distributions(histogram, ["_private", "qcd"], by="dataset")
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == [r"$\_$private", "qcd"]
    curve = metrics.roc([1, 1, 0, 0], [0.9, 0.6, 0.7, 0.1])
    _, ax = plotting.roc_curves({"_mine": curve, "other": curve})
    assert ax.get_legend().get_texts()[0].get_text().startswith(r"$\_$mine")
