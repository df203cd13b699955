"""What stands above figures is the user's choice, and figures show by themselves in notebooks."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
from toys import toy_jets

from cortado import metrics, plotting

FIGURES = sorted(set(plotting.__all__) - {"COLOURS", "png", "save", "style", "write_label"})
NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

shell = InteractiveShell.instance()
shell.run_cell("from cortado import metrics, plotting")
with capture_output() as said:
    shell.run_cell("fig, ax = plotting.roc_curves({'a': metrics.roc([0, 1, 0, 1], [1, 2, 3, 4])})\\nNone")
print([kind for output in said.outputs for kind in output.data])
from matplotlib import pyplot
print(pyplot.get_fignums())
"""


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_takes_experiment_and_label(name):
    parameters = inspect.signature(getattr(plotting, name)).parameters
    assert parameters["experiment"].default == "cortado"
    assert parameters["label"].kind is inspect.Parameter.KEYWORD_ONLY


def test_the_label_is_that_of_the_user():
    curve = metrics.roc([0, 1, 0, 1], [1, 2, 3, 4])
    chosen = {"experiment": "CMS", "label": "Preliminary", "right": "13 TeV"}
    assert texts(plotting.roc_curves({"a": curve}, **chosen)[1]) == ["CMS", "Preliminary", "13 TeV"]
    jet = toy_jets(1)[0]
    assert texts(plotting.jet_display(jet)[1][0])[:2] == texts(plotting.jet_display(jet, label="")[1][0])[:2]
    assert texts(plotting.jet_display(jet, label="Open Data")[1][0])[:2] == ["cortado", "Open Data"]


def test_where_data_may_be_shown_the_label_follows_unless_it_is_given():
    maps = [np.ones((2, 3))] * 3 + [np.zeros((2, 3))]
    for given, expected in (
        ({}, ["cortado", "Simulation"]),
        ({"simulation": False}, ["cortado"]),
        ({"simulation": False, "experiment": "CMS", "label": "Internal"}, ["CMS", "Internal"]),
    ):
        assert texts(plotting.fault_map(*maps, **given)[1][0]) == expected


def test_without_both_there_is_room_for_labels_of_mplhep():
    mplhep = pytest.importorskip("mplhep")
    _, ax = plotting.roc_curves({"a": metrics.roc([0, 1, 0, 1], [1, 2, 3, 4])}, experiment="", label="")
    assert not any(texts(ax))
    mplhep.cms.label("Preliminary", ax=ax)
    assert "Preliminary" in " ".join(texts(ax))


def test_a_figure_shows_in_a_notebook_and_is_then_closed():
    pytest.importorskip("IPython")
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    command = [sys.executable, "-c", NOTEBOOK]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert printed.splitlines()[-2:] == ["['text/plain', 'image/png']", "[]"]
