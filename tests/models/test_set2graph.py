import pytest
import torch
from models.cases import particles
from torch.nn import functional

from cortado.models import SetToGraph, TrackPair, VertexRNN
from cortado.models.by_multiplicity import by_multiplicity


def attended(layer, x, real):
    """What each track attends to, in a padded jet (p, c): the paper's attention, query by query."""
    query, key = torch.tanh(layer.query(x)), layer.key(x)
    scores = (query @ key.T / query.shape[-1] ** 0.5).T
    return scores.masked_fill(~real, -1e30).softmax(dim=-1) @ x


def slow_deep_set(model, x, real):
    """Padded jet (p, f) to (p, c), with the norm over channels as the published code writes it."""
    for index, layer in enumerate(model.deep_set.layers):
        x = x.relu() if index else x
        x = layer.own(x) + layer.attended(attended(layer, x, real))
        x = x / torch.norm(x, p="fro", dim=-1, keepdim=True)
    return x


def slow_pairs(scores, h, real):
    """Logits (p, p), with the inputs of every pair written out."""
    p, total = len(h), h[real].sum(0)
    inputs = [h.unsqueeze(1).expand(p, p, -1), h.unsqueeze(0).expand(p, p, -1)]
    if scores.plus:
        diagonal = torch.eye(p).unsqueeze(-1)
        inputs += [total.expand(p, p, -1), diagonal * h, diagonal * total]
    return scores.rest(scores.first(torch.cat(inputs, dim=-1))).squeeze(-1)


def one_by_one(model, features, mask):
    """A loop over padded jets: slow and obvious."""
    jets = [slow_pairs(model.pairs, slow_deep_set(model, x, real), real) for x, real in zip(features, mask)]
    return torch.stack(jets)


def of_pairs(logits, mask):
    return logits[mask.unsqueeze(1) & mask.unsqueeze(2)]


@pytest.mark.parametrize("plus", [False, True])
def test_equals_a_loop_over_padded_jets(plus):
    model, (features, mask) = SetToGraph(plus=plus).double(), particles([4, 0, 11, 1, 4, 2], features=10)
    features = features.double()
    mask[2, 3] = False  # a hole is no track
    ours, expected = (of_pairs(run(features, mask), mask) for run in (model, lambda *x: one_by_one(model, *x)))
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
    gradients = [torch.autograd.grad(logits.square().sum(), [*model.parameters()]) for logits in (ours, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-10)


def test_every_track_has_a_vector_of_length_one():
    model, (features, mask) = SetToGraph(), particles([4, 9], features=10)
    tracks = by_multiplicity(mask)
    torch.testing.assert_close(model.deep_set(tracks.nodes(features), tracks).norm(dim=-1), torch.ones(13))


def test_track_pair_sees_two_tracks_only():
    model, (features, mask) = TrackPair(), particles([5], features=10)
    two = torch.tensor([1, 3])
    alone = model(features[:, two], mask[:, two])
    torch.testing.assert_close(alone, model(features, mask)[:, two][:, :, two])


def test_track_pair_equals_its_perceptrons_written_out():
    model, (features, mask) = TrackPair(), particles([6, 3], features=10)
    expected = torch.stack([slow_pairs(model.pairs, model.track(x), real) for x, real in zip(features, mask)])
    torch.testing.assert_close(of_pairs(model(features, mask), mask), of_pairs(expected, mask))


def read_slowly(model, jet):
    """One jet (k, f) from low to high pT, with a cell in a loop over the tracks for each direction."""
    order = jet[:, model.pt_feature].argsort()
    x = jet[order]
    for index, layer in enumerate(model.layers):
        x, directions = x.relu() if index else x, []
        for suffix, steps in (("", range(len(x))), ("_reverse", reversed(range(len(x))))):
            cell = torch.nn.GRUCell(x.shape[1], layer.hidden_size)
            cell.load_state_dict(
                {
                    name: getattr(layer, f"{name}_l0{suffix}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                }
            )
            state, states = torch.zeros(1, layer.hidden_size), {}
            for step in steps:
                state = states[step] = cell(x[step : step + 1], state)
            directions.append(torch.cat([states[step] for step in range(len(x))]))
        x = functional.normalize(torch.cat(directions, dim=1), dim=1)
    return x[order.argsort()]


def test_vertex_rnn_equals_cells_in_a_loop():
    model, (features, mask) = VertexRNN(hidden=(8, 6)), particles([6, 0, 3, 1], features=10)
    outputs = model(features, mask)
    for x, real, logits in zip(features, mask, outputs):
        if real.any():
            expected = slow_pairs(model.pairs, read_slowly(model, x[real]), real[real])
            torch.testing.assert_close(logits[real][:, real], expected, rtol=1e-4, atol=1e-5)


def test_vertex_rnn_depends_on_the_order_in_pt():
    features, mask = particles([6], features=10)
    torch.manual_seed(0)
    by_pt, by_other = VertexRNN(), VertexRNN(pt_feature=2)
    by_other.load_state_dict(by_pt.state_dict())
    assert (by_pt(features, mask) - by_other(features, mask)).abs().max() > 1e-4


def test_vertex_rnn_refuses_what_it_cannot_share_or_order_by():
    with pytest.raises(ValueError, match=r"VertexRNN: hidden must be even widths, .*, got \(8, 5\)"):
        VertexRNN(hidden=(8, 5))
    with pytest.raises(ValueError, match="VertexRNN: pt_feature must be one of the 3 features from 0, got 4"):
        VertexRNN(features=3)
