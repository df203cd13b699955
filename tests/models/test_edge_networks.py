"""Networks on graphs of hits: their laws, and plain loops that say the same."""

import copy
import subprocess
import sys
import typing

import pytest
import torch
from models.cases import EDGE_NETWORKS, hit_graphs

import cortado.models
from cortado.models import EdgeFilter, GraphAttention, GraphConvolution, InteractionNetwork, TrkXNetwork
from cortado.models.sectors import BySectors

by_name = pytest.mark.parametrize("case", EDGE_NETWORKS, ids=[case.name for case in EDGE_NETWORKS])
LENGTHS = [7, 12, 1, 0, 30]


def make(case):
    """A small network in evaluation, with other running statistics than the initial ones."""
    torch.manual_seed(3)
    model = case.small()
    for seed in range(3):
        model(*case.inputs(LENGTHS, seed))
    return model.eval()


def same(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@by_name
def test_published_number_of_parameters(case):
    model = case.published()
    assert sum(parameter.numel() for parameter in model.parameters()) == case.parameters
    logits = model.eval()(*case.inputs(LENGTHS))
    assert logits.shape == (case.inputs(LENGTHS)[1].shape[1],)
    assert logits.isfinite().all()


@by_name
def test_inputs_are_not_modified(case):
    inputs = case.inputs(LENGTHS)
    before = copy.deepcopy(inputs)
    case.small()(*inputs).sum().backward()
    assert all(torch.equal(one, other) for one, other in zip(before, inputs))


@by_name
def test_gradients_reach_every_parameter(case):
    model, inputs = case.small(), case.inputs(LENGTHS)
    (model(*inputs) * torch.randn(inputs[1].shape[1])).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@by_name
@pytest.mark.parametrize("lengths", [[], [0], [1], [2], [0, 1, 0]], ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_few_hits_and_few_edges(case, lengths, training):
    model, inputs = make(case).train(training), case.inputs(lengths)
    logits = model(*inputs)
    assert logits.shape == (inputs[1].shape[1],)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@by_name
def test_graphs_do_not_see_each_other_in_evaluation(case):
    model = make(case)
    one, other = case.inputs([9], 1), case.inputs([14], 2)
    union = torch.cat([one[0], other[0]]), torch.cat([one[1], other[1] + 9], dim=1), torch.cat([one[2], other[2]])
    same(model(*union), torch.cat([model(*one), model(*other)]))


@by_name
def test_order_of_hits_and_edges_does_not_matter(case):
    model, (nodes, edge_index, edge_features) = make(case), case.inputs(LENGTHS)
    generator = torch.Generator().manual_seed(1)
    hits, edges = (torch.randperm(number, generator=generator) for number in (len(nodes), len(edge_features)))
    shuffled = model(nodes[hits], hits.argsort()[edge_index[:, edges]], edge_features[edges])
    same(shuffled, model(nodes, edge_index, edge_features)[edges])


@by_name
@pytest.mark.parametrize("max_edges", [1, 13, 1000])
def test_sectors_say_what_the_whole_says(case, max_edges):
    model, inputs = make(case).double(), hit_graph(60)
    whole = model(*inputs)
    assert 13 < len(whole) < 1000
    same(BySectors(model, max_edges=max_edges)(*inputs), whole, 1e-12)


@by_name
def test_a_sector_too_narrow_says_something_else(case):
    """The reach is no larger than it must be."""
    model, inputs = make(case).double(), hit_graph(60)
    if not model.reach:
        pytest.skip("it sees no neighbours")
    whole = model(*inputs)
    model.reach -= 1
    assert not torch.allclose(BySectors(model, max_edges=1)(*inputs), whole, rtol=1e-9, atol=1e-9)


def test_sectors_without_edges_are_refused():
    with pytest.raises(ValueError, match="max_edges must be at least 1, got 0"):
        BySectors(InteractionNetwork(), max_edges=0)


def hit_graph(hits):
    """One large graph of sparse chains, float64: nodes in all azimuths, each with a few edges outwards."""
    torch.manual_seed(7)
    nodes = torch.rand(hits, 3, dtype=torch.float64) * 2 - 1
    start = torch.arange(hits - 2).repeat_interleave(2)
    end = (start + torch.randint(1, 3, start.shape)).clamp(max=hits - 1)
    edge_index = torch.unique(torch.stack([start, end]), dim=1)
    return nodes, edge_index, torch.randn(edge_index.shape[1], 4, dtype=torch.float64)


@by_name
def test_a_copy_and_its_weights_say_the_same(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    other = case.small().eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(*inputs), model(*inputs))
    assert torch.equal(copy.deepcopy(model)(*inputs), model(*inputs))


@by_name
def test_bfloat16_is_close(case):
    model, inputs = make(case), case.inputs(LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(*inputs)
    same(logits.float(), model(*inputs), tolerance=0.1)


@by_name
def test_parameters_of_forward_are_those_of_the_representation(case):
    hints = typing.get_type_hints(case.small().forward)
    assert list(hints) == ["nodes", "edge_index", "edge_features", "return"]
    assert set(hints.values()) == {torch.Tensor}


@by_name
def test_exported_program_takes_any_number_of_hits_and_edges(case):
    """By torch's own operations: no scatter of an extension."""
    model = make(case)
    nodes, edges = torch.export.Dim("nodes"), torch.export.Dim("edges")
    shapes = {0: nodes}, {1: edges}, {0: edges}
    program = torch.export.export(model, case.inputs(LENGTHS), dynamic_shapes=shapes)
    operations = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert all("torch_scatter" not in name and "pyg" not in name for name in operations)
    for lengths in (LENGTHS, [2], [0], [1, 0], [40]):
        same(program.module()(*case.inputs(lengths)), model(*case.inputs(lengths)))


# Slow twins


def edge_by_edge(perceptron, *terms):
    return torch.stack([perceptron(torch.cat(inputs)) for inputs in zip(*terms)])


def test_interaction_network_equals_a_loop_over_edges():
    model, (nodes, edge_index, features) = InteractionNetwork().eval(), hit_graphs([6, 9])
    interaction, start, end = model.interaction, *edge_index
    scaled = features / (1 + model.standardised.eps) ** 0.5
    effects = edge_by_edge(interaction.relation, nodes[end], nodes[start], scaled)
    received = [effects[end == node].sum(0) for node in range(len(nodes))]
    updated = edge_by_edge(interaction.object, nodes, received)
    expected = edge_by_edge(model.last, updated[end], updated[start], effects)
    same(model(nodes, edge_index, features), expected[:, 0])


def test_edge_filter_equals_a_loop_over_edges():
    model, (nodes, edge_index, features) = EdgeFilter().eval(), hit_graphs([6, 9])
    start, end = edge_index
    slopes = [dphi / dr for dr, dphi, *_ in features]
    z0 = [nodes[hit, 2] - nodes[hit, 0] * dz / dr for hit, (dr, _, dz, _) in zip(start, features)]
    derived = torch.stack([torch.tensor(slopes), 10 * torch.tensor(z0)], dim=1).asinh()
    scaled = torch.cat([features, derived], dim=1) / (1 + model.standardised.eps) ** 0.5
    expected = edge_by_edge(model.network, nodes[start], nodes[end], scaled)
    same(model(nodes, edge_index, features), expected[:, 0])


def test_edge_filter_takes_two_hits_of_one_radius():
    nodes = torch.tensor([[0.1, 0.0, 0.3], [0.1, 0.2, -0.3]])
    features = torch.tensor([[0.0, 0.2, -0.6, 0.7]])
    assert EdgeFilter().eval()(nodes, torch.tensor([[0], [1]]), features).isfinite().all()
    with pytest.raises(ValueError, match="EdgeFilter: nodes and edges must be at least 3, with r, phi, z, got 2 and 4"):
        EdgeFilter(nodes=2)


def test_trkx_network_equals_a_loop_over_hits():
    model, (nodes, edge_index, features) = TrkXNetwork().eval(), hit_graphs([6, 9])
    start, end = edge_index
    hits = torch.cat([model.first(nodes), nodes], dim=1)
    for _ in range(4):
        weight = edge_by_edge(model.edge, hits[start], hits[end]).sigmoid()
        before, behind = torch.zeros_like(hits), torch.zeros_like(hits)
        for edge in range(len(start)):
            before[end[edge]] += weight[edge] * hits[start[edge]]
            behind[start[edge]] += weight[edge] * hits[end[edge]]
        hits = torch.cat([edge_by_edge(model.node, before, behind, hits), nodes], dim=1)
    same(model(nodes, edge_index, features), edge_by_edge(model.edge, hits[start], hits[end])[:, 0])


def test_standardised_features_have_the_mean_of_all_trainings():
    model = InteractionNetwork()
    graphs = [hit_graphs([20], seed) for seed in range(4)]
    for inputs in graphs:
        model(*inputs)
    mean = torch.stack([features.mean(0) for *_, features in graphs]).mean(0)
    same(model.standardised.running_mean, mean)


# What is refused, and what is not imported


@pytest.mark.parametrize("model", [InteractionNetwork, EdgeFilter, TrkXNetwork, GraphConvolution, GraphAttention])
@pytest.mark.parametrize("size", [0, True])
def test_sizes_below_one_are_refused(model, size):
    with pytest.raises(ValueError, match=f"{model.__name__}: hidden must be an integer of at least 1, got {size!r}"):
        model(hidden=size)


def test_heads_share_the_width():
    with pytest.raises(ValueError, match="GraphAttention: hidden must be a multiple of heads = 3, got 40"):
        GraphAttention(heads=3)


@pytest.mark.parametrize("case", [case for case in EDGE_NETWORKS if case.name != "EdgeFilter"], ids=lambda x: x.name)
def test_without_the_extra_it_is_named(case, monkeypatch):
    monkeypatch.delattr(cortado.models, "message_passing", raising=False)
    monkeypatch.delitem(sys.modules, "cortado.models.message_passing", raising=False)
    monkeypatch.setitem(sys.modules, "torch_geometric.nn", None)
    with pytest.raises(ImportError, match=r"\w+ needs torch_geometric, of the extra `graphs`: pip install"):
        case.small()


def test_models_are_imported_without_pytorch_geometric():
    code = "import cortado.models, sys; print('torch_geometric' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"
