"""`cortado run analyses/bump_hunt`: from events without labels to a p-value and a limit, few events and two folds."""

import importlib
import json
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from commands import fail, succeed

from cortado import reading
from cortado.splits import fold

pytestmark = pytest.mark.timeout(900)

pytest.importorskip("zuko")
pytest.importorskip("pyhf")

FOLDER = Path(__file__).parents[2] / "analyses" / "bump_hunt"


@pytest.fixture(scope="module")
def study():
    """The module, as the command imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FOLDER.parents[1]), *sys.path])
        module = importlib.import_module("analyses.bump_hunt.study")
        yield module


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    succeed("run", FOLDER, "--preset", "tiny", "--out", folder, "--accelerator", "cpu", "--executor", "iterative")
    return folder


@pytest.mark.parametrize("method", ["cwola", "cathode"])
def test_a_cut_on_the_score_shows_the_resonance(out, method):
    found = json.loads((out / "results.json").read_text())["data"][method]
    hunts = found["hunts"]
    assert list(hunts) == ["all", "20%", "5%"]
    assert abs(hunts["5%"]["mass"] - 3500) < 2 * 140
    assert hunts["5%"]["local_significance"] > hunts["all"]["local_significance"]
    assert hunts["5%"]["global_p"][0] == pytest.approx(1 / 21)
    best, low, high = found["strength"]
    assert low - 2 * (best - low) < 1 < high + 2 * (high - best)
    assert found["limit"] > best


def test_what_judges_is_better_the_more_it_knows(out):
    results = json.loads((out / "results.json").read_text())
    improvement = {name: best[0] for name, best in results["improvement"].items()}
    assert improvement["supervised"] > 2
    assert min(improvement.values()) > 1
    assert set(results["told apart"]) == {"cwola", "cathode"}


def test_no_event_is_scored_by_what_it_trained(study, out):
    """Trees of a fold, and the flow whose samples they learn, hold the events of the fold out."""
    scorer = study.scores.scorer(out, "data", "cathode")
    assert [each.provenance["fold"]["index"] for each in scorer.bundles()] == [0, 1]
    events = reading.read(out / "samples" / "data.root")
    np.testing.assert_array_equal(scorer.predictor.member(events), fold(events.event_key, 2, 1))


def test_samples_stay_in_the_region_and_within_the_ends(study, out):
    events = study.scores.sampled(out, "data", 0, 500, seed=3)
    assert study.scores.REGION[0] <= ak.min(events.mjj) <= ak.max(events.mjj) <= study.scores.REGION[1]
    assert ak.min(events.delta_mj) >= 0
    assert 0 <= ak.min(events.tau21_1) <= ak.max(events.tau21_1) <= 1


def test_figures(out):
    names = {path.stem for path in (out / "plots").iterdir()}
    spectra = {f"{kind}_{cut}" for kind in ("mass", "p_values") for cut in ("all", "cwola", "cathode")}
    assert names == spectra | {"limits", "improvement", "sampled"}


def test_what_cannot_be_run_is_refused(tmp_path):
    assert "unknown preset 'long'; there are quick, full, tiny" in fail(
        "run", FOLDER, "--preset", "long", "--out", tmp_path
    )
    assert "searches its own samples" in fail("run", FOLDER, "--files", "x.root", "--out", tmp_path)
