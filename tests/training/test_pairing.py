"""Networks on pairs: their loss, their training, and taggers on top of them."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from toy_tracks import write_tracks

from cortado import bundle
from cortado.models import FlavourTagger, SetToGraph, TrackPair
from cortado.representations import TrackSet
from cortado.splits import Split
from cortado.training import Recipe, Study, evaluate, train
from cortado.training.loading import NO_PARTITION, Batch
from cortado.training.pairing import Pairing, pair_loss, total_loss

SMALL = {"hidden": (16, 16, 5), "edge_hidden": (16,)}


def is_flavour(code, jets):
    return jets.flavour == code


@pytest.fixture(scope="module")
def pairs_study(tmp_path_factory):
    path = write_tracks(tmp_path_factory.mktemp("tracks") / "jets.root", 600)
    return Study(
        name="finder",
        files=(str(path),),
        classes={"b": functools.partial(is_flavour, 5), "light": functools.partial(is_flavour, 0)},
        signal="b",
        representation=TrackSet(),
        scaling="fit",
        model=functools.partial(TrackPair, **SMALL),
        recipe=Recipe(epochs=8, batch_size=16, workers=0, learning_rate=1e-2, bucket=True),
        split=Split(validation=0.2, test=0.2),
        partition="tracks.vertex_index",
    )


@pytest.fixture(scope="module")
def finder(pairs_study, tmp_path_factory):
    return train(pairs_study, tmp_path_factory.mktemp("finder"), progress=False)


def toy_pairs(n=7, p=5, seed=1):
    rng = torch.Generator().manual_seed(seed)
    partition = torch.randint(0, 3, (n, p), generator=rng)
    partition[torch.arange(p) >= torch.randint(0, p + 1, (n, 1), generator=rng)] = NO_PARTITION
    return torch.randn(n, p, p, generator=rng), partition, torch.rand(n, generator=rng) + 0.5


def slow_loss(logits, partition, weight):
    """The same, pair by pair."""
    pairs = entropy = both = size = 0.0
    for jet in range(len(partition)):
        for i in range(partition.shape[1]):
            for j in range(partition.shape[1]):
                if i == j or NO_PARTITION in (partition[jet, i], partition[jet, j]):
                    continue
                p, w = torch.sigmoid(logits[jet, i, j]).item(), weight[jet].item()
                same = float(partition[jet, i] == partition[jet, j])
                pairs += w
                entropy -= w * np.log(p if same else 1 - p)
                both += w * p * same
                size += w * (p + same)
    return entropy / pairs - 2 * both / size


def test_loss_equals_a_slow_count():
    logits, partition, weight = toy_pairs()
    assert total_loss(*pair_loss(logits, partition, weight)).item() == pytest.approx(
        slow_loss(logits, partition, weight), rel=1e-5
    )


def test_loss_does_not_see_padding_nor_the_diagonal():
    logits, partition, weight = toy_pairs()
    expected = total_loss(*pair_loss(logits, partition, weight))
    more = torch.nn.functional.pad(logits, (0, 2, 0, 2), value=torch.inf)
    more[:, range(5), range(5)] = 1e30
    longer = torch.nn.functional.pad(partition, (0, 2), value=NO_PARTITION)
    torch.testing.assert_close(total_loss(*pair_loss(more, longer, weight)), expected)


def test_loss_of_a_perfect_network_is_minus_one_and_of_no_pairs_nought():
    _, partition, weight = toy_pairs()
    perfect = torch.where(partition.unsqueeze(1) == partition.unsqueeze(2), 50.0, -50.0)
    assert total_loss(*pair_loss(perfect, partition, weight)).item() == pytest.approx(-1, abs=1e-5)
    alone = torch.full((3, 2), NO_PARTITION)
    assert total_loss(*pair_loss(torch.zeros(3, 2, 2), alone, torch.ones(3))).item() == 0


@pytest.mark.parametrize("logit", [torch.inf, torch.nan])
def test_divergence_is_reported(logit):
    module = Pairing(torch.nn.Identity(), Recipe(), signal=1, jets=8).eval()
    _, partition, weight = toy_pairs()
    partition[:, :2] = 0
    broken = Batch((torch.full((7, 5, 5), logit),), torch.ones(7, dtype=torch.int64), weight, partition)
    module.validation_step(broken, 0)
    with pytest.raises(FloatingPointError, match=r"of 7 validation jets are not finite .* lower learning_rate"):
        module.on_validation_epoch_end()


def test_vertices_are_learned(finder, pairs_study):
    """Two vertices that d0 tells apart: pairs are right; the history names what was measured."""
    assert finder.metrics["ari"] > 0.8
    assert finder.metrics["f1"] == pytest.approx(max(row.merits["f1"] for row in finder.epochs), abs=0.05)
    header = (finder.bundle.parent / "history.csv").read_text().splitlines()[0]
    assert "validation_f1,validation_ari" in header
    assert "adjusted Rand index" in str(finder)
    found = bundle.load(finder.bundle)
    assert (found.task, found.classes, found.signal) == ("pairing", ("different", "same"), "same")
    assert train(pairs_study, finder.bundle.parent, resume=True, progress=False).metrics == finder.metrics


def test_pairs_have_no_score_of_a_jet(finder, pairs_study):
    with pytest.raises(ValueError, match=r"study 'finder' is of pairing"):
        evaluate(finder.bundle, pairs_study)


def test_a_partition_is_a_field_of_constituents(pairs_study):
    with pytest.raises(ValueError, match=r"partition = 'vertex_index', required: None or a field of constituents"):
        dataclasses.replace(pairs_study, partition="vertex_index")


def tagger_study(study, finder, **changes):
    model = functools.partial(FlavourTagger, finder="TrackPair", finder_arguments=SMALL)
    frozen = {"finder": str(finder.bundle)}
    recipe = dataclasses.replace(study.recipe, epochs=2)
    return dataclasses.replace(
        study, name="tagger", partition=None, recipe=recipe, **{"model": model, "frozen": frozen} | changes
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


def test_truth_that_is_missing_is_named(pairs_study, tmp_path):
    path = write_tracks(tmp_path / "data.root", 50, truth=False)
    study = dataclasses.replace(
        pairs_study, files=(str(path),), classes={"b": lambda jets: jets.pt > 50, "light": lambda jets: jets.pt <= 50}
    )
    with pytest.raises(ValueError, match=r"jets have no field 'tracks.vertex_index'"):
        train(study, tmp_path / "out", progress=False)


def test_other_networks_on_pairs_train_too(pairs_study, tmp_path):
    study = dataclasses.replace(pairs_study, name="pairs", model=functools.partial(SetToGraph, **SMALL))
    assert train(study, tmp_path, progress=False).epochs[-1].validation_loss < 0
