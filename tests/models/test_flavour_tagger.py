import json

import pytest
import torch
from models.cases import graphs, particles
from torch.nn import functional

from cortado.models import EdgeFlavourTagger, FlavourTagger, SetToGraph
from cortado.models.by_multiplicity import by_multiplicity

SMALL = {"hidden": (8, 6), "edge_hidden": (8,)}


def slow_tagger(model, features, mask, edges):
    """The published classifier with every message written out, jet by jet."""
    rows = []
    for x, real, e in zip(features, mask, edges):
        x, e = x[real], e[real][:, real]
        if not len(x):
            rows.append(torch.zeros(model.jet_features + model.messages[0].node[-1].out_features))
            continue
        one = torch.ones(1, len(x), dtype=torch.bool)
        h = model.deep_set(x, by_multiplicity(one))
        for messages in model.messages:
            received = []
            for i in range(len(h)):
                sent = [
                    torch.cat([h[i], h[j], h.sum(0), e[i, j].view(1) * (i != j)]).unsqueeze(0) for j in range(len(h))
                ]
                received.append(sum(messages.edge.last(messages.edge.first(s).relu()) for s in sent).squeeze(0))
            h = functional.normalize(messages.node(torch.cat([h, torch.stack(received)], dim=1)), dim=-1)
        rows.append(torch.cat([x[0, -model.jet_features :], h.sum(0)]))
    return model.head(torch.stack(rows))


def of_one_jet(lengths):
    """Graphs whose last four features are the same for all tracks of a jet."""
    features, mask, edges = graphs(lengths, longest=max(lengths))
    features[..., -4:] = features[:, :1, -4:] * mask.unsqueeze(-1)
    return features, mask, edges


def test_equals_messages_one_by_one():
    model, inputs = EdgeFlavourTagger().eval(), of_one_jet([4, 0, 6, 1, 4])
    torch.testing.assert_close(model(*inputs), slow_tagger(model, *inputs), rtol=1e-4, atol=1e-5)


def test_features_of_the_jet_reach_the_classifier():
    model = EdgeFlavourTagger(hidden=(8,), message_passings=1)
    seen = []
    model.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features, mask, edges = of_one_jet([3, 5, 0])
    model(features, mask, edges)
    torch.testing.assert_close(seen[0][:, :4], features[:, 0, -4:])


@pytest.mark.parametrize("name", ["SetToGraph", "TrackPair", "VertexRNN"])
def test_the_finder_is_frozen(name):
    model = FlavourTagger(finder=name, finder_arguments=json.loads(json.dumps(SMALL))).train()
    before = {key: value.clone() for key, value in model.finder.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(*particles([4, 7], features=10)).sum().backward()
    optimizer.step()
    assert model.training
    assert not model.finder.training
    assert all(torch.equal(value, before[key]) for key, value in model.finder.state_dict().items())
    assert all(parameter.grad is None for parameter in model.finder.parameters())
    assert type(model.finder).__name__ == name


def test_edges_are_sigmoids_of_the_symmetrised_logits_of_the_finder():
    model, (features, mask) = (
        FlavourTagger(finder="SetToGraph", finder_arguments=SMALL).eval(),
        particles([4, 7], features=10),
    )
    finder = SetToGraph(**SMALL)
    model.finder.load_state_dict(finder.state_dict())
    logits = finder(features, mask).detach()
    edges = torch.sigmoid((logits + logits.transpose(1, 2)) / 2)
    torch.testing.assert_close(model(features, mask), model.tagger(features, mask, edges))


def test_without_finder_there_are_no_edges():
    model, (features, mask) = FlavourTagger().eval(), particles([4, 7], features=10)
    assert model.finder is None
    torch.testing.assert_close(model(features, mask), model.tagger(features, mask, torch.zeros(2, 7, 7)))


def test_the_finder_matters():
    features, mask = particles([4, 7], features=10)
    torch.manual_seed(0)
    model = FlavourTagger(finder="SetToGraph").eval()
    baseline = FlavourTagger().eval()
    baseline.tagger.load_state_dict(model.tagger.state_dict())
    assert (baseline(features, mask) - model(features, mask)).abs().max() > 1e-4


def test_what_is_refused():
    with pytest.raises(ValueError, match="finder must be one of SetToGraph, TrackPair, VertexRNN or None, got 'AVR'"):
        FlavourTagger(finder="AVR")
    with pytest.raises(ValueError, match=r"FlavourTagger: finder_arguments \{'plus': True\} need a finder"):
        FlavourTagger(finder_arguments={"plus": True})
    with pytest.raises(ValueError, match="FlavourTagger: classes must be an integer of at least 1, got 0"):
        FlavourTagger(classes=0)
    with pytest.raises(ValueError, match="EdgeFlavourTagger: jet_features must be less than features=4, got 4"):
        EdgeFlavourTagger(features=4)
    with pytest.raises(ValueError, match="EdgeFlavourTagger: hidden must be an integer of at least 1, got 0"):
        EdgeFlavourTagger(hidden=())
    with pytest.raises(ValueError, match="EdgeFlavourTagger was made with features=10, but the representation gives 9"):
        EdgeFlavourTagger()(*graphs([3], features=9))
