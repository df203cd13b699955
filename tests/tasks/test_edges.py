"""Edges: loss and merits against slow counts, what is true, and columns of events."""

import awkward as ak
import numpy as np
import pytest
import torch
from toy_hits import toy_hits

from cortado import metrics
from cortado.bundle import Bundle, answers, columns, load, save
from cortado.export import to_torch_export
from cortado.models import InteractionNetwork
from cortado.representations import GivenGraph, HitGraph
from cortado.representations.window_fit import fitted
from cortado.tasks import Batch, ClassifyEdges, Edges, Evaluation
from cortado.tasks.edges import EdgeTarget

EVENTS = toy_hits(5, 8, seed=2, noise=0.3)
GRAPH = HitGraph(pairs=((0, 1), (1, 2), (2, 3), (1, 10)), windows=((0.002, 300.0),) * 4)


class Wired(torch.nn.Module):
    """The first feature of an edge is its logit, after a weight of one."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, nodes, edge_index, edge_features):
        return self.weight * edge_features[:, 0]


def batch(number=400, seed=0, *, events=6):
    """Random edges, of which some event has none."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(number, 1, generator=generator)
    joined = (logits[:, 0] + 3 * torch.randn(number, generator=generator) > 0).float()
    event = torch.randint(0, events - 1, (number,), generator=generator).sort().values
    weight = torch.rand(events, generator=generator)
    inputs = torch.zeros(1, 3), torch.zeros(2, number, dtype=torch.int64), logits
    return Batch(inputs, EdgeTarget(joined, event), weight)


def slow_entropy(task, one):
    entropy = weight = 0.0
    for logit, joined, event in zip(one.inputs[2][:, 0], *one.target):
        of_edge = float(one.weight[event]) * task.weights[0 if joined else 1]
        probability = float(torch.sigmoid(logit.double()))
        entropy -= of_edge * np.log(probability if joined else 1 - probability)
        weight += of_edge
    return entropy / weight


def test_loss_equals_a_slow_sum():
    task, one = ClassifyEdges(weights=(2.5, 0.625)), batch()
    (move,) = task.moves({"model": Wired()}, one)
    assert move.network == "model"
    assert move.loss.item() == pytest.approx(slow_entropy(task, one), rel=1e-5)
    assert task.judged(task.rows({"model": Wired()}, one).detach())["loss"] == pytest.approx(move.loss.item(), rel=1e-5)


def test_merits_equal_slow_counts():
    task, one = ClassifyEdges(threshold=0.7), batch()
    judged = task.judged(task.rows({"model": Wired()}, one).detach())
    score, joined = one.inputs[2][:, 0].sigmoid().numpy(), one.target.joined.numpy() > 0
    both = np.count_nonzero((score > 0.7) & joined)
    assert judged["efficiency"] == both / np.count_nonzero(joined)
    assert judged["purity"] == both / np.count_nonzero(score > 0.7)
    assert judged["auc"] == pytest.approx(metrics.auc(joined, score).value, abs=1e-3)


def test_a_batch_without_edges_moves_nothing():
    model = Wired()
    nothing = Batch((torch.zeros(3, 3), torch.zeros(2, 0).long(), torch.zeros(0, 4)), *batch()[1:])
    nothing = nothing._replace(target=EdgeTarget(torch.zeros(0), torch.zeros(0).long()))
    (move,) = ClassifyEdges().moves({"model": model}, nothing)
    move.loss.backward()
    assert (move.loss.item(), model.weight.grad.item()) == (0, 0)
    rows = ClassifyEdges().rows({"model": model}, nothing)
    assert rows.shape[0] == len(nothing.weight)
    assert not rows.any()


# What is true


def slow_truth(events, edge_index):
    identities = [identity for event in events.hits.particle_id.to_list() for identity in event]
    return [float(identities[i] == identities[j] != 0) for i, j in edge_index.T]


def test_true_edges_join_hits_of_one_particle_and_not_noise():
    noise = ak.where(EVENTS.hits.layer == 2, 0, EVENTS.hits.particle_id)
    events = ak.with_field(EVENTS, ak.with_field(EVENTS.hits, noise, "particle_id"), "hits")
    inputs = GRAPH(events)
    joined, event = ClassifyEdges().target(events, None, inputs)
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(joined, slow_truth(events, inputs.edge_index))
    assert 0 < joined.mean() < 1
    owner = np.repeat(np.arange(5), ak.to_numpy(ak.num(events.hits)))
    np.testing.assert_array_equal(event, owner[inputs.edge_index[0]])


