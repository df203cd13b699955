"""DeepJet against an obvious twin: one jet, one object, one LSTM step after the other."""

import pytest
import torch
from models.cases import collections
from torch.nn import functional

from cortado.models import DeepJet

LENGTHS = [0, 1, 9, 30, 4]


@pytest.fixture
def model():
    """A published model in evaluation, whose running statistics are not the initial ones."""
    torch.manual_seed(2)
    model = DeepJet()
    for seed in range(3):
        model(*collections(LENGTHS * 4, seed))
    return model.eval()


def normed(values, norm):
    return functional.batch_norm(values, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def slow_layers(values, layers):
    """Linear layers, ReLU, batch norm; nothing else is there in evaluation."""
    for layer in layers.modules():
        if isinstance(layer, torch.nn.Linear):
            values = values @ layer.weight.T + layer.bias
        elif isinstance(layer, torch.nn.ReLU):
            values = values.clamp(min=0)
        elif isinstance(layer, torch.nn.BatchNorm1d):
            values = normed(values, layer)
    return values


def slow_lstm(sequence, lstm):
    """Last output of an LSTM (input, forget, cell, output gates), Hochreiter and Schmidhuber (1997)."""
    hidden = cell = torch.zeros(lstm.hidden_size)
    for values in sequence:
        gates = lstm.weight_ih_l0 @ values + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ hidden + lstm.bias_hh_l0
        enter, keep, new, leave = gates.chunk(4)
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * cell.tanh()
    return hidden


def slow_summary(objects, collection):
    """Summary of the objects (p, f) of one jet, which are read from the last to the first."""
    convolved = [slow_layers(normed(one.unsqueeze(0), collection.norm), collection.convolutions)[0] for one in objects]
    return normed(slow_lstm(reversed(convolved), collection.lstm).unsqueeze(0), collection.summary[0])


@torch.no_grad()
def test_logits_are_those_of_the_twin(model):
    inputs = collections(LENGTHS)
    jet, charged, charged_mask, neutral, neutral_mask, vertices, vertices_mask = inputs
    for i, logits in enumerate(model(*inputs)):
        summary = [
            normed(jet[i : i + 1], model.jet_norm),
            slow_summary(charged[i][charged_mask[i]], model.charged),
            slow_summary(neutral[i][neutral_mask[i]], model.neutral),
            slow_summary(vertices[i][vertices_mask[i]], model.vertices),
        ]
        torch.testing.assert_close(slow_layers(torch.cat(summary, dim=1), model.head)[0], logits, rtol=1e-4, atol=1e-4)


def test_size_is_that_of_the_published_network(model):
    """Weights and running statistics of the Keras model, which gives each LSTM one bias."""
    weights = sum(parameter.numel() for parameter in model.parameters())
    second_biases = sum(part.lstm.bias_hh_l0.numel() for part in (model.charged, model.neutral, model.vertices))
    statistics = sum(buffer.numel() for name, buffer in model.named_buffers() if "running" in name)
    assert weights - second_biases + statistics == 268_258


@pytest.mark.parametrize("training", [False, True])
def test_padding_does_not_matter(training):
    torch.manual_seed(2)
    model = DeepJet(dropout=0.0).train(training)
    jet, *pairs = collections(LENGTHS)
    longer, rubbish = [jet], [jet]
    for values, mask in zip(pairs[::2], pairs[1::2]):
        values, mask = functional.pad(values, (0, 0, 0, 7)), functional.pad(mask, (0, 7))
        longer += [values, mask]
        rubbish += [values.masked_fill(~mask.unsqueeze(-1), float("nan")), mask]
    expected = model(jet, *pairs)
    for inputs in (longer, rubbish):
        torch.testing.assert_close(model(*inputs), expected, rtol=1e-4, atol=1e-4)


def test_order_of_candidates_matters(model):
    """Else the LSTM would be a sum, and the order of the representation in vain."""
    inputs = list(collections([30] * 4))
    turned = [*inputs[:1], inputs[1].flip(1), *inputs[2:]]
    assert (model(*turned) - model(*inputs)).abs().max() > 1e-3


def test_jets_without_any_objects_differ_by_their_own_features(model):
    logits = model(*collections([0, 0, 0]))
    assert logits.isfinite().all()
    assert (logits[0] - logits[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "name, place, width", [("jet", 0, 15), ("charged", 1, 16), ("neutral", 3, 6), ("vertices", 5, 12)]
)
def test_other_features_than_the_models_are_refused(model, name, place, width):
    inputs = list(collections([3]))
    inputs[place] = inputs[place][..., 1:]
    message = rf"made for {width} features of {name}, but the representation gives {width - 1} \(input of shape"
    with pytest.raises(ValueError, match=message):
        model(*inputs)


@pytest.mark.parametrize("name", ["jet_features", "charged_features", "neutral_features", "vertex_features", "classes"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"DeepJet: {name} must be an integer of at least 1, got 0"):
        DeepJet(**{name: 0})


def test_no_dense_layer_is_refused():
    with pytest.raises(ValueError, match="DeepJet: hidden must be an integer of at least 1, got 0"):
        DeepJet(hidden=())
