"""`cortado run analyses/lhc_olympics`: its arrays and toys, from files to figures."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import fail, succeed

from cortado import ntuples
from cortado.readers import dijets
from cortado.splits import TRAIN

FOLDER = Path(__file__).parents[2] / "analyses" / "lhc_olympics"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def study():
    """The module, as the command imports it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FOLDER.parents[1]), *sys.path])
        yield importlib.import_module("analyses.lhc_olympics.study")


def files_of(study, folder):
    """Arrays as they are published."""
    paths = []
    for stem, rows in study.toys().items():
        paths.append(folder / f"{stem}.npy")
        np.save(paths[-1], rows.astype(np.float32))
    return paths


def test_toys_are_of_the_form_of_the_arrays(study):
    toys = study.toys()
    for name, rows in toys.items():
        assert len(dijets.columns_of_signal_region(rows)["mjj"]) == len(rows), name
    assert toys["innerdata_train"][:, 5].mean() == pytest.approx(0.0066, abs=1e-4)


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lhc")
    options = [part for path in files_of(study, folder) for part in ("--files", path)]
    fixed = ("--preset", "tiny", "--accelerator", "cpu", "--executor", "iterative")
    succeed("run", FOLDER, *fixed, "--out", folder / "out", *options)
    return folder / "out"


def test_a_run_judges_every_method_on_the_files(study, out):
    numbers = json.loads((out / "results.json").read_text())
    assert set(numbers) == set(study.TITLES)
    for figures in numbers.values():
        assert 0 <= figures["auc"][0][0] <= 1
        assert {seeds for *_, seeds in figures.values()} == {1}
    assert numbers["supervised"]["best"][0][0] > 2
    assert {path.name for path in (out / "plots").iterdir()} == {"roc.png", "significance.png"}


def test_a_preset_takes_so_many_events_of_each_array(study, out):
    most = study.PRESETS["tiny"].events
    learned, judged = (ntuples.num_entries(out / f"{name}.h5", "/") for name in ("training", "test"))
    assert (learned, judged) == (3 * most, most)
    with np.load(out / "scores.npz") as stored:
        assert {name: stored[name].shape for name in study.TITLES} == dict.fromkeys(study.TITLES, (1, most))


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
    assert not (tmp_path / "out").exists()


def test_an_unknown_preset_is_refused(tmp_path):
    assert "unknown preset 'long'; there are quick, full, tiny" in fail(
        "run", FOLDER, "--preset", "long", "--out", tmp_path
    )
