"""Autoregressive flows: splines whose parameters depend on the features before, one block after the other.

References:
    Papamakarios et al., Masked Autoregressive Flow for Density Estimation (2017), arXiv:1705.07057.
    Germain et al., MADE: Masked Autoencoder for Distribution Estimation (2015), arXiv:1502.03509.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.splines import inverse_spline, spline

_MOST_EXPORTED = 16  # features of a flow that is inverted in a graph


class AutoregressiveFlow(nn.Module):
    """Invertible maps of features (n, f) that depend on a condition (n, c).

    Between two blocks the order of the features is reversed, or drawn anew, by turns, within each group of neighbours;
    the orders are a part of the weights. Through all blocks, features keep their places.

    Args:
        groups: Number of features of each group; f is their sum.
        condition: Number c of values of the condition.
        blocks: Number of blocks.
        hidden: Widths of the hidden layers of the network of a block.
        bins: Number of bins of a spline, 2 or more.
        bound: End of the interval of a spline; features beyond it stay as they are.
        dropout: Probability of dropping a hidden unit in training.
        seed: Seed of the orders.
    """

    orders: Tensor

    def __init__(
        self,
        groups: Sequence[int],
        condition: int,
        *,
        blocks: int,
        hidden: Sequence[int],
        bins: int,
        bound: float,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.bound = bound
        networks = [MaskedNetwork(sum(groups), condition, hidden, 3 * bins - 1, dropout) for _ in range(blocks)]
        self.blocks = nn.ModuleList(networks)
        self.register_buffer("orders", _orders(groups, blocks, seed))

    def steps(self, features: Tensor, condition: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Block by block, one pass each: parameters of the splines (n, 3 K - 1, f), and then values and log-slopes.

        Values and log-slopes (n, f) are in the order of the features, the parameters in that of the block.
        """
        for block, order in zip(self.blocks, self.orders):
            before = features[:, order]
            parameters = block(before, condition)
            after, slopes = spline(before, parameters, self.bound)
            back = order.argsort()
            features = after[:, back]
            yield parameters, features, slopes[:, back]

    def forward(self, features: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, f) after all steps, and the logarithm of the Jacobian determinant (n,)."""
        logarithm = features.new_zeros(len(features))
        for _, after, slopes in self.steps(features, condition):
            features, logarithm = after, logarithm + slopes.sum(1)
        return features, logarithm

    def log_density(self, features: Tensor, condition: Tensor) -> Tensor:
        """Logarithm of the density (n,) of features (n, f) that `forward` makes standard normal."""
        noise, logarithm = self(features, condition)
        density: Tensor = logarithm - (noise.square() + math.log(2 * math.pi)).sum(1) / 2
        return density

    @torch.no_grad()
    def invert(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Features (n, f) that `forward` takes to the noise: one feature after the other, without gradients.

        In double precision where the device has it: each feature passes its rounding error on to the ones after it.

        Raises:
            RuntimeError: If it is to be exported with more than 16 features: a graph would have a step for each.
        """
        if torch.compiler.is_exporting() and noise.shape[1] > _MOST_EXPORTED:
            raise RuntimeError(
                f"an inverse autoregressive flow of {noise.shape[1]} features is as many steps, no graph"
            )
        dtype = noise.dtype if noise.device.type == "mps" else torch.float64
        features, condition = noise.to(dtype), condition.to(dtype)
        for block, order in zip(reversed(self.blocks), self.orders.flip(0)):
            exact: Any = block
            features = exact.invert(features[:, order], condition, self.bound)[:, order.argsort()]
        return features.to(noise.dtype)

    def quick_steps(self, noise: Tensor, condition: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """From noise to features, last block first, one pass each: parameters of the splines, and values as in `steps`.

        The parameters follow from the values on the side of the noise (inverse autoregressive flow, IAF). So this is
        another map than the inverse of `forward`, and a flow is trained for the one or for the other.
        """
        for block, order in zip(reversed(self.blocks), self.orders.flip(0)):
            before = noise[:, order]
            parameters = block(before, condition)
            noise = inverse_spline(before, parameters, self.bound)[:, order.argsort()]
            yield parameters, noise

    def quick(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Features (n, f) after all quick steps."""
        for _, after in self.quick_steps(noise, condition):
            noise = after
        return noise


class MaskedNetwork(nn.Module):
    """Perceptron with ReLU, whose outputs for a feature depend on the condition and the features before it (MADE).

    Deviation from the paper: the hidden units see evenly spaced numbers of features, from none on, so that few units
    ignore no feature, and the first feature depends on the condition.

    Args:
        features: Number f of features.
        condition: Number c of values of the condition.
        hidden: Widths of the hidden layers.
        outputs: Number k of outputs for a feature.
        dropout: Probability of dropping a hidden unit in training.
    """

    def __init__(self, features: int, condition: int, hidden: Sequence[int], outputs: int, dropout: float) -> None:
        super().__init__()
        seen = [torch.arange(width) * features // width for width in hidden]
        self.features, self.outputs = features, outputs
        self.condition = nn.Linear(condition, hidden[0])
        self.hidden = nn.ModuleList(
            MaskedLinear(before, after) for before, after in zip([torch.arange(features) + 1, *seen], seen)
        )
        self.last = MaskedLinear(seen[-1], torch.arange(features).repeat(outputs))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Outputs (n, k, f) of features (n, f), condition (n, c)."""
        shift, values = self.condition(condition), features
        for layer in self.hidden:
            values = self.dropout(functional.relu(layer(values) + shift))
            shift = 0.0
        outputs: Tensor = self.last(values).to(features.dtype)
        return outputs.view(features.shape[0], self.outputs, self.features)

    def invert(self, noise: Tensor, condition: Tensor, bound: float) -> Tensor:
        """Features (n, f) whose splines, with the outputs as parameters, are the noise (n, f).

        Each hidden unit and output is computed once, as soon as the features that it sees are known; a unit sees the
        first so many units before it, so these are slices. Arrays are turned, (units, n), to make them contiguous.
        """
        noise = noise.T.contiguous()
        features, dtype = torch.empty_like(noise), noise.dtype
        hidden: list[Any] = list(self.hidden)
        layers = [(layer.weight.to(dtype), layer.bias.to(dtype)) for layer in hidden]
        first = functional.linear(condition, self.condition.weight.to(dtype), self.condition.bias.to(dtype))
        shifts = [layers[0][1] + first, *(own for _, own in layers[1:])]
        shape = torch.contiguous_format
        activations = [shift.expand(noise.shape[1], -1).T.clone(memory_format=shape) for shift in shifts]
        weight = self.last.weight.to(dtype).view(self.outputs, self.features, -1)
        bias = self.last.bias.to(dtype).view(self.outputs, self.features, 1)
        for rank in range(self.features):
            known = features[:rank]
            for (own, _), units in zip(layers, activations):
                start, end = (-(-number * len(units) // self.features) for number in (rank, rank + 1))
                new = own[start:end, : len(known)] @ known
                units[start:end] = functional.relu(units[start:end] + new)
                known = units[:end]
            parameters = weight[:, rank, : len(known)] @ known + bias[:, rank]
            features[rank] = inverse_spline(noise[rank : rank + 1], parameters.unsqueeze(0), bound)
        return features.T


class MaskedLinear(nn.Linear):
    """Linear layer without the weights between units where the one after sees fewer features than the one before.

    Args:
        before: Number of features that each input sees.
        after: Number of features that each output may see.
    """

    mask: Tensor

    def __init__(self, before: Tensor, after: Tensor) -> None:
        super().__init__(len(before), len(after))
        self.register_buffer("mask", before <= after.unsqueeze(1), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs (n, before) to outputs (n, after)."""
        return functional.linear(inputs, self.weight * self.mask, self.bias)


def _orders(groups: Sequence[int], blocks: int, seed: int) -> Tensor:
    """Order of the features (blocks, f) in each block."""
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.arange(sum(groups))]
    while len(orders) < blocks:
        parts = torch.split(orders[-1], list(groups))
        if len(orders) % 2 == 1:
            orders.append(torch.cat([part.flip(0) for part in parts]))
        else:
            orders.append(torch.cat([part[torch.randperm(len(part), generator=generator)] for part in parts]))
    return torch.stack(orders)
