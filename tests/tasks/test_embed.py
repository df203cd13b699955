"""Embeddings: loss and merits against slow counts, what is true, and the edges of events."""

import dataclasses
import itertools

import awkward as ak
import numpy as np
import pytest
import torch
from tasks.cases import tensors
from toy_hits import toy_hits

from cortado.bundle import Bundle, answers, columns, load, save
from cortado.export import to_onnx
from cortado.models import HitEmbedding
from cortado.representations import HitCloud
from cortado.tasks import Batch, Embed, Embedded, Evaluation

EVENTS = toy_hits(4, 6, seed=2, noise=0.3)
CLOUD = HitCloud()
TASK = Embed(dimensions=2, radius=0.4, neighbours=4, margin=0.5, random=2, weights=(2.0, 0.5))


def network(dimensions=2, seed=1):
    torch.manual_seed(seed)
    return HitEmbedding(hidden=8, dimensions=dimensions).eval()


def batch(events=EVENTS, task=TASK, weight=None):
    inputs = CLOUD(events)
    weight = np.ones(len(events)) if weight is None else np.asarray(weight)
    return Batch(tensors(inputs), tensors(task.target(events, None, inputs)), torch.from_numpy(weight).float())


# Slow twins


def flat(events):
    """Event, particle, r and number in its event of all hits."""
    return [
        (event, hit["particle_id"], np.hypot(hit["x"], hit["y"]), number)
        for event, hits in enumerate(events.hits.to_list())
        for number, hit in enumerate(hits)
    ]


def slow_true_pairs(events, hard=lambda event, particle: True):
    hits, pairs = flat(events), set()
    for event, particle in {each[:2] for each in hits if each[1] and hard(*each[:2])}:
        mine = sorted((r, i) for i, (e, p, r, _) in enumerate(hits) if (e, p) == (event, particle))
        pairs |= {(one[1], other[1]) for one, other in itertools.pairwise(mine)}
    return pairs


def slow_near_pairs(places, events, task):
    hits, pairs = flat(events), set()
    for i in range(len(hits)):
        others = [j for j in range(len(hits)) if j != i and hits[j][0] == hits[i][0]]
        distance = {j: np.linalg.norm(places[i] - places[j]) for j in others}
        near = sorted(distance, key=distance.get)[: task.neighbours]
        pairs |= {(min(i, j), max(i, j)) for j in near if distance[j] < task.radius}
    return pairs


def one_particle(hits, pair):
    (event, particle, *_), (other_event, other, *_) = (hits[hit] for hit in pair)
    return event == other_event and particle == other != 0


def places_of(model, events=EVENTS):
    with torch.no_grad():
        return model(*tensors(CLOUD(events))).double().numpy()


def test_loss_equals_a_slow_sum():
    weight = [1.0, 0.5, 0.0, 2.0]
    model, one = network(), batch(weight=weight)
    places, hits = places_of(model), flat(EVENTS)
    true = [(pair, np.linalg.norm(places[pair[0]] - places[pair[1]])) for pair in slow_true_pairs(EVENTS)]
    asked = [*map(tuple, one.target.random.T.tolist()), *slow_near_pairs(places, EVENTS, TASK)]
    false = [(p, np.linalg.norm(places[p[0]] - places[p[1]])) for p in asked if not one_particle(hits, p)]
    w = {id(group): np.array([weight[hits[pair[0]][0]] for pair, _ in group]) for group in (true, false)}
    close, apart = (np.array([distance for _, distance in group]) for group in (true, false))
    expected = 2.0 * np.sum(w[id(true)] * close**2) / w[id(true)].sum()
    expected += 0.5 * np.sum(w[id(false)] * np.maximum(0, 0.5 - apart) ** 2) / sum(weight[hit[0]] for hit in hits)
    (move,) = TASK.moves({"model": model}, one)
    assert move.network == "model"
    assert move.loss.item() == pytest.approx(expected, rel=1e-4)
    assert TASK.judged(TASK.rows({"model": model}, one).detach())["loss"] == pytest.approx(expected, rel=1e-4)


def test_merits_equal_slow_counts():
    model = network()
    near, true = slow_near_pairs(places_of(model), EVENTS, TASK), slow_true_pairs(EVENTS)
    hits, judged = flat(EVENTS), TASK.judged(TASK.rows({"model": model}, batch()).detach())
    assert judged["efficiency"] == pytest.approx(len({tuple(sorted(pair)) for pair in true} & near) / len(true))
    assert judged["purity"] == pytest.approx(np.mean([one_particle(hits, pair) for pair in near]))
    assert 0 < judged["efficiency"] < 1


