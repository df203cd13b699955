"""Networks on pairs: their loss, their training, and taggers on top of them."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from toy_tracks import write_tracks
from toys import toy_jets

from cortado import bundle, metrics
from cortado.models import PFN, FlavourTagger, SetToGraph, TrackPair
from cortado.representations import ParticleList, TrackSet
from cortado.splits import Split
from cortado.tasks import Classes, Classify, Pair, Pairs
from cortado.training import Objects, Recipe, Study, evaluate, train

SMALL = {"hidden": (16, 16, 5), "edge_hidden": (16,)}


def is_flavour(code, jets):
    return jets.flavour == code


CLASSES = {"b": functools.partial(is_flavour, 5), "light": functools.partial(is_flavour, 0)}


@pytest.fixture(scope="module")
def pairs_study(tmp_path_factory):
    path = write_tracks(tmp_path_factory.mktemp("tracks") / "jets.root", 600)
    return Study(
        name="finder",
        objects=Objects(files=(str(path),), split=Split(validation=0.2, test=0.2)),
        task=Pair(classes=CLASSES, shown="b"),
        representation=TrackSet(),
        scaling="fit",
        model=functools.partial(TrackPair, **SMALL),
        recipe=Recipe(epochs=8, batch_size=16, workers=0, learning_rate=1e-2, bucket=True),
    )


@pytest.fixture(scope="module")
def finder(pairs_study, tmp_path_factory):
    return train(pairs_study, tmp_path_factory.mktemp("finder"), progress=False)


def test_vertices_are_learned(finder, pairs_study):
    """Two vertices that d0 tells apart: pairs are right; the history names what was measured."""
    assert finder.metrics["ari"] > 0.8
    assert finder.metrics["f1"] == pytest.approx(max(row.merits["f1"] for row in finder.epochs), abs=0.05)
    header = (finder.bundle.parent / "history.csv").read_text().splitlines()[0]
    assert "validation_f1,validation_ari" in header
    assert f"F1 {finder.metrics['f1']:.4f}, ARI" in str(finder)
    loaded = bundle.load(finder.bundle)
    assert loaded.use == Pairs(collection="tracks", threshold=0.5)
    assert train(pairs_study, finder.bundle.parent, resume=True, progress=False).metrics == finder.metrics


def test_an_evaluation_has_the_partitions_and_their_truth(finder, pairs_study):
    judged = evaluate(finder.bundle, pairs_study, subset="validation")
    truth, joined = judged.objects.tracks.vertex_index, judged.answers.partition
    shown = judged.members("b")
    f1 = np.nanmean(metrics.pairwise_f1(truth[shown], joined[shown]))
    assert finder.metrics["f1"] == pytest.approx(f1)


def tagger_study(study, finder, **changes):
    model = functools.partial(FlavourTagger, finder="TrackPair", finder_arguments=SMALL)
    frozen = {"finder": str(finder.bundle)}
    recipe = dataclasses.replace(study.recipe, epochs=2)
    return dataclasses.replace(
        study,
        name="tagger",
        task=Classify(classes=CLASSES, signal="b"),
        recipe=recipe,
        **{"model": model, "frozen": frozen} | changes,
    )


def test_a_frozen_part_keeps_its_weights(finder, pairs_study, tmp_path):
    result = train(tagger_study(pairs_study, finder), tmp_path, progress=False)
    trained, before = bundle.load(result.bundle).model, bundle.load(finder.bundle).model
    for name, value in before.state_dict().items():
        torch.testing.assert_close(trained.finder.state_dict()[name], value, rtol=0, atol=0)
    torch.manual_seed(pairs_study.recipe.seed)
    initial = FlavourTagger(finder="TrackPair", finder_arguments=SMALL, classes=2)
    assert all(not torch.equal(p, q) for p, q in zip(trained.tagger.parameters(), initial.tagger.parameters()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": functools.partial(FlavourTagger)}, r"FlavourTagger has no part 'finder' that is a TrackPair"),
        ({"model": functools.partial(FlavourTagger, finder="SetToGraph")}, "has no part 'finder' that is a TrackPair"),
        ({"model": functools.partial(FlavourTagger, finder="TrackPair")}, "the weights do not fit"),
    ],
)
def test_a_frozen_part_must_fit(finder, pairs_study, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        train(tagger_study(pairs_study, finder, **changes), tmp_path, progress=False)


def test_a_frozen_part_must_have_seen_the_same_lengths(finder, pairs_study, tmp_path):
    arguments = {"features": 2, "phi": (4,), "hidden": (4,)}
    made = {"representation": ParticleList(features=("pt_fraction", "d0")), "model": PFN(**arguments)}
    about = {"arguments": arguments, "use": Classes(classes=("qcd", "w"), signal="w"), "lengths": "cm"}
    path = bundle.save(bundle.Bundle(**made, **about), tmp_path / "cm.cortado", canary=toy_jets(4))
    with pytest.raises(
        ValueError, match=r"cm\.cortado.}: it was shown lengths in cm, now they are in mm: train it again"
    ):
        train(tagger_study(pairs_study, finder, frozen={"finder": str(path)}), tmp_path / "out", progress=False)


def test_truth_that_is_missing_is_named(pairs_study, tmp_path):
    path = write_tracks(tmp_path / "data.root", 50, truth=False)
    study = dataclasses.replace(pairs_study, objects=Objects(files=(str(path),)), task=Pair())
    with pytest.raises(ValueError, match=r"data.root, entries 0 to 50: objects have no field 'tracks.vertex_index'"):
        train(study, tmp_path / "out", progress=False)


def test_other_networks_on_pairs_train_too(pairs_study, tmp_path):
    study = dataclasses.replace(pairs_study, name="pairs", model=functools.partial(SetToGraph, **SMALL))
    assert train(study, tmp_path, progress=False).epochs[-1].validation_loss < 0
