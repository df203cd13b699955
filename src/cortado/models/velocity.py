"""Velocity of flow matching: one perceptron sees all features, a small one each of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_CONDITION = 128  # width of the embedding of time and condition
_FREQUENCIES = (0.25, 16.0, 16)  # lowest and highest, in oscillations between noise and showers, and their number


class Velocity(nn.Module):
    r"""Mean velocity of the straight paths from noise to showers that pass through a point at a time.

    A perceptron with residual blocks makes, of all features, inputs for the hidden units of each feature; these and
    the feature itself go through a small perceptron, whose middle layer all features share. So each feature has its own
    bends, as that of a cell must, which is empty or not, and the large perceptron need only tell what to expect of it.

    The condition is an input of the large perceptron, and with the time it scales and shifts what its blocks see; by
    the latter alone a network learns more slowly.

    The network is preconditioned for features and noise of mean 0 and width 1. With
    :math:`r^2 = t^2 + (1 - t)^2` it sees :math:`z = x_t / r`, and the velocity is :math:`((2t - 1) z + F(z, t)) / r`:
    without F the best linear estimate, and the F to be learned has a mean of 0 and a width of 1 at all times.

    Args:
        features: Number f of features.
        condition: Number c of values of the condition.
        hidden: Width of the large perceptron.
        blocks: Number of its residual blocks.
        units: Number of hidden units of each feature.
    """

    frequencies: Tensor

    def __init__(self, features: int, condition: int, hidden: int, blocks: int, units: int) -> None:
        super().__init__()
        self.features = features
        low, high, number = _FREQUENCIES
        frequencies = 2 * math.pi * torch.logspace(math.log10(low), math.log10(high), number)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.condition = nn.Sequential(
            nn.Linear(2 * number + condition, _CONDITION), nn.SiLU(), nn.Linear(_CONDITION, _CONDITION), nn.SiLU()
        )
        self.first = nn.Linear(features + condition, hidden)
        self.blocks = nn.ModuleList(ResidualBlock(hidden, _CONDITION) for _ in range(blocks))
        self.inputs = nn.Linear(hidden, features * units)
        self.own = nn.Parameter(torch.randn(features, units))
        self.gain = nn.Linear(_CONDITION, units)
        self.shared = nn.Linear(units, units)
        self.last = nn.Parameter(torch.randn(features, units) / units)
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, time: Tensor, place: Tensor, condition: Tensor) -> Tensor:
        """Velocity (n, f) at times (n, 1) in [0, 1], 0 is noise, at places (n, f), for conditions (n, c)."""
        radius = (time.square() + (1 - time).square()).sqrt()
        seen = place / radius
        return ((2 * time - 1) * seen + self.network(time, seen, condition)) / radius

    def network(self, time: Tensor, seen: Tensor, condition: Tensor) -> Tensor:
        """F (n, f) at z (n, f)."""
        phases = time * self.frequencies
        common = self.first(torch.cat([seen, condition], dim=1))
        condition = self.condition(torch.cat([phases.sin(), phases.cos(), condition], dim=1))
        for block in self.blocks:
            common = block(common, condition)
        units = self.inputs(functional.silu(common)).unflatten(1, self.own.shape)  # (n, f, u)
        units = units + seen.unsqueeze(2) * self.own * self.gain(condition).unsqueeze(1)
        units = self.shared(functional.silu(units))
        return (functional.silu(units) * self.last).sum(2) + self.bias


class ResidualBlock(nn.Module):
    """Perceptron with one hidden layer, on normalised inputs that the condition scales and shifts; starts as identity.

    Args:
        width: Number w of units, also of the hidden layer.
        condition: Number c of values of the condition.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.scale_and_shift = nn.Linear(condition, 2 * width)
        self.hidden, self.last = nn.Linear(width, width), nn.Linear(width, width)
        for layer in (self.scale_and_shift, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, units: Tensor, condition: Tensor) -> Tensor:
        """Units (n, w) to units (n, w), for conditions (n, c)."""
        scale, shift = self.scale_and_shift(condition).chunk(2, dim=1)
        seen = functional.layer_norm(units, units.shape[-1:]) * (1 + scale) + shift
        change: Tensor = self.last(functional.silu(self.hidden(seen)))
        return units + change