def test_identifiers_of_64_bits_are_told_apart():
    hits = {"x": [30.0, 70, 70], "y": [0.0] * 3, "z": [0.0] * 3, "layer": [0, 1, 1]}
    hits |= {"particle_id": [2**60, 2**60 + 1, 2**60]}
    events = ak.zip({"hits": ak.unflatten(ak.zip(hits), [3])}, depth_limit=1)
    inputs = GRAPH(events)
    assert inputs.edge_index.T.tolist() == [[0, 1], [0, 2]]
    assert ClassifyEdges().target(events, None, inputs).joined.tolist() == [0, 1]


def with_edges(events=EVENTS):
    """The same events, which bring the edges of the graph in another order, with their labels."""
    inputs = GRAPH(events)
    joined, event = ClassifyEdges().target(events, None, inputs)
    counts = ak.to_numpy(ak.num(events.hits))
    inner, outer = inputs.edge_index - (np.cumsum(counts) - counts)[event]
    edges = ak.zip({"inner": inner, "outer": outer, "label": joined.astype(np.int32)})
    return ak.with_field(events, ak.unflatten(edges, np.bincount(event, minlength=len(events)))[:, ::-1], "edges")


def test_labels_that_are_given_are_those_of_the_particles():
    events = with_edges()
    inputs = GivenGraph()(events)
    by_label, by_particle = (
        ClassifyEdges(truth=truth).target(events, None, inputs) for truth in ("edges.label", "hits.particle_id")
    )
    np.testing.assert_array_equal(by_label.joined, by_particle.joined)
    np.testing.assert_array_equal(by_label.event, by_particle.event)


def test_labels_of_other_edges_are_refused():
    events = with_edges()
    fewer = ak.with_field(events, events.edges[:, 1:], "edges")
    message = r"\d+ edges have a label, but the graph has \d+: edges\.label is for the representation `GivenGraph`"
    with pytest.raises(ValueError, match=message):
        ClassifyEdges(truth="edges.label").target(fewer, None, GRAPH(fewer))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": "particle_id"}, r'truth = \'particle_id\', required: a field of hits, "hits\.particle_id", or'),
        ({"weights": (1.0, 0.0)}, r"weights = \(1\.0, 0\.0\), required: two positive numbers, of true and of false"),
        ({"threshold": 1.0}, r"threshold = 1\.0, required: a probability in \(0, 1\)"),
    ],
)
def test_tasks_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        ClassifyEdges(**changes)


def test_a_use_needs_a_collection():
    with pytest.raises(ValueError, match=r"a\.cortado: collection must be a field such as 'hits', got ''"):
        Edges(collection="").check("a.cortado")


# Bundles


def bundle_of(representation=GRAPH, seed=1):
    torch.manual_seed(seed)
    model = InteractionNetwork(hidden=8).eval()
    return Bundle(representation=representation, model=model, arguments={"hidden": 8}, use=Edges())


@pytest.fixture(scope="module")
def few():
    """Events of which one has no hits, and one a single hit; without truth."""
    hits = EVENTS.hits[["x", "y", "z", "layer"]]
    parts = [hits[:2], hits[:1, :0], hits[2:3, :1], hits[3:]]
    return ak.zip({"hits": ak.concatenate(parts)}, depth_limit=1)


@pytest.mark.parametrize("skip_empty", [False, True])
def test_edges_have_the_hits_of_their_events(few, skip_empty):
    bundle = bundle_of()
    answered = answers(bundle, few, skip_empty=skip_empty, batch_size=2)
    assert ak.num(answered.edges)[2:4].tolist() == [0, 0]
    assert str(answered.edges.type) == "6 * var * {inner: int64, outer: int64, score: float32}"
    for event, edges in zip(few, answered.edges):
        alone = GRAPH(ak.Array([event.to_list()])) if len(event.hits) else None
        expected = [] if alone is None else alone.edge_index.T.tolist()
        assert list(map(list, zip(edges.inner.to_list(), edges.outer.to_list()))) == expected


