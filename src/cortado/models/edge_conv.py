"""Edge convolution: each node takes the mean of what a perceptron says of the edges to its neighbours.

The perceptron sees (x_i, x_j - x_i). Its first layer is linear, so W (x_i, x_j - x_i) = (W1 - W2) x_i + W2 x_j is
computed once a node, not once an edge, and a missing neighbour is x_j = 0. The other layers are products of matrices
with N k rows, done in blocks of rows that stay in the cache.

References:
    Wang et al., Dynamic Graph CNN for Learning on Point Clouds (2019), arXiv:1801.07829.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional

from cortado.models.layers import NodeNorm

_BLOCK_VALUES = 2**20  # of an activation in one block of edges; 4 MB, which the caches of two cores hold


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
        (weight, bias), *layers = [_folded(*layer) for layer in self.edges]
        center, other = _ends(nodes, weight)
        center = center + bias
        layers = [(weight.to(dtype), bias.to(dtype)) for weight, bias in layers]
        means = []
        for block in _blocks(neighbours, max(len(bias) for bias in (bias, *(b for _, b in layers)))):
            edges = _first_activation(center[block], other, neighbours[block]).to(dtype)
            for weight, bias in layers:
                edges = functional.linear(edges, weight, bias).relu_()
            means.append(edges.unflatten(0, (-1, neighbours.shape[1])).mean(1, dtype=nodes.dtype))
        return torch.cat(means)

    def _mean_in_training(self, nodes: Tensor, neighbours: Tensor, dtype: torch.dtype) -> Tensor:
        (linear, norm), *layers = self.edges
        center, other = _ends(nodes, linear.weight)
        mean, variance = _statistics_of_sums(center, other, neighbours)
        _keep_running(norm, mean, variance, neighbours.numel())
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        center, other = (center - mean) * scale + norm.bias, other * scale
        parameters = [p for linear, norm in layers for p in (linear.weight, norm.weight, norm.bias)]
        result, *statistics = _EdgeMean.apply(center, other, neighbours, dtype, norm.eps, *parameters)
        for (_, norm), mean, variance in zip(layers, statistics[::2], statistics[1::2]):
            _keep_running(norm, mean, variance, neighbours.numel())
        return result


def _linear_norm(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), NodeNorm(outputs))


def _folded(linear: nn.Linear, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer that includes the running batch norm after it."""
    if isinstance(norm, nn.Identity):  # folded before, by fold_batch_norm
        return linear.weight, linear.bias
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return linear.weight * scale.unsqueeze(1), norm.bias - norm.running_mean * scale


def _keep_running(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move the running statistics towards those of a batch, as batch norm does."""
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)


def _ends(nodes: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What the start (N, c) and the end (N + 1, c) of an edge add to its first layer; row N is a missing node."""
    own, difference = weight.chunk(2, dim=1)
    center = functional.linear(nodes, own - difference)
    return center, functional.pad(functional.linear(nodes, difference), (0, 0, 0, 1))


def _statistics_of_sums(center: Tensor, other: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (c,) of center_i + other_j over all edges ij, from sums over nodes."""
    edges, k = neighbours.numel(), neighbours.shape[1]
    arriving = torch.bincount(neighbours.flatten(), minlength=len(other)).to(other.dtype).unsqueeze(1)
    center_mean, other_mean = center.mean(0), (arriving * other).sum(0) / edges
    center, other = center - center_mean, other - other_mean
    around = functional.embedding_bag(neighbours, other, mode="sum")
    squares = (center * (k * center + 2 * around)).sum(0) + (arriving * other.square()).sum(0)
    return center_mean + other_mean, (squares / edges).clamp(min=0)


def _blocks(neighbours: Tensor, width: int) -> list[slice]:
    """Slices of the nodes whose edges are handled at a time."""
    nodes, k = neighbours.shape
    if torch.compiler.is_exporting() or neighbours.device.type != "cpu":
        return [slice(None)]
    step = max(_BLOCK_VALUES // (k * width), 1)
    return [slice(start, start + step) for start in range(0, max(nodes, 1), step)]


def _first_activation(center: Tensor, other: Tensor, neighbours: Tensor) -> Tensor:
    """ReLU of center_i + other_j for the edges (b k, c) of b nodes."""
    ends = other.index_select(0, neighbours.flatten()).unflatten(0, neighbours.shape)
    return ends.add_(center.unsqueeze(1)).relu_().flatten(0, 1)


class _EdgeMean(torch.autograd.Function):
    """Mean over neighbours of the perceptron behind its first layer, with the batch norms of training.

    A batch norm needs sums over all edges before any of them can go on. What enters each batch norm is therefore
    kept, in the precision of the products; all else is made anew, block by block, where it is needed.
    Parameters are (weight, gamma, beta) of one layer after the other. Returned are the means (N, c), then mean and
    variance of each batch norm.
    """

    @staticmethod
    def forward(
        ctx: Any, center: Tensor, other: Tensor, neighbours: Tensor, dtype: torch.dtype, eps: float, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        k = neighbours.shape[1]
        norms: list[_Normalised] = []
        ...
