"""Random numbers that a loss needs: fresh ones in training, the same ones for the same shower in evaluation."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 256
_SPREAD = 1e4  # takes the sum of a shower's features, known to 1e-7, to a phase that says nothing about the shower


def draws(features: Tensor, width: int, *, training: bool) -> tuple[Tensor, Tensor]:
    """Uniform numbers in (0, 1), shape (n,), and standard normal ones, shape (n, width), for showers (n, f).

    In training, of torch's generator, and the uniform ones are spread evenly over the batch. In evaluation a loss
    should depend on the weights and the shower alone, not on its batch: the shower's features choose a row of a table.
    """
    n = len(features)
    if training:
        steps = torch.arange(n, device=features.device)
        return (steps + torch.rand(n, device=features.device)) / max(n, 1), features.new_empty(n, width).normal_()
    table = torch.randn(_ROWS, width, generator=torch.Generator().manual_seed(0)).to(features)
    row = (features.double().sum(1).mul(_SPREAD).frac().abs() * _ROWS).long()
    return ((row + 0.5) / _ROWS).to(features), table[row]
