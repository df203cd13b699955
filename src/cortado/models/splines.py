"""Monotonic rational-quadratic splines, whose parameters a network gives.

References:
    Durkan et al., Neural Spline Flows (2019), arXiv:1906.04032, section 3.1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 1e-3
"""Least width and height of a bin, relative to the interval, and least slope at a knot."""


class Bin(NamedTuple):
    """The bins that values (n, f) fall into: lower left corner, size, and slopes of the spline at both ends."""

    left: Tensor
    bottom: Tensor
    width: Tensor
    height: Tensor
    first: Tensor
    last: Tensor


def spline(values: Tensor, parameters: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Spline of each value and the logarithm of its slope, shape (n, f) each; eqs. (4) and (5).

    The K bins cover [-bound, bound]; beyond it values stay as they are. All parameters 0 make the identity.

    Args:
        values: Values, shape (n, f).
        parameters: Shape (n, 3 K - 1, f): logits of K widths, of K heights, and slopes at the K - 1 inner knots.
        bound: End of the interval.
    """
    bins = _find(values, parameters, bound, axis=0)
    place = ((values - bins.left) / bins.width).clamp(0, 1)
    rest, mean = place * (1 - place), bins.height / bins.width
    scale = mean + (bins.first + bins.last - 2 * mean) * rest
    inner = bins.bottom + bins.height * (mean * place**2 + bins.first * rest) / scale
    slope = mean**2 * (bins.last * place**2 + 2 * mean * rest + bins.first * (1 - place) ** 2) / scale**2
    inside = values.abs() < bound
    return torch.where(inside, inner, values), torch.where(inside, slope.log(), 0.0)


def inverse_spline(values: Tensor, parameters: Tensor, bound: float) -> Tensor:
    """Values (n, f) whose `spline` is given; eqs. (6) to (8).

    The root is written such that neither rounding nor steep bins make it NaN: its discriminant as a sum of squares,
    and no difference of two numbers of the same sign.
    """
    bins = _find(values, parameters, bound, axis=1)
    place, mean = ((values - bins.bottom) / bins.height).clamp(0, 1), bins.height / bins.width
    linear = bins.first - place * (bins.first + bins.last - 2 * mean)
    root = ((linear - 2 * mean * place) ** 2 + 4 * mean**2 * place * (1 - place)).sqrt()
    rises = linear > 0
    above = torch.where(rises, 2 * mean * place, root - linear)
    below = torch.where(rises, linear + root, 2 * (mean - linear))
    return torch.where(values.abs() < bound, bins.left + bins.width * above / below, values)


def _find(values: Tensor, parameters: Tensor, bound: float, axis: int) -> Bin:
    """The bins of values on the horizontal (0) or vertical axis (1)."""
    n, outputs, features = parameters.shape
    bins = (outputs + 1) // 3
    logits = parameters[:, : 2 * bins].view(n, 2, bins, features)
    shares = logits.softmax(2)  # of what the least sizes leave
    number = torch.arange(bins, device=values.device).unsqueeze(1)
    with torch.no_grad():
        ends = _length(shares[:, axis].cumsum(1), number + 1, bins, bound)[:, :-1] - bound
        index = (ends <= values.unsqueeze(1)).sum(1, keepdim=True)  # (n, 1, f)
    before = torch.where((number < index).unsqueeze(1), shares, 0.0).sum(2)
    share = shares.gather(2, index.unsqueeze(1).expand(-1, 2, -1, -1)).squeeze(2)
    corner, size = _length(before, index, bins, bound) - bound, _length(share, 1, bins, bound)
    # Softplus of this is the slope 1 outside, less the least slope.
    one = math.log(math.expm1(1 - SMALLEST))
    slopes = functional.pad(parameters[:, 2 * bins :], (0, 0, 1, 1))
    first, last = (_softplus(slopes.gather(1, i).squeeze(1) + one) + SMALLEST for i in (index, index + 1))
    return Bin(corner[:, 0], corner[:, 1], size[:, 0], size[:, 1], first, last)


def _softplus(values: Tensor) -> Tensor:
    """As of torch; in an exported graph of operations that onnxruntime has in double precision too."""
    if torch.compiler.is_exporting():
        return values.clamp(min=0) + (-values.abs()).exp().log1p()
    return functional.softplus(values)


def _length(share: Tensor, number: Tensor | int, bins: int, bound: float) -> Tensor:
    """Length of a number of bins with a share of what their least sizes leave."""
    return 2 * bound * (SMALLEST * number + (1 - bins * SMALLEST) * share)
