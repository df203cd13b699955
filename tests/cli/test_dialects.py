"""Files of other experiments by the commands, as a user types them: inspect, train, score."""

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, succeed
from readers import test_delphes, test_physlite
from web import served

import cortado

STUDY = """
from functools import partial

from cortado import models, training
from cortado.representations import ParticleList
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

FEATURES = ("delta_eta", "delta_phi", "pt_fraction", "charge", "d0")


def studies(preset, folder):
    study = Study(
        name="b",
        objects=Objects(files=({path!r},), split=Split(validation=0.2, test=0.2)),
        representation=ParticleList(features=FEATURES),
        scaling="fit",
        model=partial(models.PFN, features=len(FEATURES), phi=(8,), hidden=(8,)),
        task=Classify(
            classes={{"b": lambda jets: jets.flavour == 5, "light": lambda jets: jets.flavour == 0}}, signal="b"
        ),
        recipe=Recipe(epochs=1, batch_size=32, workers=0),
    )
    return {{study.name: study}}


def run(**options):
    raise NotImplementedError
"""
TOYS = {"Delphes": test_delphes.toy_events, "PHYSLITE": test_physlite.toy_events}
REAL = {"Delphes": ("events_delphes_example.root", 22), "PHYSLITE": ("PHYSLITE_example.root", 881)}


@pytest.fixture(scope="module", params=TOYS)
def trained(request, tmp_path_factory):
    """Name of the dialect, an ntuple, and the bundle that the command has trained on it."""
    folder = tmp_path_factory.mktemp("toys")
    events = TOYS[request.param](n=200)
    with uproot.recreate(folder / "events.root") as file:
        file.mkrntuple("ntuple", {name: events[name] for name in events.fields})
    (folder / "study").mkdir()
    (folder / "study" / "study.py").write_text(STUDY.format(path=str(folder / "events.root")))
    succeed("train", folder / "study", "--out", folder / "out", "--accelerator", "cpu")
    (bundle,) = (folder / "out").rglob("b.cortado")
    return request.param, folder / "events.root", bundle


def test_files_are_inspected_trained_on_and_scored_without_naming_the_dialect(trained, tmp_path):
    dialect, path, bundle = trained
    lines = succeed("inspect", path, "--tree", "ntuple")
    assert any(line.startswith(f"{dialect}; read are") for line in lines)
    assert any("events.root" in line for line in succeed("inspect", bundle))
    succeed("score", bundle, path, "--out", tmp_path / "scores.root")
    jets = cortado.read(path).jets
    with uproot.open(tmp_path / "scores.root") as file:
        scores = file["scores"].arrays()
    expected = cortado.load(bundle, without_constituents="nan").probabilities(jets)
    np.testing.assert_allclose(ak.flatten(scores.jet_b), ak.flatten(expected.b), rtol=1e-5)
    assert ak.num(scores.jet_b).to_list() == ak.num(jets).to_list()


def test_real_files_are_scored(trained, test_data, tmp_path):
    dialect, _, bundle = trained
    name, jets = REAL[dialect]
    succeed("score", bundle, test_data / "jets" / name, "--out", tmp_path / "scores.root")
    with uproot.open(tmp_path / "scores.root") as file:
        assert len(ak.flatten(file["scores/jet_b"].array())) == jets


def test_files_without_constituents_are_not_scored(trained, test_data, tmp_path):
    _, _, bundle = trained
    message = fail(
        "score", bundle, test_data / "jets/nanoAOD_2015_CMS_Open_Data_ttbar.root", "--out", tmp_path / "s.root"
    )
    assert "NanoAOD without particle-flow candidates" in message


def test_files_on_a_server_are_inspected_and_scored(trained, tmp_path):
    dialect, path, bundle = trained
    succeed("score", bundle, path, "--out", tmp_path / "local.root")
    with served(path.parent) as address:
        assert any(line.startswith(dialect) for line in succeed("inspect", f"{address}/{path.name}:ntuple"))
        succeed("score", bundle, f"{address}/{path.name}:ntuple", "--out", tmp_path / "remote.root")
    with uproot.open(tmp_path / "local.root") as local, uproot.open(tmp_path / "remote.root") as remote:
        assert local["scores/jet_b"].array().to_list() == remote["scores/jet_b"].array().to_list()
