"""`cortado run analyses/tracking`: every stage on few events, and the laws that its numbers must keep."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from commands import fail, succeed

from cortado import metrics, ntuples, reading

STUDY = Path(__file__).parents[2] / "analyses" / "tracking"
OPTIONS = ("--preset", "tiny", "--executor", "iterative", "--accelerator", "cpu")
FINDERS = {"interaction_network", "graph_convolution", "follower", "seed_and_follow", "ckf"}
SELECTION = {"min_pt": 0.5, "max_abs_eta": 2.5, "min_hits": 9}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Folder of a run."""
    pytest.importorskip("acts")
    folder = tmp_path_factory.mktemp("tracking")
    succeed("run", STUDY, *OPTIONS, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def results(out):
    return json.loads((out / "results.json").read_text())


def test_rates_are_within_their_bounds(results):
    assert set(results["tracks"]) == FINDERS
    for merits in results["tracks"].values():
        assert all(0 <= merits[name][0] <= 1 for name in ("efficiency", "fakes", "duplicates"))
        assert merits["CPU s"] > 0
    assert 0 < results["kept segments"] <= 1
    assert 0 < results["toys"]["noise"]["hit accuracy"][0] < 1
    assert set(results["pulls"]) == {"d0", "z0", "phi", "theta", "q_over_p"}
    assert all(0.5 < each["resolution"][0] < 2 for each in results["pulls"].values())


def test_what_needs_no_training_finds_tracks(results):
    assert min(results["tracks"][name]["efficiency"][0] for name in ("seed_and_follow", "ckf")) > 0.95


def test_pile_up_makes_events_larger(results):
    assert list(results["time"]) == ["1", "4"]
    small, large = results["time"].values()
    assert all(small[name] < large[name] for name in ("hits", "edges"))
    assert all(each[name] > 0 for each in (small, large) for name in ("network s", "CKF s"))


def test_labels_are_of_the_hits_and_the_processor_counts_the_same_tracks(out, results):
    events, labels = reading.read(out / "samples" / "judging.root"), ak.from_parquet(out / "labels.parquet")
    assert set(labels.fields) == FINDERS
    assert ak.num(labels).to_list() == ak.num(events.hits).to_list()
    selected = metrics.reconstructable(events.particles, **SELECTION)
    histograms = ntuples.read_histograms(out / "histograms.json")
    for name in ("particle_pt", "particle_eta"):
        counted = histograms[name][{"variation": "nominal", "dataset": sum}].project("reconstructed")
        assert counted.sum().value == ak.sum(selected)
        efficiency = counted[{"reconstructed": "yes"}].value / counted.sum().value
        assert efficiency == pytest.approx(results["tracks"]["interaction_network"]["efficiency"][0])
    of_events = ak.to_numpy(ak.max(labels.interaction_network, axis=1)) + 1
    multiplicity = histograms["multiplicity"][{"variation": "nominal", "dataset": sum}]
    np.testing.assert_array_equal(
        multiplicity.values(), np.histogram(of_events, multiplicity.axes["multiplicity"].edges)[0]
    )


def test_figures(out):
    names = {path.stem for path in (out / "plots").iterdir()}
    assert names == {"efficiency_pt", "efficiency_eta", "edge_scores", "event", "pulls", "time"}


def test_other_files_are_judged_each(out):
    files = [out / "samples" / name for name in ("mu1.root", "mu4.root")]
    printed = succeed("run", STUDY, *OPTIONS, "--out", out, "--files", files[0], "--files", files[1])
    assert [line.split(":")[0] for line in printed if line.endswith("particles found")] == ["mu1", "mu4"]
    kept = ntuples.read_histograms(out / "files" / "histograms.json")["multiplicity"]
    assert list(kept.axes["dataset"]) == ["mu1", "mu4"]
    assert kept[{"variation": "nominal"}].project("dataset").values().tolist() == [4, 4]


def test_an_unknown_preset_names_those_that_there_are(tmp_path):
    assert "unknown preset 'long'; there are quick, full, tiny" in fail(
        "run", STUDY, "--preset", "long", "--out", tmp_path
    )
