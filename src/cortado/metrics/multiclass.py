"""Accuracy and F1 of more than two classes, with errors from resampled objects."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.counting import confusion_counts
from cortado.statistics import Estimate

__all__ = ["MulticlassMerits", "multiclass_merits"]


class MulticlassMerits(NamedTuple):
    """How often the class that is taken is the true one."""

    accuracy: Estimate
    mean_f1: Estimate  # over the classes, each counting the same
    f1: tuple[Estimate, ...]  # of each class against all others


def multiclass_merits(
    labels: ArrayLike, predictions: ArrayLike, *, classes: int, resamplings: int = 200, seed: int = 1
) -> MulticlassMerits:
    """Accuracy and F1 = 2 TP / (2 TP + FP + FN) of objects of several classes.

    Errors are standard deviations over as many objects drawn with replacement (bootstrap): F1 of two classes share
    objects. F1 of a class that is neither there nor taken is NaN.

    Args:
        labels: Index of the true class, shape (n,).
        predictions: Index of the class that is taken, shape (n,).
        classes: Number of classes.
        resamplings: How often objects are drawn.
        seed: Of the draws.
    Raises:
        ValueError: As `confusion_counts`.
    """
    counts = confusion_counts(labels, predictions, classes=classes).value
    cells = classes * np.asarray(labels, np.int64) + np.asarray(predictions, np.int64)
    rng, n = np.random.default_rng(seed), len(cells)
    drawn = [np.bincount(cells[rng.integers(n, size=n)], minlength=classes**2) for _ in range(resamplings)]
    errors = _merits(np.reshape(drawn, (-1, classes, classes))).std(axis=0)
    accuracy, mean_f1, *f1 = (Estimate(*pair) for pair in zip(_merits(counts).tolist(), errors.tolist()))
    return MulticlassMerits(accuracy, mean_f1, tuple(f1))


def _merits(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Accuracy, mean F1 and F1 of each class, shape (..., 2 + c), of counts (..., c, c) as (truth, prediction)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    either = counts.sum(axis=-1) + counts.sum(axis=-2)
    f1 = np.divide(2.0 * right, either, out=np.full(either.shape, np.nan), where=either > 0)
    accuracy = right.sum(axis=-1) / counts.sum(axis=(-2, -1))
    return np.concatenate([accuracy[..., None], f1.mean(axis=-1, keepdims=True), f1], axis=-1)
