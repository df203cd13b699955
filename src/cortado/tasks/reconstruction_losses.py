"""How far objects are from what a network makes of them.

Shapes: n objects, p constituents, q reproduced ones, f features; images (n, c, h, w).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Loss", "cell_losses", "object_losses"]

Loss = Literal["squared", "poisson", "chamfer"]

_REACH = 4.0  # of the kernel, in its standard deviations


def object_losses(loss: Loss, smearing: float, outputs: Tensor, given: Tensor, mask: Tensor | None) -> Tensor:
    """Loss of each object, shape (n,): the sum over its numbers; of a set the mean over its members, both ways."""
    if loss == "chamfer":
        towards, back = _nearest(outputs, given, mask)
        real = torch.ones_like(towards, dtype=torch.bool) if mask is None else mask
        return (towards * real).sum(1) / real.sum(1).clamp(min=1) + torch.where(real.any(1), back.mean(1), 0.0)
    each = cell_losses(loss, smearing, outputs, given, mask)
    return (each if mask is None else each * mask.unsqueeze(-1)).flatten(1).sum(1)


def cell_losses(loss: Loss, smearing: float, outputs: Tensor, given: Tensor, mask: Tensor | None) -> Tensor:
    """Loss of each number of what is given, of its shape; of sets that of each constituent (n, p)."""
    if loss == "chamfer":
        return _nearest(outputs, given, mask)[0]
    given = given.float()
    if loss == "poisson":
        return 2 * (outputs.exp() - given + torch.xlogy(given, given) - given * outputs)
    difference = outputs - given
    return torch.square(smeared(difference, smearing) if smearing else difference)


def smeared(images: Tensor, width: float) -> Tensor:
    """Images (n, c, h, w) smeared by a Gaussian of a standard deviation [pixels]; outside of them is nothing."""
    reach = math.ceil(_REACH * width)
    place = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (place / width) ** 2)
    kernel = kernel / kernel.sum()
    channels = images.shape[1]
    along = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    across = functional.conv2d(images, along, padding=(0, reach), groups=channels)
    return functional.conv2d(across, along.transpose(2, 3), padding=(reach, 0), groups=channels)


def _nearest(outputs: Tensor, given: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Squared distance of each constituent (n, p) to the nearest output, and of each output (n, q) to a constituent."""
    apart = torch.square(given.float().unsqueeze(2) - outputs.unsqueeze(1)).sum(-1)
    if mask is None:
        return apart.amin(2), apart.amin(1)
    towards = torch.where(mask, apart.amin(2), 0.0)
    # Objects without constituents have no nearest: their mean is left out above.
    return towards, apart.masked_fill(~mask.unsqueeze(2), torch.finfo(apart.dtype).max).amin(1)
