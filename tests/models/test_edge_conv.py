"""The blocked edge convolution against the formula of the paper in plain torch, in double precision."""

import pytest
import torch
from torch import nn

from cortado.models import edge_mean
from cortado.models.edge_conv import EdgeConv

NODES, K = 23, 4


def plain(layer, nodes, neighbours):
    """Concatenate, convolve, average: all edges at once, differentiated by autograd."""
    others = torch.cat([nodes, torch.zeros_like(nodes[:1])])[neighbours]
    centers = nodes.unsqueeze(1).expand_as(others)
    edges = torch.cat([centers, others - centers], dim=-1).flatten(0, 1)
    for linear, norm in layer.edges:
        edges = nn.BatchNorm1d.forward(norm, linear(edges)).relu()
    return (edges.unflatten(0, (NODES, K)).mean(1) + layer.shortcut(nodes)).relu()


def pair(widths):
    """Two equal layers with random batch norm parameters."""
    torch.manual_seed(2)
    layer, other = EdgeConv(3, widths).double(), EdgeConv(3, widths).double()
    for parameter in layer.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    other.load_state_dict(layer.state_dict())
    nodes = torch.randn(NODES, 3, dtype=torch.float64, requires_grad=True)
    return layer, other, nodes, torch.randint(0, NODES + 1, (NODES, K))


@pytest.mark.parametrize("widths", [(6,), (6, 6), (6, 5, 7), (3, 3, 3)])
@pytest.mark.parametrize("block", [64, 2**20], ids=["many blocks", "one block"])
def test_training_equals_plain_torch(widths, block, monkeypatch):
    monkeypatch.setattr(edge_mean, "_BLOCK_VALUES", block)
    layer, other, nodes, neighbours = pair(widths)
    for _ in range(2):
        result, expected = layer(nodes, neighbours), plain(other, nodes, neighbours)
        direction = torch.randn_like(result)
        gradients = torch.autograd.grad((result * direction).sum(), [nodes, *layer.parameters()])
        expected_gradients = torch.autograd.grad((expected * direction).sum(), [nodes, *other.parameters()])
        torch.testing.assert_close(result, expected)
        torch.testing.assert_close(gradients, expected_gradients)
    torch.testing.assert_close(layer.state_dict(), other.state_dict())


@pytest.mark.parametrize("widths", [(6,), (6, 5, 7), (3, 3)])
@pytest.mark.parametrize("block", [64, 2**20], ids=["many blocks", "one block"])
def test_evaluation_equals_plain_torch(widths, block, monkeypatch):
    monkeypatch.setattr(edge_mean, "_BLOCK_VALUES", block)
    layer, other, nodes, neighbours = pair(widths)
    layer(nodes, neighbours)
    other.load_state_dict(layer.state_dict())
    result, expected = layer.eval()(nodes, neighbours), plain(other.eval(), nodes, neighbours)
    torch.testing.assert_close(result, expected)
    gradients = torch.autograd.grad(result.square().sum(), [nodes, *layer.parameters()])
    expected_gradients = torch.autograd.grad(expected.square().sum(), [nodes, *other.parameters()])
    torch.testing.assert_close(gradients, expected_gradients)


def test_gradients_can_be_asked_for_twice():
    layer, _, nodes, neighbours = pair((6, 6))
    loss = layer(nodes, neighbours).square().sum()
    first = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(loss, list(layer.parameters())), first)


def test_bfloat16_gradients_point_the_same_way():
    torch.manual_seed(0)
    layer, neighbours = EdgeConv(8, (16, 16, 16)), torch.randint(0, 301, (300, 8))
    nodes, direction = torch.randn(300, 8), torch.randn(300, 16)
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = (layer(nodes, neighbours) * direction).sum()
        gradients.append(torch.autograd.grad(loss, list(layer.parameters())))
    for exact, rounded in zip(*gradients):
        assert torch.cosine_similarity(exact.flatten(), rounded.flatten(), dim=0) > 0.99