def test_gradients_are_finite_where_hits_coincide():
    twice = ak.with_field(EVENTS, ak.concatenate([EVENTS.hits, EVENTS.hits], axis=1), "hits")
    model = network()
    (move,) = TASK.moves({"model": model}, batch(twice))
    move.loss.backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


# What is true


def test_true_pairs_follow_one_another_from_the_beam_line():
    true = TASK.target(EVENTS, None, CLOUD(EVENTS)).true
    assert set(map(tuple, true.T.tolist())) == slow_true_pairs(EVENTS)
    r = np.array([each[2] for each in flat(EVENTS)])
    assert (r[true[0]] <= r[true[1]]).all()


def test_soft_particles_count_for_nothing():
    pt = [dict(zip(each.particle_id.to_list(), np.hypot(each.px, each.py))) for each in EVENTS.particles]
    task = dataclasses.replace(TASK, min_pt=1.0)
    assert {"particles.px", "particles.py", "particles.particle_id"} < set(task.fields)
    target = task.target(columns(EVENTS, (*task.fields, *CLOUD.fields)), None, CLOUD(EVENTS))
    expected = slow_true_pairs(EVENTS, lambda event, particle: pt[event][particle] >= 1.0)
    assert set(map(tuple, target.true.T.tolist())) == expected
    assert 0 < len(expected) < len(slow_true_pairs(EVENTS))
    np.testing.assert_array_equal(target.particle, TASK.target(EVENTS, None, CLOUD(EVENTS)).particle)


def test_hits_of_noise_are_of_no_particle():
    particle = TASK.target(EVENTS, None, CLOUD(EVENTS)).particle
    is_noise = np.array([each[1] == 0 for each in flat(EVENTS)])
    assert len(np.unique(particle[is_noise])) == np.count_nonzero(is_noise) > 1
    assert (particle[is_noise] < 0).all()
    assert len(np.unique(particle[~is_noise])) == len({each[:2] for each in flat(EVENTS) if each[1]})


def test_random_pairs_are_of_one_event_and_depend_on_it_alone():
    random = TASK.target(EVENTS, None, CLOUD(EVENTS)).random
    event = CLOUD(EVENTS).event
    assert (event[random[0]] == event[random[1]]).all()
    assert (random[0] != random[1]).all()
    assert random.shape[1] > 1.8 * len(event)
    alone = TASK.target(EVENTS[2:3], None, CLOUD(EVENTS[2:3])).random
    np.testing.assert_array_equal(alone, random[:, event[random[0]] == 2] - np.searchsorted(event, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": "particle_id"}, r'truth = \'particle_id\', required: a field of hits, "hits\.particle_id"'),
        ({"radius": 0.0}, r"radius = 0\.0, required: a positive number"),
        ({"margin": np.inf}, r"margin = inf, required: a positive number"),
        ({"dimensions": 0}, "dimensions = 0, required: at least 1"),
        ({"neighbours": 0}, "neighbours = 0, required: at least 1"),
        ({"random": 0}, "random = 0, required: at least 1"),
        ({"weights": (1.0, 0.0)}, r"weights = \(1\.0, 0\.0\), required: two positive numbers, of true and of false"),
        ({"min_pt": -1.0}, r"min_pt = -1\.0, required: at least 0"),
    ],
)
def test_tasks_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        Embed(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"collection": ""}, "collection must be a field such as 'hits', got ''"),
        ({"radius": -1.0}, r"radius must be a positive number, got -1\.0"),
        ({"neighbours": 2.5}, r"neighbours must be an integer of at least 1, got 2\.5"),
        ({"dimensions": 0}, "dimensions must be an integer of at least 1, got 0"),
    ],
)
def test_uses_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=rf"a\.cortado: {message}"):
        Embedded(**changes).check("a.cortado")


def test_embeddings_are_not_averaged():
    with pytest.raises(ValueError, match="embeddings cannot be averaged"):
        Embedded().combined([])


# Bundles


def bundle_of(task=TASK):
    model, arguments = network(), {"hidden": 8, "dimensions": 2}
    return Bundle(representation=CLOUD, model=model, arguments=arguments, use=task.use(CLOUD, model))


@pytest.fixture(scope="module")
def few():
    """Events of which one has no hits, and one a single hit; without truth."""
    hits = EVENTS.hits[["x", "y", "z", "layer"]]
    parts = [hits[:2], hits[:1, :0], hits[2:3, :1], hits[3:]]
    return ak.zip({"hits": ak.concatenate(parts)}, depth_limit=1)


