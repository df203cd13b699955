"""`cortado run analyses/lhc_olympics`: its arrays and toys, end to end where there are no data."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed

from cortado.readers import dijets
from cortado.splits import TRAIN

FOLDER = Path(__file__).parents[2] / "analyses" / "lhc_olympics"


@pytest.fixture
def study(monkeypatch):
    """The module, with a preset that takes seconds."""
    monkeypatch.setattr(sys, "path", [str(FOLDER.parents[1]), *sys.path])
    module = importlib.import_module("analyses.lhc_olympics.study")
    monkeypatch.setitem(module.PRESETS, "tiny", module.Preset(seeds=1, members=2, epochs=1))
    return module


def few(rows, number=3000):
    return rows[np.random.default_rng(1).permutation(len(rows))[:number]]


def files_of(study, folder):
    """Arrays as they are published, small ones."""
    paths = []
    for stem, rows in study.toys().items():
        paths.append(folder / f"{stem}.npy")
        np.save(paths[-1], few(rows).astype(np.float32))
    return paths


def test_toys_are_of_the_form_of_the_arrays(study):
    toys = study.toys()
    for name, rows in toys.items():
        assert len(dijets.columns_of_signal_region(rows)["mjj"]) == len(rows), name
    assert toys["innerdata_train"][:, 5].mean() == pytest.approx(0.0066, abs=1e-4)


def test_a_run_judges_every_method_on_the_files(study, tmp_path):
    paths = files_of(study, tmp_path)
    options = [part for path in paths for part in ("--files", path)]
    succeed("run", FOLDER, "--preset", "tiny", "--out", tmp_path / "out", "--accelerator", "cpu", *options)
    numbers = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(numbers) == set(study.TITLES)
    (supervised, *_), _, seeds = numbers["supervised"]["best"]
    assert supervised > 2
    assert seeds == 1
    assert {path.name for path in (tmp_path / "out" / "plots").iterdir()} == {"roc.png", "significance.png"}


def test_no_test_event_is_learned_from(study, tmp_path):
    """The tables of training and test are made of different arrays."""
    for name, each in study.studies("tiny", tmp_path).items():
        assert [Path(path).name for path in each.objects.files] == ["training.h5"], name
        assert np.mean(each.objects.split.subset(np.arange(1000, dtype=np.uint64)) == TRAIN) > 0.85


def test_a_missing_array_is_named(study, tmp_path):
    paths = files_of(study, tmp_path)[:2]
    options = [part for path in paths for part in ("--files", path)]
    message = fail("run", FOLDER, "--preset", "tiny", "--out", tmp_path / "out", *options)
    assert "no array innerdata_extrasig_train, innerdata_test among" in message


def test_an_unknown_preset_is_refused(study):
    with pytest.raises(ValueError, match="unknown preset 'long'; there are quick, full"):
        study.preset_named("long")
