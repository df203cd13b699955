"""Edge convolution: each node takes the mean of what a perceptron says of the edges to its neighbours.

The perceptron sees (x_i, x_j - x_i). Its first layer is linear, so W (x_i, x_j - x_i) = (W1 - W2) x_i + W2 x_j is
computed once a node, not once an edge, and a missing neighbour is x_j = 0.

References:
    Wang et al., Dynamic Graph CNN for Learning on Point Clouds (2019), arXiv:1801.07829.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.edge_mean import edge_mean, edge_mean_in_training
from cortado.models.layers import NodeNorm


class EdgeConv(nn.Module):
    """Mean of an edge perceptron over the neighbours, plus a shortcut, then ReLU.

    Batch norm follows every linear layer. In training its statistics are those of all edges that start at a real
    node, edges to missing neighbours included.

    Args:
        inputs: Width c of the nodes.
        widths: Widths of the edge perceptron; the last one is the width of the result.
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.edges = nn.ModuleList(_linear_norm(*pair) for pair in pairwise([2 * inputs, *widths]))
        self.shortcut = nn.Identity() if inputs == widths[-1] else _linear_norm(inputs, widths[-1])

    def forward(self, nodes: Tensor, neighbours: Tensor) -> Tensor:
        """Nodes (N, c) with neighbours (N, k), in which index N is a missing one, to nodes (N, c').

        Under autocast the products over edges run in its precision, all the rest in that of the nodes.
        """
        device = nodes.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else nodes.dtype
        with torch.autocast(device, enabled=False):
            if self.training and len(nodes) > 1:
                mean = self._mean_in_training(nodes, neighbours, dtype)
            else:
                mean = self._mean(nodes, neighbours, dtype)
            return functional.relu(mean + self.shortcut(nodes))

    def _mean(self, nodes: Tensor, neighbours: Tensor, dtype: torch.dtype) -> Tensor:
        (weight, bias), *layers = [_folded(linear, norm) for linear, norm in _layers(self.edges)]
        center, other = _ends(nodes, weight)
        return edge_mean(center + bias, other, neighbours, layers, dtype)

    def _mean_in_training(self, nodes: Tensor, neighbours: Tensor, dtype: torch.dtype) -> Tensor:
        (linear, norm), *layers = _layers(self.edges)
        center, other = _ends(nodes, linear.weight)
        first = _statistics_of_sums(center, other, neighbours)
        scale = norm.weight * torch.rsqrt(first[1] + norm.eps)
        center, other = (center - first[0]) * scale + norm.bias, other * scale
        parameters = [(linear.weight, norm.weight, norm.bias) for linear, norm in layers]
        means, statistics = edge_mean_in_training(center, other, neighbours, parameters, dtype, norm.eps)
        for (_, norm), (mean, variance) in zip(_layers(self.edges), [first, *statistics], strict=True):
            norm.keep(mean, variance, neighbours.numel())
        return means


def _layers(edges: nn.ModuleList) -> list[tuple[nn.Linear, NodeNorm]]:
    return [cast("tuple[nn.Linear, NodeNorm]", tuple(layer.children())) for layer in edges]


def _linear_norm(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), NodeNorm(outputs))


def _folded(linear: nn.Linear, norm: NodeNorm | nn.Identity) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer with the running batch norm after it, folded here or by `fold_batch_norm`."""
    if isinstance(norm, nn.Identity):
        return linear.weight, linear.bias
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return linear.weight * scale.unsqueeze(1), norm.bias - norm.running_mean * scale


def _ends(nodes: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What the start (N, c) and the end (N + 1, c) of an edge add to its first layer; row N is a missing node."""
    own, difference = weight.chunk(2, dim=1)
    other = functional.linear(nodes, difference)
    return functional.linear(nodes, own - difference), functional.pad(other, (0, 0, 0, 1))


def _statistics_of_sums(center: Tensor, other: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (c,) of center_i + other_j over all edges ij, from sums over nodes."""
    edges, k = neighbours.numel(), neighbours.shape[1]
    arriving = torch.bincount(neighbours.flatten(), minlength=len(other)).to(other.dtype).unsqueeze(1)
    center_mean, other_mean = center.mean(0), (arriving * other).sum(0) / edges
    center, other = center - center_mean, other - other_mean
    around = functional.embedding_bag(neighbours, other, mode="sum")
    squares = (center * (k * center + 2 * around)).sum(0) + (arriving * other.square()).sum(0)
    return center_mean + other_mean, (squares / edges).clamp(min=0)
