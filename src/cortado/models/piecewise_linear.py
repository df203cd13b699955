"""Piecewise linear encoding: a feature that a network can bend at many places, not only as a whole.

References:
    Gorishniy, Rubachev, Babenko, On Embeddings for Numerical Features in Tabular Deep Learning (2022),
        arXiv:2203.05556, sec. 3.2 and 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_END = 3.5  # of scaled features, as of `QuantileScaling`


class PiecewiseLinear(nn.Module):
    """Each of f scaled features and, beside it, units that are piecewise linear in it.

    A perceptron turns slowly into one that treats a per mille of the events differently. In each of b intervals
    between -3.5 and 3.5 these units have a slope of their own, and a narrow region is soon told from its neighbours.
    The paper puts the edges at quantiles; of features scaled by quantiles, evenly spaced ones are finest in the tails.

    Args:
        features: Number f of features.
        bins: Number b of intervals.
        units: Number u of units of each feature.
    """

    starts: Tensor

    def __init__(self, features: int, bins: int, units: int) -> None:
        super().__init__()
        self.width = 2 * _END / bins
        self.register_buffer("starts", torch.arange(bins) * self.width - _END, persistent=False)
        self.slopes = nn.Parameter(torch.randn(features, bins, units) / bins**0.5)
        self.bias = nn.Parameter(torch.zeros(features, units))

    def forward(self, features: Tensor) -> Tensor:
        """Features and units (n, f + f u) of features (n, f)."""
        passed = ((features.unsqueeze(2) - self.starts) / self.width).clamp(0, 1)  # share of each interval
        units = torch.einsum("nfb,fbu->nfu", passed, self.slopes) + self.bias
        return torch.cat([features, functional.relu(units).flatten(1)], dim=1)
