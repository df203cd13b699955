"""`cortado train`, `run` and `plot`: what they ask of a study, and studies that cannot be found."""

import re
import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, invoke, succeed
from samples import write_tree

import cortado
from cortado import bundle, scoring

STUDY = """
from pathlib import Path
from types import SimpleNamespace

def studies(preset, folder):
    return {name: SimpleNamespace(preset=preset, objects=SimpleNamespace(folds=None)) for name in ("small", "large")}

def run(**options):
    print(sorted(options.items(), key=str))

def plot(folder, plots):
    return [Path(plots) / "a.png", Path(plots) / "b.png"]
"""

FOLDED = """
from functools import partial

from cortado import models, representations, tasks, training


def is_w(jets):
    return jets.is_signal == 1


def studies(preset, folder):
    study = training.Study(
        name="small",
        objects=training.Objects(files=FILES, folds=None),
        representation=representations.HighLevel(features=("multiplicity", "mass")),
        scaling="fit",
        model=partial(models.MLP, features=2, hidden=(4,)),
        task=tasks.Classify(classes={"qcd": lambda each: each.is_signal == 0, "w": is_w}, signal="w"),
        recipe=training.Recipe(epochs=1, batch_size=64, workers=0),
    )
    return {"small": study}
"""


@pytest.fixture
def analysis(tmp_path, monkeypatch):
    """An analysis folder, in a working folder of its own; its module has a name of its own in each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / f"analyses_of_{tmp_path.name}" / "tagging"
    folder.mkdir(parents=True)
    (folder / "study.py").write_text(STUDY)
    return folder


def test_run_hands_its_options_to_the_study(analysis):
    printed = succeed("run", analysis, "--preset", "full", "--files", "a.root", "--files", "b.root", "--workers", 3)
    assert printed == [
        "[('accelerator', 'auto'), ('executor', 'futures'), ('files', ('a.root', 'b.root')), "
        "('folder', PosixPath('output/tagging/full')), ('preset', 'full'), ('scheduler', None), ('workers', 3)]"
    ]


def test_plot_says_what_was_written_where(analysis, tmp_path):
    assert "`cortado run" in fail("plot", analysis)
    (tmp_path / "out").mkdir()
    assert succeed("plot", analysis, "--out", "out")[-1] == "wrote 2 figures to out/plots"


def test_train_trains_the_networks_of_the_study(analysis, monkeypatch):
    from cortado import training

    trained = []
    monkeypatch.setattr(training, "train", lambda study, output, **options: trained.append((study, output, options)))
    printed = succeed("train", analysis, "--out", "folder", "--only", "small", "--resume")
    assert printed[-1] == "wrote to folder: small/small.cortado"
    ((study, output, options),) = trained
    assert (study.preset, str(output), options["resume"]) == ("quick", "folder/small", True)
    assert "= 'smal', required: one of small, large; nearest: small" in fail("train", analysis, "--only", "smal")


def test_train_by_folds_trains_as_often_and_says_where_the_bundles_are(tmp_path, analysis, toy_files):
    text = f"FILES = {toy_files}\n" + FOLDED
    (analysis / "study.py").write_text(text)
    lines = succeed("train", analysis, "--out", "trained", "--folds", 3)
    assert lines[-1] == "wrote 3 bundles to trained/small, fold0 to fold2"
    rules = [bundle.load(f"trained/small/fold{i}/small.cortado").provenance["fold"] for i in range(3)]
    assert [(rule["index"], rule["folds"]) for rule in rules] == [(0, 3), (1, 3), (2, 3)]
    succeed("score", "trained/small", toy_files[0], "--out", "scores.root")
    jets = cortado.read(toy_files[0]).jets
    expected = scoring.folds(sorted(tmp_path.glob("trained/small/*/*.cortado"))).probabilities(jets)
    with uproot.open("scores.root") as file:
        np.testing.assert_allclose(ak.flatten(file["scores/jet_w"].array()), ak.flatten(expected.w), atol=1e-5)
    assert "has no fold0/NAME.cortado" in fail("score", "trained", toy_files[0], "--out", "scores.root")
    other = analysis.parent / "other"
    other.mkdir()
    (other / "study.py").write_text(text.replace("folds=None", "folds=4"))
    assert "--folds 3: the study 'small' has folds = 4" in fail("train", other, "--folds", 3)
    assert succeed("train", other, "--out", "by_study")[-1] == "wrote 4 bundles to by_study/small, fold0 to fold3"
    message = "a bundle in it: by_study/small/fold1/small.cortado"
    assert message in fail("score", "by_study/small/fold1", toy_files[0], "--out", "scores.root")
    assert "name ntuples behind the bundles" in fail("score", "by_study/small", "--out", "scores.root")


def test_a_folder_without_study_names_the_nearest(analysis):
    other = analysis.parent / "taging"
    other.mkdir()
    message = fail("run", other)
    assert f"no study.py in {other}" in message
    assert str(analysis) in message


def test_a_study_that_lacks_a_function_is_told_what_it_must_define(analysis):
    (analysis / "study.py").write_text("studies = None\n")
    message = fail("run", analysis)
    assert f"{analysis / 'study.py'} has no function 'run'" in message
    assert "run: run(*, preset, folder, files, executor, workers, scheduler, accelerator), which" in message
    assert "has no function 'studies'" in fail("train", analysis)


def test_a_study_may_be_named_by_its_file(analysis):
    assert succeed("run", analysis / "study.py") == succeed("run", analysis)


@pytest.mark.parametrize(
    "text, message, line",
    [
        ("import math\nmath.squareroot\n", "AttributeError: module 'math' has no attribute 'squareroot'", 2),
        ("def run(**options):\n\n    return undefined\n", "NameError: name 'undefined' is not defined", 3),
        ("def run(**options):\n    return sorted(options, key=3)\n", "TypeError: 'int' object is not callable", 2),
        ("def run(**options):\n    return {}['a']\n", "KeyError: a", 2),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'", 1),
        ("def run(:\n", "SyntaxError: ", 1),
    ],
)
def test_an_error_in_a_study_is_told_with_its_line(analysis, text, message, line):
    (analysis / "study.py").write_text(text)
    first, second = fail("run", analysis).splitlines()
    assert first.startswith(message)
    assert second == f"  {analysis / 'study.py'}, line {line}: {text.splitlines()[line - 1].strip()}"


def test_an_error_that_says_itself_what_is_wrong_is_one_line(analysis):
    text = "from cortado.splits import Split\n\ndef run(**options):\n    Split(validation=2.0)\n"
    (analysis / "study.py").write_text(text)
    (line,) = fail("run", analysis).splitlines()
    assert line.startswith("ValueError: ")


def test_a_fault_of_our_own_is_told_with_its_line_and_the_file(monkeypatch, tmp_path):
    from cortado import ntuples

    monkeypatch.setattr(ntuples, "find_tree", None)
    (tmp_path / "a.root").touch()
    first, where, file, hint = fail("inspect", tmp_path / "a.root").splitlines()
    assert first == "TypeError: 'NoneType' object is not callable"
    assert re.fullmatch(r"  cortado/cli/inspection\.py, line \d+: tree = ntuples.find_tree.*", where)
    assert file == f"  while at {tmp_path / 'a.root'}"
    assert "CORTADO_TRACEBACK=1" in hint
    monkeypatch.setenv("CORTADO_TRACEBACK", "1")
    with pytest.raises(TypeError, match="not callable"):
        raise invoke("inspect", tmp_path / "a.root").exception


def test_an_executor_that_is_not_there_is_refused_before_anything_is_made(analysis, monkeypatch):
    message = fail("run", analysis, "--executor", "future")
    assert "executor = 'future', required: one of iterative, futures, dask, parsl; nearest: futures" in message
    assert "is for the executor dask" in fail("run", analysis, "--scheduler", "tcp://head:8786")
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert 'needs distributed, of the extra `dask`: pip install ".[dask]"' in fail(
        "run", analysis, "--executor", "dask"
    )


@pytest.mark.parametrize("name", ["lightning", "json", "my.study.v2", "2021", "with space", "cortado"])
def test_a_folder_may_have_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "numpy" / name
    folder.mkdir(parents=True)
    (folder / "networks.py").write_text("PRESETS = 'of the folder'\n")
    (folder.parent / "common.py").write_text("COMMON = 'of all'\n")
    text = "from .networks import PRESETS\nfrom . import networks\n"
    (folder / "study.py").write_text(text + "def run(**options):\n    print(PRESETS, networks.PRESETS)\n")
    assert succeed("run", folder) == ["of the folder of the folder"]


def test_studies_of_one_name_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2, 1):
        folder = tmp_path / str(number) / "tagging"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "study.py").write_text(f"def run(**options):\n    print({number})\n")
        assert succeed("run", folder) == [str(number)]


STRAY = ("lightning", "hist", "torch", "json", "coffea", "awkward", "uproot", "rich", "xxhash")
WORKING = """
import numpy as np
from coffea import processor
from coffea.nanoevents import BaseSchema