@pytest.mark.parametrize("skip_empty", [False, True])
def test_edges_are_near_pairs_from_the_inner_to_the_outer_hit(few, skip_empty):
    bundle = bundle_of()
    edges = answers(bundle, few, skip_empty=skip_empty, batch_size=2).edges
    assert ak.num(edges)[2:4].tolist() == [0, 0]
    assert str(edges.type) == "5 * var * {inner: int64, outer: int64, score: float32}"
    for event in (0, 1, 4):
        alone = ak.with_field(
            few[event : event + 1], ak.with_field(few.hits[event : event + 1], 1, "particle_id"), "hits"
        )
        places, r = places_of(bundle.model, alone), [hit[2] for hit in flat(alone)]
        expected = {}
        for i, j in slow_near_pairs(places, alone, TASK):
            distance = np.linalg.norm(places[i] - places[j])
            expected[(i, j) if r[i] <= r[j] else (j, i)] = 0.4 / (0.4 + distance)
        mine = edges[event]
        found = dict(zip(zip(mine.inner.to_list(), mine.outer.to_list()), mine.score.to_list()))
        assert list(found) == sorted(expected)
        assert found == pytest.approx(expected, abs=1e-4)
        assert ak.all(mine.score > 0.5)
        assert ak.all(mine.score < 1)


def test_hits_at_one_place_have_a_score_below_one(few):
    twice = ak.with_field(few, ak.concatenate([few.hits, few.hits], axis=1), "hits")
    score = answers(bundle_of(), twice).edges.score
    assert 1 - 1e-6 < ak.max(score) < 1


def test_order_of_the_hits_changes_nothing_but_their_numbers(few):
    order = ak.argsort(ak.unflatten(np.random.default_rng(1).random(ak.count(few.hits.x)), ak.num(few.hits)))
    bundle = bundle_of()
    before, after = (answers(bundle, events).edges for events in (few, ak.with_field(few, few.hits[order], "hits")))
    for one, other, place in zip(before.to_list(), after.to_list(), order.to_list()):
        moved = {frozenset((place[edge["inner"]], place[edge["outer"]])) for edge in other}
        assert moved == {frozenset((edge["inner"], edge["outer"])) for edge in one}


def test_two_events_at_one_place_do_not_mix():
    bundle, event = bundle_of(), EVENTS[:1]
    one = answers(bundle, event).edges[0].to_list()
    assert answers(bundle, ak.concatenate([event, event])).edges.to_list() == [one, one]


def test_a_position_that_is_not_finite_is_named(few):
    broken = ak.with_field(few, ak.with_field(few.hits, ak.where(few.hits.layer == 3, np.nan, few.hits.y), "y"), "hits")
    with pytest.raises(ValueError, match=r"HitCloud: hits\.y of event \d is nan, must be finite"):
        answers(bundle_of(), broken)


@pytest.mark.filterwarnings("ignore")
def test_an_export_gives_places_and_events(tmp_path):
    path = save(bundle_of(), tmp_path / "a.cortado", canary=EVENTS)
    assert load(path).use == Embedded(dimensions=2, radius=0.4, neighbours=4)
    assert to_onnx(path, tmp_path / "a.onnx").difference < 1e-5
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["embedding", "event_index"]
    inputs = CLOUD(EVENTS[1:2])
    embedding, _ = session.run(None, inputs._asdict())
    np.testing.assert_allclose(embedding, places_of(bundle_of().model, EVENTS[1:2]), atol=1e-5)


@pytest.mark.parametrize("min_pt", [0.0, 1.0])
def test_measured_are_the_merits_that_were_judged(min_pt):
    task = dataclasses.replace(TASK, min_pt=min_pt)
    bundle = bundle_of(task)
    objects = columns(EVENTS, task.fields)
    evaluation = Evaluation(answers(bundle, columns(EVENTS, bundle.fields)), objects, np.zeros(4), np.ones(4), ())
    judged = task.judged(task.rows({"model": bundle.model}, batch(task=task)).detach())
    del judged["loss"]
    assert task.measured(lambda: evaluation).merits == pytest.approx(judged)


def test_measured_of_nothing_is_none():
    none = ak.with_field(EVENTS, EVENTS.hits[:, :0], "hits")
    bundle = bundle_of()
    said = answers(bundle, columns(none, bundle.fields))
    evaluation = Evaluation(said, columns(none, TASK.fields), np.zeros(4), np.ones(4), ())
    assert TASK.measured(lambda: evaluation).merits == {"efficiency": None, "purity": None}
