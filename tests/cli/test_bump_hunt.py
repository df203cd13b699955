"""`cortado run analyses/bump_hunt`: from events without labels to a p-value, with few events and two folds."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from commands import fail, succeed

FOLDER = Path(__file__).parents[2] / "analyses" / "bump_hunt"


@pytest.fixture
def study(monkeypatch):
    """The module, with a preset that takes seconds."""
    monkeypatch.setattr(sys, "path", [str(FOLDER.parents[1]), *sys.path])
    module = importlib.import_module("analyses.bump_hunt.study")
    monkeypatch.setitem(module.PRESETS, "tiny", (30_000, 300, 20))
    monkeypatch.setattr(module, "FOLDS", 2)
    monkeypatch.setattr(module, "EFFICIENCIES", (0.2, 0.05))
    monkeypatch.setattr(module, "SAMPLES", {"data": 1})
    return module


def test_a_cut_on_the_score_shows_the_resonance(study, tmp_path):
    succeed("run", FOLDER, "--preset", "tiny", "--out", tmp_path, "--accelerator", "cpu", "--executor", "iterative")
    results = json.loads((tmp_path / "results.json").read_text())["data"]
    assert list(results) == ["all", "20%", "5%"]
    assert abs(results["5%"]["mass"] - 3500) < 2 * 140
    assert results["5%"]["local significance"] > results["all"]["local significance"]
    assert results["5%"]["global p"][0] == pytest.approx(1 / 21)
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {f"{kind}_{cut}.png" for kind in ("mass", "p_values") for cut in ("all", "tight")}


def test_what_cannot_be_run_is_refused(study, tmp_path):
    assert "unknown preset 'long'; there are quick, full" in fail("run", FOLDER, "--preset", "long", "--out", tmp_path)
    assert "searches its own samples" in fail("run", FOLDER, "--files", "x.root", "--out", tmp_path)
