"""Jets of radius 0.4 from training to scores: in code, by the command, and in a coffea processor."""

from functools import partial

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema
from coffea.processor import ProcessorABC
from commands import fail, succeed
from samples import cms_columns, separated_event_jets, with_ak4_jets, write_tree

import cortado
from cortado import models, processors, training
from cortado.representations import ParticleList
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

PFNANO = {"links": "FatJetPFCands", "candidate_index": "pFCandsIdx", "candidates": "PFCands"}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea")  # branches that our small files lack


def has_flavour(number, jets):
    return jets.flavour == number


def write(path, n_events=250, seed=1):
    """PFNano without GenPart, whose AK4 jets carry a flavour, and as many candidates as coffea wants to know."""
    columns = with_ak4_jets(cms_columns(separated_event_jets(n_events, seed), seed, **PFNANO), "JetPFCands")
    links = columns["JetPFCands"].jetIdx
    n_linked = ak.sum(links[:, np.newaxis] == ak.local_index(columns["Jet"].pt)[:, :, np.newaxis], axis=2)
    columns["Jet"] = ak.with_field(columns["Jet"], ak.values_astype(n_linked, np.uint8), "nConstituents")
    write_tree(path, {name: column for name, column in columns.items() if name != "GenPart"})
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The file, and the bundle of a training on its AK4 jets."""
    folder = tmp_path_factory.mktemp("ak4")
    path = write(folder / "pfnano.root")
    study = Study(
        name="b",
        objects=Objects(files=(path,), collection="ak4_jets", split=Split(validation=0.2, test=0.2)),
        representation=ParticleList(features=("delta_eta", "delta_phi", "pt_fraction", "d0")),
        scaling="fit",
        model=partial(models.PFN, features=4, phi=(16, 16), hidden=(16,)),
        task=Classify(classes={"b": partial(has_flavour, 5), "light": partial(has_flavour, 0)}, signal="b"),
        recipe=Recipe(epochs=6, batch_size=32, learning_rate=1e-2, workers=0),
    )
    return path, training.train(study, folder, accelerator="cpu", progress=False)


class Scores(ProcessorABC):
    def __init__(self, tagger):
        self.tagger = tagger

    def process(self, events):
        jets = cortado.readers.ak4_jets(events)
        return {"scores": {int(events.event[0]): self.tagger(jets).tolist()}}

    def postprocess(self, accumulator):
        return accumulator


def test_flavours_are_learned_without_generated_particles(trained):
    assert trained[1].metrics["auc"] > 0.8


def test_the_command_scores_them(trained, tmp_path):
    path, result = trained
    lines = succeed("score", result.bundle, path, "--out", tmp_path / "scores.root")
    jets = cortado.read(path).ak4_jets
    assert lines[-1] == f"wrote {tmp_path / 'scores.root'}: {ak.count(jets.pt)} ak4_jets in 250 entries"
    with uproot.open(tmp_path / "scores.root") as file:
        scores = file["scores"].arrays()
    expected = cortado.load(result.bundle).probabilities(jets)
    assert ak.num(scores.ak4_jet_b).tolist() == ak.num(jets).tolist()
    np.testing.assert_allclose(ak.flatten(scores.ak4_jet_b), ak.flatten(expected.b), atol=1e-6)


def test_files_without_them_are_refused(trained, tmp_path):
    columns = cms_columns(separated_event_jets(20, 1), **PFNANO)
    write_tree(tmp_path / "large.root", columns)
    said = fail("score", trained[1].bundle, tmp_path / "large.root", "--out", tmp_path / "scores.root")
    assert "answers for ak4_jets, the events have none, only jets" in said


def test_a_processor_has_the_same_scores(trained):
    path, result = trained
    fileset = {"toy": {"files": {str(path): "Events"}}}
    tagger = cortado.load(result.bundle)
    output = processors.run(fileset, Scores(tagger), executor="iterative", chunksize=100)
    found = [scores for _, chunk in sorted(output["scores"].items()) for scores in chunk]
    expected = tagger(cortado.read(path).ak4_jets)
    assert [len(jets) for jets in found] == ak.num(expected).tolist()
    np.testing.assert_allclose(np.concatenate(found), ak.flatten(expected), atol=1e-6)


def test_a_processor_of_other_jets_refuses_the_bundle(trained):
    with pytest.raises(
        ValueError, match=r"b\.cortado was trained on ak4_jets, TaggingProcessor tags jets of radius 0\.8"
    ):
        processors.TaggingProcessor({"b": cortado.load(trained[1].bundle)})


def test_constituents_as_coffea_links_them_are_taken(trained):
    path, result = trained
    tagger = cortado.load(result.bundle)
    opened = NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=PFNanoAODSchema, mode="virtual")
    events = opened.events()
    linked = events.Jet.constituents.pf
    assert "?" in str(linked.type)
    linked = ak.with_field(linked, 10 * linked.d0, "d0")  # mm
    jets = ak.with_field(events.Jet, linked, "constituents")
    expected = tagger(cortado.read(path).ak4_jets)
    np.testing.assert_allclose(ak.flatten(tagger(jets)), ak.flatten(expected), atol=1e-5)
