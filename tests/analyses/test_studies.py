"""Every study runs from its samples to its figures: the smallest preset, end to end, by the command of its README."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from commands import fail, succeed
from samples import write_toptagging

from cortado import ntuples

pytestmark = pytest.mark.timeout(900)

ANALYSES = Path(__file__).parents[2] / "analyses"


class Case(NamedTuple):
    """What a study needs, and what it draws.

    Attributes:
        figures: Names of all figures.
        histograms: Of its coffea processor.
        files: Makes the files that a study reads, in a folder.
        extras: Packages without which it does not run.
    """

    figures: set[str]
    histograms: tuple[str, ...] = ()
    files: object = None
    extras: tuple[str, ...] = ()


def top_jets(folder, request):
    paths = [folder / "train.root", folder / "val.root"]
    for seed, path in enumerate(paths, start=1):
        write_toptagging(path, 200, seed)
    return paths


def flavour_jets(folder, request):
    return [request.getfixturevalue("test_data") / "jets" / "deepntuple_even.root"]


CASES = {
    "deepjet": Case(figures={"deepjet_roc"}, files=flavour_jets),
    "event_classifier": Case(figures={"roc", "score", "learning"}, histograms=("score",), extras=("pythia8mc",)),
    "jet_mass": Case(
        figures={"w_peak", "bias_w", "bias_qcd", "resolution_w", "resolution_qcd", "pulls", "learning"},
        extras=("pythia8mc",),
    ),
    "top_tagging": Case(figures={"top_tagging_roc", "top_tagging_contributions"}, files=top_jets, extras=("captum",)),
    "w_tagging": Case(
        figures={"roc", "score", "cutflow", "confusion", "sculpting", "learning", "average_images", "jet"}
        | {"mass_pass", "mass_fail"},
        histograms=("mass", "pt", "score", "cutflow"),
        extras=("pythia8mc",),
    ),
}


@pytest.fixture(scope="module", params=CASES)
def ran(request, tmp_path_factory):
    """Name and folder of a study that has run."""
    case, folder = CASES[request.param], tmp_path_factory.mktemp(request.param)
    for package in case.extras:
        pytest.importorskip(package)
    files = case.files(folder, request) if case.files else []
    options = [part for path in files for part in ("--files", path)]
    fixed = ("--preset", "tiny", "--executor", "iterative", "--accelerator", "cpu")
    printed = succeed("run", ANALYSES / request.param, *fixed, "--out", folder / "out", *options)
    return request.param, folder / "out", "\n".join(printed)


def test_a_study_runs_from_samples_to_figures(ran):
    name, folder, printed = ran
    assert {path.stem for path in (folder / "plots").glob("*.png")} == CASES[name].figures
    assert f"{len(CASES[name].figures)} figures" in printed
    results = json.loads((folder / "results.json").read_text())
    assert results
    assert all(0 <= area[0] <= 1 for area in named(results, "AUC"))


def named(results, wanted):
    """All values of a name, at any depth."""
    for name, value in results.items():
        if name == wanted:
            yield value
        elif isinstance(value, dict):
            yield from named(value, wanted)


def test_histograms_hold_the_weights_that_the_processor_saw(ran):
    name, folder, _ = ran
    path = folder / "histograms.json"
    kept = ntuples.read_histograms(path) if path.exists() else {}
    assert set(kept) == set(CASES[name].histograms)
    for histogram in kept.values():
        values = histogram.values(flow=True)
        assert np.isfinite(values).all()
        assert values.sum() > 0
    if "cutflow" in kept:
        passed = kept["cutflow"].project("dataset", "cut").values()
        assert (np.diff(passed, axis=1) <= 1e-9 * passed[:, :1]).all()  # a cut adds nothing


@pytest.mark.parametrize("name", CASES)
def test_an_unknown_preset_names_those_that_there_are(name, tmp_path):
    message = fail("run", ANALYSES / name, "--preset", "long", "--out", tmp_path)
    assert "unknown preset 'long'; there are quick, " in message
    assert "tiny" in message


def test_every_study_is_here():
    """Or has tests of its own, beside these."""
    own = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")} - {"studies"}
    assert {path.parent.name for path in ANALYSES.glob("*/study.py")} == set(CASES) | own
