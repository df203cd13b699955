"""What every task does alike: AdamW, one learning rate for each step, a seed for each epoch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cortado.training.loading import Batch
from cortado.training.study import Recipe

__all__ = ["adamw", "averaged", "begin_epoch", "begin_step", "learning_rate"]

_ONE_CYCLE = ((0.0, 0.1), (0.4, 1.0), (0.8, 0.1))  # part of the training, part of the full learning rate
_LOWEST = 5e-7


def adamw(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; one-dimensional parameters (biases, normalisations) do not decay, frozen ones are left out."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.learning_rate)


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Learning rate after a part of the training.

    Args:
        recipe: Names the schedule and its highest rate.
        progress: Jets seen over jets to be seen in all epochs, in [0, 1].
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


def begin_epoch(module: Any) -> None:
    """Give an epoch its order of jets: a training that is resumed repeats the one that was not stopped."""
    # The stream of the first epoch is open by now, at this same number: see _Jets.
    module.trainer.train_dataloader.dataset.epoch.fill_(module.current_epoch)
    module.seen = 0


def begin_step(module: Any, batch: Batch, factors: Sequence[float] = (1.0,)) -> None:
    """Set the learning rate of a step by the jets seen, however they are cut into batches; seed the first of an epoch.

    Args:
        module: The task.
        batch: Of the step.
        factors: Learning rate of each optimiser, over that of the recipe.
    """
    if module.seen == 0:  # not when the epoch begins: a loader draws its own seed after that, unless it was resumed
        seed = np.random.SeedSequence((module.recipe.seed, module.current_epoch, module.global_rank))
        torch.manual_seed(int(seed.generate_state(1)[0]))
    progress = (module.current_epoch + min(1.0, module.seen / module.jets)) / module.recipe.epochs
    for optimiser, factor in zip(module.trainer.optimizers, factors):
        for group in optimiser.param_groups:
            group["lr"] = factor * learning_rate(module.recipe, progress)
    module.seen += len(batch.target) * module.trainer.world_size
