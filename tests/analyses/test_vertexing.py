"""`cortado run analyses/vertexing`: every stage on few jets, and the laws that its numbers must keep."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from commands import fail, succeed

from cortado import ntuples

STUDY = Path(__file__).parents[2] / "analyses" / "vertexing"
OPTIONS = ("--preset", "tiny", "--executor", "iterative", "--accelerator", "cpu")

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Folder of a run."""
    pytest.importorskip("pythia8mc")
    folder = tmp_path_factory.mktemp("vertexing")
    succeed("run", STUDY, *OPTIONS, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def results(out):
    return json.loads((out / "results.json").read_text())


def test_merits_are_within_their_bounds(results):
    assert list(results["vertices"]) == ["b", "c", "light"]
    for finders in results["vertices"].values():
        assert list(finders) == ["avr", "set2graph"]
        for merits in finders.values():
            assert 0 <= merits["F1"][0] <= 1
            assert 0 <= merits["Rand index"][0] <= 1
            assert merits["adjusted Rand index"][0] <= merits["Rand index"][0]
    assert set(results["flavours"]) == {"avr", "baseline", "set2graph"}
    for merits in results["flavours"].values():
        assert all(0 <= value <= 1 for value, *_ in merits.values())
        assert merits["F1"][0] == pytest.approx(np.mean([merits[f"{name} F1"][0] for name in ("b", "c", "light")]))


def test_what_needs_no_training_finds_vertices(results):
    assert all(finders["avr"]["adjusted Rand index"][0] > 0.2 for finders in results["vertices"].values())


def test_every_test_jet_is_judged_and_in_the_histograms(out, results):
    tested = results["test jets"]
    assert len(ak.from_parquet(out / "partitions.parquet")) == sum(tested.values())
    histograms = ntuples.read_histograms(out / "histograms.json")
    assert set(histograms) == {"vertex_mass", "flight_significance", "vertices", "score", "cutflow"}
    assert histograms["cutflow"][{"cut": "held out"}].sum().value == sum(tested.values())
    for name in ("score", "vertices"):  # of all jets; the others are of those with a vertex
        nominal = histograms[name][{"variation": "nominal"}].project("truth")
        for flavour, number in tested.items():
            assert nominal[{"truth": flavour}].value == pytest.approx(number / 0.25)  # scaled up by the share
    assert histograms["vertex_mass"].sum().value <= histograms["vertices"].sum().value


def test_figures(out):
    names = {path.stem for path in (out / "plots").iterdir()}
    assert names == {"f1", "ari", "efficiency", "purity", "roc_c", "roc_light", "score", "vertices"} | {
        f"vertex_mass_{region}" for region in ("pass", "fail")
    }


def test_other_files_are_taken_as_a_whole(out):
    succeed("run", STUDY, *OPTIONS, "--out", out, "--files", out / "samples" / "ttbar.root")
    cutflow = ntuples.read_histograms(out / "files" / "histograms.json")["cutflow"]
    assert list(cutflow.axes["dataset"]) == ["ttbar"]
    assert "held out" not in cutflow.axes["cut"]
    assert cutflow[{"cut": "all"}].sum().value == 300


def test_an_unknown_preset_names_those_that_there_are(tmp_path):
    assert "unknown preset 'long'; there are quick, full, published_features, tiny" in fail(
        "run", STUDY, "--preset", "long", "--out", tmp_path
    )
