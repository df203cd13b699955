"""How weights move: AdamW, one learning rate for each step, averages of the weights."""

from __future__ import annotations

import math

import numpy as np
import torch

from cortado.training.study import Recipe

__all__ = ["adamw", "averaged", "learning_rate"]

_ONE_CYCLE = ((0.0, 0.1), (0.4, 1.0), (0.8, 0.1))  # part of the training, part of the full learning rate
_LOWEST = 5e-7


def adamw(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; one-dimensional parameters (biases, normalisations) do not decay, frozen ones are left out."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.learning_rate, betas=recipe.betas)


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Learning rate after a part of the training.

    Args:
        recipe: Names the schedule and its highest rate.
        progress: Objects seen over objects to be seen in all epochs, in [0, 1].
    References:
        Qu, Gouskos, ParticleNet (2019), arXiv:1902.08570, sec. IV A: 8 epochs up, 8 down, 4 to 5e-7.
    """
    full = recipe.learning_rate
    if recipe.schedule == "constant":
        return full
    if recipe.schedule == "cosine":
        rise = min(1.0, (progress + 1e-3) / 0.02)
        return full * rise * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    places, factors = zip(*_ONE_CYCLE)
    return float(np.interp(progress, (*places, 1.0), (*(full * factor for factor in factors), min(full, _LOWEST))))


def averaged(decay: float, average: torch.Tensor, weights: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Moving average of the weights after one more step: exponential, but of the last tenth of the steps at most.

    So it forgets the first, untrained weights long before 1 / (1 - decay) steps.
    """
    keep = ((1 + steps) / (10 + steps)).clamp(max=decay)
    return torch.lerp(weights, average, keep.to(weights.dtype)) if weights.is_floating_point() else weights