from cortado import processors, training
from .counting import Count

def run(*, executor, workers, **options):
    files = {"d": {"files": {"a.root": "Events"}}}
    output = processors.run(files, Count(), executor=executor, workers=workers, schema=BaseSchema, progress=False)
    print(output)
"""
COUNTING = """
from coffea import processor

class Count(processor.ProcessorABC):
    def process(self, events):
        return {"n": len(events)}

    def postprocess(self, accumulator):
        return accumulator
"""


@pytest.mark.parametrize("executor", ["iterative", "futures"])
def test_files_beside_a_study_take_the_place_of_no_library(tmp_path, executor):
    """Neither here nor in worker processes, which find the study nevertheless."""
    folder = tmp_path / "analyses" / "my.study"
    folder.mkdir(parents=True)
    for where in (folder, folder.parent, folder.parent.parent):
        for name in STRAY:
            (where / f"{name}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nraise SystemExit(7)\n")
    (folder / "study.py").write_text(WORKING)
    (folder / "counting.py").write_text(COUNTING)
    work = tmp_path / "work"
    work.mkdir()
    write_tree(work / "a.root", {"x": np.ones(12, "f4")})
    command = [sys.executable, "-P", "-m", "cortado.cli", "run", str(folder), "--executor", executor, "--workers", "1"]
    run = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "{'n': 12}"), run.stderr
    assert not (tmp_path / "executed").exists()
