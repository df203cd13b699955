"""Many small matrices at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_sum", "inverse", "times"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def inverse(matrices: Floats) -> Floats:
    """Inverses of symmetric positive definite matrices, whatever the units of their rows, shape (m, k, k)."""
    scale = 1 / np.sqrt(np.diagonal(matrices, axis1=-2, axis2=-1))
    outer = scale[..., :, np.newaxis] * scale[..., np.newaxis, :]
    return np.asarray(np.linalg.inv(matrices * outer) * outer)


def times(matrices: Floats, vectors: Floats) -> Floats:
    """Each matrix times its vector, shape (..., k)."""
    return np.asarray((matrices @ vectors[..., np.newaxis])[..., 0])


def group_sum(values: Floats, group: Integers, groups: int) -> Floats:
    """Sum of the values of each group, shape (g, ...); 0 for a group without any.

    Args:
        values: Shape (m, ...).
        group: Index of the group of each, in any order, shape (m,).
        groups: Number g of groups.
    """
    inner = values.shape[1:]
    size = int(np.prod(inner))
    cell = group[:, np.newaxis] * size + np.arange(size)
    sums = np.bincount(cell.ravel(), values.ravel(), minlength=groups * size).reshape(groups, *inner)
    return sums.astype(np.float64)  # without any track, bincount counts in integers
