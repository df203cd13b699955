"""An ntuple of a user's own, three classes and folds, from branches to scores by the command: nothing but a mapping."""

from functools import partial

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, succeed
from samples import write_tree

import cortado
from cortado import models, reading, training
from cortado.readers import Mapping
from cortado.representations import Columns
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

OWN = Mapping(
    jets={"pt": ("fj_pt_mev", 1e-3), "width": "fj_w", "label": "fj_label"}, event={"event": "evt"}, weight="w"
)


def is_label(number, jets):
    return jets.label == number


@pytest.fixture(scope="module")
def ntuple(tmp_path_factory):
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 3, 900)
    label = rng.integers(0, 3, counts.sum())
    columns = {"fj_pt_mev": rng.uniform(4e5, 6e5, len(label)), "fj_w": rng.normal(label, 0.3), "fj_label": label}
    columns = {name: ak.unflatten(values, counts) for name, values in columns.items()}
    path = tmp_path_factory.mktemp("own") / "own.root"
    write_tree(path, {**columns, "evt": np.arange(900, dtype=np.int64), "w": np.ones(900)}, tree="flat")
    return path


@pytest.fixture(scope="module")
def study(ntuple):
    return Study(
        name="own",
        objects=Objects(files=(ntuple,), dialect=OWN, split=Split(validation=0.2, test=0.2), folds=2),
        representation=Columns(features=("pt", "width")),
        scaling="fit",
        model=partial(models.MLP, features=2),
        task=Classify(classes={name: partial(is_label, k) for k, name in enumerate("abc")}, signal="a"),
        recipe=Recipe(epochs=6, batch_size=32, learning_rate=1e-2, workers=0),
    )


def test_a_bundle_knows_the_branches_that_it_was_trained_on(study, ntuple, tmp_path):
    training.train(study, tmp_path / "one", accelerator="cpu", progress=False)
    bundle = tmp_path / "one" / "own.cortado"
    assert any("fj_pt_mev" in line for line in succeed("inspect", bundle))
    succeed("score", bundle, ntuple, "--out", tmp_path / "scores.root")
    with uproot.open(tmp_path / "scores.root") as file:
        scores = file["scores"].arrays()
    jets = reading.read(ntuple, dialect=OWN).jets
    expected = cortado.load(bundle).probabilities(jets)
    assert ak.num(jets).tolist() == ak.num(scores.jet_a).tolist()
    np.testing.assert_allclose(ak.flatten(scores.jet_b), ak.flatten(expected.b), rtol=1e-6)
    chosen = np.argmax([np.asarray(ak.flatten(scores[f"jet_{name}"])) for name in "abc"], axis=0)
    assert np.mean(chosen == np.asarray(ak.flatten(jets.label))) > 0.8


def test_recorded_data_have_neither_truth_nor_weights(study, ntuple, tmp_path):
    training.train(study, tmp_path, accelerator="cpu", progress=False)
    data = tmp_path / "data.root"
    with uproot.open(ntuple) as file:
        events = file["flat"].arrays(["fj_pt_mev", "fj_w", "evt"])
    write_tree(data, {name: events[name] for name in events.fields}, tree="flat")
    succeed("score", tmp_path / "own.cortado", data, "--out", tmp_path / "scores.root")
    with uproot.open(tmp_path / "scores.root") as file:
        assert ak.num(file["scores"]["jet_a"].array()).tolist() == ak.num(events.fj_w).tolist()


def test_folds_score_what_they_have_not_seen(study, ntuple, tmp_path):
    results = training.train_folds(study, tmp_path, accelerator="cpu", progress=False)
    jets = reading.read(ntuple, dialect=OWN).jets
    folded = cortado.scoring.folds([result.bundle for result in results])
    single = [cortado.load(result.bundle)(jets) for result in results]
    said = np.asarray(ak.flatten(folded(jets)))
    assert all(np.any(said == np.asarray(ak.flatten(each))) for each in single)
    assert np.isfinite(said).all()


def test_a_study_of_other_branches_is_another_study(study, tmp_path):
    from dataclasses import replace

    other = replace(OWN, jets={**OWN.jets, "width": "fj_pt_mev"})
    training.train(study, tmp_path, accelerator="cpu", progress=False)
    changed = replace(study, objects=replace(study.objects, dialect=other))
    with pytest.raises(ValueError, match=r"holds the training of another study: objects\.dialect\.jets\.width"):
        training.train(changed, tmp_path, accelerator="cpu", progress=False, resume=True)


def test_files_without_the_branches_are_named(study, ntuple, tmp_path):
    training.train(study, tmp_path, accelerator="cpu", progress=False)
    write_tree(tmp_path / "other.root", {"x": np.ones(3)}, tree="flat")
    message = fail("score", tmp_path / "own.cortado", tmp_path / "other.root", "--out", tmp_path / "scores.root")
    assert "other.root: own branches: no branch fj_pt_mev" in " ".join(message.split())
