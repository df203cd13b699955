"""Mean over neighbours of a perceptron on edges, forward and backward in blocks of edges.

The perceptron starts with a first activation relu(center_i + other_j), of which the terms are given per node; its
other layers are linear with ReLU. The activations of N k edges are the largest arrays by far, so that all is done in
blocks that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_BLOCK_VALUES = 2**19  # of one activation in a block, for each thread: 2 MB, which stay near a core
_Blocks: TypeAlias = list[tuple[slice, slice]]


def edge_mean(
    center: Tensor, other: Tensor, neighbours: Tensor, layers: Sequence[tuple[Tensor, Tensor]], dtype: torch.dtype
) -> Tensor:
    """Means (N, c') over the k edges of each node.

    Args:
        center: Term (N, c) of the node where an edge starts.
        other: Term (N + 1, c) of the node where it ends; the last row is that of a missing neighbour.
        neighbours: Nodes (N, k) where the edges end.
        layers: Weight (c', c) and bias (c',) of each layer after the first activation.
        dtype: Precision of the products of matrices.
    """
    layers = [(weight.to(dtype), bias.to(dtype)) for weight, bias in layers]
    first = _First(center, other, neighbours)

    def mean(nodes: slice, block: slice) -> Tensor:
        edges = first.at(nodes, block)[1].to(dtype)
        for weight, bias in layers:
            edges = functional.linear(edges, weight, bias).relu_()
        return _per_node(edges, neighbours).mean(1, dtype=center.dtype)

    return _join(mean, _blocks(neighbours, [center.shape[1], *(len(bias) for _, bias in layers)]), neighbours)


def edge_mean_in_training(
    center: Tensor,
    other: Tensor,
    neighbours: Tensor,
    layers: Sequence[tuple[Tensor, Tensor, Tensor]],
    dtype: torch.dtype,
    eps: float,
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """As `edge_mean`, with batch norm over all edges in place of the bias.

    Args:
        center: Term (N, c) of the node where an edge starts.
        other: Term (N + 1, c) of the node where it ends; the last row is that of a missing neighbour.
        neighbours: Nodes (N, k) where the edges end.
        layers: Weight (c', c), and gamma and beta (c',) of the batch norm, of each layer after the first activation.
        dtype: Precision of the products of matrices.
        eps: Added to the variance in batch norm.

    Returns:
        Means (N, c'), and mean and variance (c',) that each batch norm saw.
    """
    result = _EdgeMean.apply(center, other, neighbours, dtype, eps, *chain.from_iterable(layers))  # type: ignore[no-untyped-call]
    means, *statistics = cast("tuple[Tensor, ...]", result)
    return means, list(zip(statistics[::2], statistics[1::2], strict=True))


class _EdgeMean(torch.autograd.Function):
    """Means over edges through batch norms.

    A batch norm needs its statistics before any edge can go on. What enters a batch norm is therefore kept, in the
    precision of the products; the rest is made again, block by block, when going backward.
    """

    @staticmethod
    def forward(
        ctx: Any, center: Tensor, other: Tensor, neighbours: Tensor, dtype: torch.dtype, eps: float, *layers: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the means (N, c'), then mean and variance (c,) of each batch norm."""
        weights = layers[::3]
        blocks = _blocks(neighbours, [center.shape[1], *map(len, weights)])
        last: _First | _Norm = _First(center, other, neighbours)
        norms, statistics = [], []
        for weight, gamma, beta in zip(weights, layers[1::3], layers[2::3]):
            transposed = weight.to(dtype).T
            values = weight.new_empty((neighbours.numel(), len(weight)), dtype=dtype)
            sums = weight.new_zeros((2, len(weight)), dtype=torch.float64)
            for nodes, edges in blocks:
                torch.mm(last.at(nodes, edges)[1].to(dtype), transposed, out=values[edges])
                batch = values[edges].to(weight.dtype)
                _accumulate(sums, batch, batch)
            mean, square = sums / len(values)
            variance = (square - mean.square()).clamp_(min=0).to(weight.dtype)
            last = _Norm(values, mean.to(weight.dtype), torch.rsqrt(variance + eps), gamma, beta)
            norms.append(last)
            statistics += [last.mean, variance]
        means = _join(lambda *block: _per_node(last.at(*block)[1], neighbours).mean(1), blocks, neighbours)
        ctx.save_for_backward(center, other, neighbours, *weights, *(tensor for norm in norms for tensor in norm))
        ctx.mark_non_differentiable(*statistics)
        ctx.dtype = dtype
        return means, *statistics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Go back from layer to layer with the gradients of what leaves each batch norm, all edges at a time."""
        center, other, neighbours, *saved = ctx.saved_tensors
        count = len(saved) // 6
        weights, norms = saved[:count], [_Norm(*saved[i : i + 5]) for i in range(count, len(saved), 5)]
        steps: list[_First | _Norm] = [_First(center, other, neighbours), *norms]
        blocks = _blocks(neighbours, [center.shape[1], *map(len, weights)])
        gradients, sums = _from_means(grad / neighbours.shape[1], steps[-1], neighbours, blocks, ctx.dtype)
        of_layers: list[Tensor] = []
        for weight, norm, before in zip(reversed(weights), reversed(norms), reversed(steps[:-1])):
            gradients, of_layer, sums = _through_layer(gradients, sums, weight, norm, before, blocks)
            of_layers = [*of_layer, *of_layers]
        of_center, of_other = torch.empty_like(center), torch.zeros_like(other)
        for nodes, edges in blocks:
            block = gradients[edges].to(center.dtype)
            of_center[nodes] = _per_node(block, neighbours).sum(1)
            of_other.index_add_(0, neighbours[nodes].flatten(), block)
        return of_center, of_other, None, None, None, *of_layers


class _First(NamedTuple):
    """The first activation, by nodes."""

    center: Tensor
    other: Tensor
    neighbours: Tensor

    def at(self, nodes: slice, _: slice) -> tuple[Tensor, Tensor]:
        """Activation of a block of edges, twice: nothing needs what enters it."""
        ends = _per_node(self.other.index_select(0, self.neighbours[nodes].flatten()), self.neighbours)
        activation = ends.add_(self.center[nodes].unsqueeze(1)).relu_().flatten(0, 1)
        return activation, activation


class _Norm(NamedTuple):
    """Batch norm of one layer: the values (N k, c) that enter it, their statistics (c,) and its parameters."""

    values: Tensor
    mean: Tensor
    inverse: Tensor  # of the standard deviation
    gamma: Tensor
    beta: Tensor

    def at(self, _: slice, edges: slice) -> tuple[Tensor, Tensor]:
        """Values of a block of edges, and their activation behind batch norm and ReLU."""
        values, scale = self.values[edges].to(self.gamma.dtype), self.gamma * self.inverse
        return values, torch.addcmul(self.beta - self.mean * scale, values, scale).relu_()


def _blocks(neighbours: Tensor, widths: Sequence[int]) -> _Blocks:
    """Slices of the nodes, and of their edges, that are handled at a time."""
    nodes, k = neighbours.shape
    if torch.compiler.is_exporting() or neighbours.device.type != "cpu":
        return [(slice(None), slice(None))]
    step = max(_BLOCK_VALUES * torch.get_num_threads() // (k * max(widths)), 1)
    return [(slice(i, i + step), slice(i * k, (i + step) * k)) for i in range(0, max(nodes, 1), step)]


def _join(of_block: Callable[[slice, slice], Tensor], blocks: _Blocks, neighbours: Tensor) -> Tensor:
    """What a function gives for all blocks, (N, c).

    Written to one array as it comes: small results left between the large arrays of the blocks would scatter these
    over the memory.
    """
    result = of_block(*blocks[0])
    if len(blocks) > 1:
        first, result = result, result.new_empty((len(neighbours), result.shape[1]))
        result[blocks[0][0]] = first
        for nodes, edges in blocks[1:]:
            result[nodes] = of_block(nodes, edges)
    return result


def _per_node(edges: Tensor, neighbours: Tensor) -> Tensor:
    """Edges (b k, c) as (b, k, c)."""
    return edges.view(-1, neighbours.shape[1], edges.shape[1])


def _accumulate(sums: Tensor, x: Tensor, y: Tensor) -> None:
    """Add the sums over edges of x and of x y to (2, c)."""
    sums[0] += x.sum(0)
    sums[1] += (x * y).sum(0)


def _from_means(
    grad: Tensor, last: _First | _Norm, neighbours: Tensor, blocks: _Blocks, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Gradients (N k, c) in front of the last ReLU, and their sums with the values that enter the last batch norm."""
    gradients = grad.new_empty((neighbours.numel(), grad.shape[1]), dtype=dtype)
    sums = grad.new_zeros((2, grad.shape[1]), dtype=torch.float64)
    for nodes, edges in blocks:
        values, activation = last.at(nodes, edges)
        block = _per_node(activation.sign(), neighbours).mul_(grad[nodes].unsqueeze(1)).flatten(0, 1)
        _accumulate(sums, block, values)
        gradients[edges] = block
    return gradients, sums


def _through_layer(
    gradients: Tensor, sums: Tensor, weight: Tensor, norm: _Norm, before: _First | _Norm, blocks: _Blocks
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor], Tensor]:
    """Gradients in front of the ReLU before a layer, those of its parameters, and the sums for the layer before."""
    count, dtype = len(gradients), gradients.dtype
    of_beta = sums[0].to(weight.dtype)
    of_gamma = ((sums[1] - sums[0] * norm.mean) * norm.inverse).to(weight.dtype)
    scale = norm.gamma * norm.inverse
    slope = -scale * norm.inverse * of_gamma / count
    constant = -scale * of_beta / count - slope * norm.mean
    of_weight, cast = torch.zeros_like(weight), weight.to(dtype)
    earlier = gradients if weight.shape[0] == weight.shape[1] else gradients.new_empty((count, weight.shape[1]))
    sums = sums.new_zeros((2, weight.shape[1]))
    for nodes, edges in blocks:
        block = torch.addcmul(constant, norm.values[edges].to(weight.dtype), slope)
        block = block.addcmul_(gradients[edges].to(weight.dtype), scale).to(dtype)
        values, activation = before.at(nodes, edges)
        of_weight += block.T @ activation.to(dtype)
        block = (block @ cast).to(weight.dtype).mul_(activation.sign())
        _accumulate(sums, block, values)
        earlier[edges] = block
    return earlier, (of_weight, of_gamma, of_beta), sums
