"""`--module`: classes and readers of a user's own file in the commands, and files that cannot be used."""

import importlib
import json
import sys

import awkward as ak
import numpy as np
import pytest
import torch
import toy_taggers
import uproot
from commands import fail, succeed
from samples import write_nanoaod, write_tree

import cortado
from cortado.cli import own

READER = """
import awkward as ak

from cortado.readers import nanoaod

NAME = "private"
FORMS = (("fat_pt",),)


def branches(available):
    return ["fat_pt"]


def record(events):
    return ak.zip({"jets": ak.zip({"pt": events.fat_pt, "mass": events.fat_pt / 10})}, depth_limit=1)
"""


@pytest.fixture
def winner(tmp_path):
    """A bundle with a representation, a network and a use that are in no room."""
    use = toy_taggers.Winner(labels=("qcd", "w"))
    return toy_taggers.save_toy(tmp_path / "own.cortado", use=use, working_points=())


@pytest.fixture
def private(tmp_path, monkeypatch):
    """A file of private branches, and a reader for it; its module has a name of its own in each test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    reader = tmp_path / f"reader_{abs(hash(tmp_path.name))}.py"
    reader.write_text(READER)
    numbers = dict.fromkeys(("run", "luminosityBlock", "event"), np.arange(3))
    columns = {"fat_pt": ak.Array([[500.0, 300.0], [], [200.0]]), **numbers}
    write_tree(tmp_path / "private.root", columns, tree="ntuple")
    return tmp_path / "private.root", reader


def test_a_bundle_of_own_classes_is_scored_and_inspected_with_its_module(winner, tmp_path):
    write_nanoaod(tmp_path / "nano.root", n_events=20)
    line = ("score", winner, tmp_path / "nano.root", "--out", tmp_path / "scores.root")
    message = fail(*line)
    assert "unknown representation 'Prongs'" in message
    assert "name the file that defines Prongs: --module FILE.py" in message
    succeed(*line, "--module", toy_taggers.__file__)
    classes = toy_taggers.OWN | {"uses": (toy_taggers.Winner,)}
    expected = cortado.load(winner, without_constituents="nan", **classes)(cortado.read(tmp_path / "nano.root").jets)
    with uproot.open(tmp_path / "scores.root") as file:
        np.testing.assert_allclose(
            ak.flatten(file["scores/jet_margin"].array()), ak.flatten(expected.margin), atol=1e-5
        )
    assert "--module FILE.py" in fail("inspect", winner)
    assert "Winner(labels=('qcd', 'w'))" in "\n".join(succeed("inspect", winner, "--module", toy_taggers.__file__))


def test_an_own_reader_reads_the_files(private, tmp_path):
    file, reader = private
    kinematics = {"representation": toy_taggers.Kinematics(), "model": toy_taggers.Linear(), "working_points": ()}
    bundle = toy_taggers.save_toy(tmp_path / "own.cortado", **kinematics, arguments={})
    line = ("score", bundle, file, "--out", tmp_path / "scores.root", "--module", toy_taggers.__file__)
    assert "private.root: not of a known dialect" in fail(*line)
    assert succeed(*line, "--module", reader)[-1].endswith("3 jets in 3 entries")
    with uproot.open(tmp_path / "scores.root") as scores:
        assert scores["scores/entry"].array().tolist() == [0, 1, 2]
    assert succeed("inspect", file, "--module", reader)[-1] == "private; read are fat_pt"
    assert "NanoAOD v15 also needs" in fail("inspect", file, "--module", reader, "--dialect", "NanoAOD v15")
    assert "dialect = 'privat', required: one of" in fail("inspect", file, "--module", reader, "--dialect", "privat")


def test_of_several_readers_one_is_named(private, tmp_path):
    file, reader = private
    other = reader.with_name(f"other_{reader.name}")
    other.write_text(READER.replace('"private"', '"other"'))
    both = ("inspect", file, "--module", reader, "--module", other)
    assert "--module gives the readers private, other: --dialect NAME says which" in fail(*both)
    assert succeed(*both, "--dialect", "other")[-1] == "other; read are fat_pt"


def test_modules_that_cannot_be_used_are_named(winner, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert f"{tmp_path / 'own.cortado'}: a Python file, NAME.py, is needed" in fail(
        "inspect", winner, "--module", winner
    )
    (tmp_path / "json.py").touch()
    message = fail("inspect", winner, "--module", tmp_path / "jsn.py")
    assert "jsn.py does not exist; in its folder, nearest: json.py" in message


def test_a_module_may_have_the_name_of_a_package_and_takes_the_place_of_none(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("json", "torch", "my.network"):
        (tmp_path / f"{name}.py").write_text("from beside import Linear\nclass Mine(Linear): pass\n")
        (tmp_path / "beside.py").write_text("from torch.nn import Linear\n")
        (mine,) = own.classes([tmp_path / f"{name}.py"])["models"]
        assert issubclass(mine, torch.nn.Linear)
        assert importlib.import_module("json") is json
        assert importlib.util.find_spec("torch").origin == torch.__file__


def test_only_what_a_module_defines_or_lists_may_be_used(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    text = "from pathlib import Path\nfrom torch.nn import Linear\nclass Mine(Linear): pass\n"
    name = f"module_{abs(hash(tmp_path.name))}"
    for part, more in (("a", ""), ("b", "__all__ = ['Linear']\n")):
        (tmp_path / f"{name}_{part}.py").write_text(text + more)
    defined, listed = (own.classes([tmp_path / f"{name}_{part}.py"]) for part in "ab")
    assert [each.__name__ for each in defined["models"]] == ["Mine"]
    assert [each.__name__ for each in listed["models"]] == ["Linear"]
    assert defined["representations"] == defined["uses"] == ()