def test_scores_are_those_of_the_network(few):
    bundle = bundle_of()
    inputs = GRAPH(few)
    with torch.no_grad():
        expected = bundle.model(*map(torch.from_numpy, inputs)).sigmoid().numpy()
    np.testing.assert_allclose(ak.flatten(answers(bundle, few).edges.score), expected, atol=1e-6)


def test_a_fitted_graph_comes_back_with_its_bundle(tmp_path, few):
    events = toy_hits(20, 30, seed=4)
    bundle = bundle_of(fitted(events, keep=0.97))
    path = save(bundle, tmp_path / "a.cortado", canary=events[:3])
    loaded = load(path)
    assert loaded.representation == bundle.representation
    before, after = (answers(one, few) for one in (bundle, loaded))
    assert after.edges.inner.to_list() == before.edges.inner.to_list()
    np.testing.assert_allclose(ak.flatten(after.edges.score), ak.flatten(before.edges.score), atol=1e-6)


def test_an_export_takes_graphs_of_any_size(tmp_path, few):
    path = save(bundle_of(), tmp_path / "a.cortado", canary=EVENTS)
    assert to_torch_export(path, tmp_path / "a.pt2").difference < 1e-5
    module, bundle = torch.export.load(tmp_path / "a.pt2").module(), load(path)
    for events in (few, few[2:4]):
        inputs = tuple(map(torch.from_numpy, GRAPH(events)))
        logits, probabilities, edges = module(*inputs)
        torch.testing.assert_close(logits, bundle.model(*inputs))
        torch.testing.assert_close(probabilities, logits.sigmoid())
        assert torch.equal(edges, inputs[1].T)


def test_given_edges_are_scored_in_their_order():
    events = with_edges()
    bundle = bundle_of(GivenGraph())
    answered = answers(bundle, columns(events, bundle.fields))
    for end in ("inner", "outer"):
        assert answered.edges[end].to_list() == events.edges[end].to_list()


def test_trainings_on_one_graph_are_averaged(few):
    one, other = (answers(bundle_of(seed=seed), few) for seed in (1, 2))
    both = Edges().combined([one, other])
    expected = (ak.flatten(one.edges.score) + ak.flatten(other.edges.score)) / 2
    np.testing.assert_allclose(ak.flatten(both.edges.score), expected)
    assert both.type == one.type
    with pytest.raises(ValueError, match="edges of different graphs cannot be averaged"):
        Edges().combined([one, ak.zip({"edges": other.edges[:, 1:]}, depth_limit=1)])


@pytest.mark.parametrize("truth", ["hits.particle_id", "edges.label"])
def test_a_bundle_keeps_the_merits_of_its_validation_events(truth):
    events, bundle, task = with_edges(), bundle_of(GivenGraph()), ClassifyEdges(truth=truth, threshold=0.4)
    inputs = GivenGraph()(events)
    with torch.no_grad():  # logits in many bins, of both signs
        last, logits = bundle.model.last[-1], bundle.model(*map(torch.from_numpy, inputs))
        last.bias.sub_(logits.mean()).mul_(3 / logits.std())
        last.weight.mul_(3 / logits.std())
    answered = answers(bundle, columns(events, bundle.fields))
    evaluation = Evaluation(answered, events, np.zeros(5, int), np.ones(5), ())
    target = task.target(events, None, inputs)
    one = Batch(*(type(each)(*map(torch.from_numpy, each)) for each in (inputs, target)), torch.ones(5))
    judged = task.judged(task.rows({"model": bundle.model}, one).detach())
    measured = task.measured(lambda: evaluation)
    for name in ("efficiency", "purity"):
        assert measured.merits[name] == pytest.approx(judged[name])
    assert measured.merits["auc"] == pytest.approx(judged["auc"], abs=0.02)


def test_merits_of_no_edges_are_not_defined():
    nothing = ak.with_field(EVENTS, EVENTS.hits[:, :0], "hits")
    evaluation = Evaluation(answers(bundle_of(), nothing), nothing, np.zeros(5, int), np.ones(5), ())
    assert ClassifyEdges().measured(lambda: evaluation).merits == {"efficiency": None, "purity": None, "auc": None}
