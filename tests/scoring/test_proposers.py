"""From hits to tracks by an embedding, a filter and a network: trained from files, used in one call."""

import dataclasses
import functools
import pickle

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, succeed
from toy_track_finder import write_hits

import cortado
from cortado import bundle, ntuples, training
from cortado.models import EdgeFilter, HitEmbedding
from cortado.readers import hits as dialect
from cortado.representations import GivenGraph, HitCloud
from cortado.representations.hit_graph import kept_segments
from cortado.scoring import Predictor, Proposer, TrackFinder, with_edges
from cortado.splits import Split
from cortado.tasks import ClassifyEdges, Embed
from cortado.training import Objects, Recipe, Study


def study(name, file, **changes):
    objects = Objects(files=(file,), collection="events", split=Split(validation=0.2, test=0.0, seed=1))
    recipe = Recipe(epochs=3, batch_size=1, learning_rate=1e-2, step_size=100, workers=0)
    return Study(name=name, objects=objects, recipe=recipe, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("proposers")


@pytest.fixture(scope="module")
def events(folder):
    """Of which the embedding has seen none."""
    return cortado.read(write_hits(folder / "judging.root", 6, seed=2, mu=1.0))


@pytest.fixture(scope="module")
def embedding(folder):
    """Path of a bundle that was trained for a few epochs of 19 events."""
    file = write_hits(folder / "hits.root", 24, seed=1, mu=1.0)
    task = Embed(dimensions=4, neighbours=20, min_pt=0.4)
    chosen = study(
        "embedding", file, representation=HitCloud(), model=functools.partial(HitEmbedding, hidden=64), task=task
    )
    return training.train(chosen, folder / "embedding").bundle


@pytest.fixture(scope="module")
def filtered(folder, embedding):
    """Path of a bundle that was trained on the edges of the embedding, which were written to a file."""
    record = cortado.read(folder / "hits.root")
    written = folder / "edges.root"
    ntuples.write(written, dialect.TREE, [dialect.columns_of(with_edges(record, cortado.load(embedding)))])
    task = ClassifyEdges(truth="edges.label")
    chosen = study(
        "filter", written, representation=GivenGraph(), model=functools.partial(EdgeFilter, hidden=32), task=task
    )
    return training.train(chosen, folder / "filter").bundle


@pytest.fixture(scope="module")
def finder(embedding, filtered):
    return cortado.load(filtered, proposers=(embedding,))


# ------------------------------------------------------------------------------------- what is learned


def test_edges_keep_most_true_segments_and_few_others(events, embedding):
    proposed = with_edges(events, cortado.load(embedding))
    assert kept_segments(GivenGraph(), proposed, min_pt=0.5, min_hits=4) > 0.9
    assert ak.mean(proposed.edges.label) > 5 * _share_of_all_pairs(events)


def _share_of_all_pairs(events):
    """Share of all pairs of hits of an event that are of one particle."""
    hits = [np.unique(one[one != 0], return_counts=True)[1] for one in map(np.asarray, events.hits.particle_id)]
    return sum(np.sum(each**2) for each in hits) / np.sum(ak.to_numpy(ak.num(events.hits)) ** 2)


def test_a_filter_drops_more_false_edges_than_true(events, embedding, filtered, finder):
    before = with_edges(events, cortado.load(embedding))
    after = with_edges(before, cortado.load(filtered), 0.1)
    share = kept_segments(GivenGraph(), after) / kept_segments(GivenGraph(), before)
    assert share > 0.9
    assert ak.count(after.edges.inner) < 0.8 * ak.count(before.edges.inner)
    assert ak.mean(after.edges.label) > ak.mean(before.edges.label)


def test_a_training_that_accepts_no_edge_at_first_is_kept(filtered, folder):
    """The purity of no edges is not defined: None in the bundle, NaN in the result."""
    task = ClassifyEdges(truth="edges.label", threshold=0.999999)
    model = functools.partial(EdgeFilter, hidden=4)
    chosen = study("strict", folder / "edges.root", representation=GivenGraph(), model=model, task=task)
    chosen = dataclasses.replace(chosen, recipe=dataclasses.replace(chosen.recipe, epochs=1))
    result = training.train(chosen, folder / "strict", progress=False)
    assert np.isnan(result.epochs[0].merits["purity"])
    (written,) = bundle.load(result.bundle).provenance["epochs"]
    assert (written["merits"]["purity"], written["merits"]["efficiency"]) == (None, 0)


def test_the_command_takes_proposers(folder, events, finder, embedding, filtered, tmp_path):
    out = tmp_path / "tracks.root"
    line = ("score", filtered, folder / "judging.root", "--out", out, "--overwrite")
    assert "no field" in fail(*line)
    succeed(*line, "--proposer", embedding)
    with uproot.open(out) as file:
        assert file["tracks/hit_trackIdx"].array().tolist() == finder(events).tolist()
    both = ("--proposer", embedding, "--proposer", f"{filtered}:0.3")
    succeed(*line, *both)
    expected = cortado.load(filtered, proposers=(embedding, (filtered, 0.3)))(events)
    with uproot.open(out) as file:
        assert file["tracks/hit_trackIdx"].array().tolist() == expected.tolist()
    assert f"--proposer {embedding}:x: required is BUNDLE or BUNDLE:THRESHOLD" in fail(
        *line, "--proposer", f"{embedding}:x"
    )
    assert "Predictor has no setting proposers" in fail(
        "score", embedding, folder / "judging.root", "--out", out, "--proposer", embedding
    )


# --------------------------------------------------------------------------------------------- edges


def test_labels_are_those_that_trainings_count(events, embedding):
    proposed = with_edges(events, cortado.load(embedding))
    target = ClassifyEdges().target(proposed, None, GivenGraph()(proposed))
    np.testing.assert_array_equal(ak.flatten(proposed.edges.label), target.joined)
    assert str(proposed.edges.type) == f"{len(events)} * var * {{inner: int32, outer: int32, label: int32}}"
    bare = ak.zip({"hits": events.hits[["x", "y", "z", "layer"]]}, depth_limit=1)
    assert with_edges(bare, cortado.load(embedding)).edges.fields == ["inner", "outer"]


def test_edges_come_back_from_a_file(events, embedding, tmp_path):
    proposed = with_edges(events, cortado.load(embedding))
    ntuples.write(tmp_path / "edges.root", dialect.TREE, [dialect.columns_of(proposed)])
    assert cortado.read(tmp_path / "edges.root").edges.to_list() == proposed.edges.to_list()


def test_a_threshold_leaves_edges_out_and_old_edges_are_replaced(events, embedding):
    predictor = cortado.load(embedding)
    scored, proposed = predictor(events).edges, with_edges(events, predictor, 0.7)
    within = events.hits.layer[scored.inner] == events.hits.layer[scored.outer]
    assert ak.any(within)
    scored = scored[~within]
    assert proposed.edges.inner.to_list() == scored.inner[scored.score > 0.7].to_list()
    assert with_edges(proposed, predictor).edges.inner.to_list() == scored.inner.to_list()


def test_few_hits(events, finder):
    def few(number):
        return ak.with_field(events[:3], events.hits[:3, :number], "hits")

    assert finder(few(0)).to_list() == [[]] * 3
    assert finder(few(1)).to_list() == [[-1]] * 3
    assert len(finder(events[:0])) == 0


# --------------------------------------------------------------------------------------------- tracks


def partitions(label):
    """The tracks of each event as sets of hits, whatever their numbers."""
    return [
        {frozenset(np.flatnonzero(np.asarray(one) == number).tolist()) for number in set(one) if number >= 0}
        for one in label.to_list()
    ]


def test_an_embedding_alone_is_a_predictor_and_a_filter_a_finder(embedding, finder):
    assert type(cortado.load(embedding)) is Predictor
    assert type(finder) is TrackFinder
    assert len(finder.bundles()) == 2
    with pytest.raises(ValueError, match=r"is not for a TrackFinder: it gives Embedded, which Predictor\.load reads"):
        TrackFinder.load(embedding)


def test_one_call_is_that_of_the_steps(events, embedding, filtered, finder):
    by_hand = cortado.load(filtered)(with_edges(events, cortado.load(embedding)))
    assert finder(events).to_list() == by_hand.to_list()
    strict = (Predictor.load(filtered), 0.3)
    three = TrackFinder.load(filtered, proposers=(embedding, strict))
    twice = with_edges(with_edges(events, cortado.load(embedding)), *strict)
    assert three(events).to_list() == cortado.load(filtered)(twice).to_list()
    assert three.proposers[1] == Proposer(*strict)


def test_batches_and_order_of_events_change_nothing(events, filtered, embedding, finder):
    order = np.random.default_rng(1).permutation(len(events))
    single = cortado.load(filtered, proposers=(embedding,), batch_size=1)
    assert single.proposers[0].predictor.batch_size == 1
    assert single(events[order]).to_list() == finder(events)[order].to_list()


def test_another_order_of_the_hits_gives_the_same_tracks(events, finder):
    label = finder(events)
    order = ak.argsort(ak.unflatten(np.random.default_rng(2).random(ak.count(label)), ak.num(label)))
    shuffled = ak.with_field(events, events.hits[order], "hits")
    assert partitions(finder(shuffled)) == partitions(label[order])


def test_a_finder_with_proposers_survives_pickling(events, finder):
    again = pickle.loads(pickle.dumps(finder))
    assert again == finder
    assert again(events[:2]).to_list() == finder(events[:2]).to_list()


def test_a_position_that_is_not_finite_is_named(events, finder):
    chosen = (np.arange(len(events)) == 4) & (ak.local_index(events.hits.x) == 3)
    broken = ak.with_field(events, ak.with_field(events.hits, ak.where(chosen, np.nan, events.hits.x), "x"), "hits")
    with pytest.raises(ValueError, match=r"HitCloud: hits\.x of event 4 is nan, must be finite"):
        finder(broken)


def test_proposers_that_cannot_be(filtered, embedding, tmp_path):
    with pytest.raises(ValueError, match=r"proposers = .*, required: a tuple of bundles"):
        TrackFinder.load(filtered, proposers=str(embedding))
    with pytest.raises(ValueError, match=r"proposers: threshold must be in \[0, 1\), got 1\.5"):
        cortado.load(filtered, proposers=((embedding, 1.5),))
    with pytest.raises(FileNotFoundError):
        cortado.load(filtered, proposers=(tmp_path / "none.cortado",))


def test_answers_that_are_no_edges_are_named(events):
    class Other:
        path = "other.cortado"

        def __call__(self, events):
            return ak.zip({"probability": np.zeros(len(events))})

    with pytest.raises(ValueError, match=r"other\.cortado gives no edges between hits, but probability"):
        with_edges(events, Other())
