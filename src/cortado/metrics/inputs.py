"""Checks that every metric makes on its input."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.statistics import require_finite

__all__ = ["Binary", "binary", "binary_labels", "event_weights"]

Floats = NDArray[np.float64]


class Binary(NamedTuple):
    """Checked input of a two-class metric, each array of shape (n,)."""

    signal: NDArray[np.bool_]
    scores: Floats
    weights: Floats


def binary(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, signed: bool = False) -> Binary:
    """Signal mask, scores and weights of two classes of events, checked.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Larger for signal, shape (n,); any finite scale.
        weights: Weight of each event, shape (n,); 1 if not given.
        signed: Whether single weights may be negative.
    Raises:
        ValueError: If shapes differ, a label is not 0 or 1, a score or weight is NaN or infinite, a weight is negative
            though none may be, or the weights of a class do not sum up to a positive number.
    """
    signal = binary_labels("labels", labels)
    score = unmasked(scores, dtype=np.float64)
    weight = event_weights(weights, len(signal))
    if score.shape != signal.shape:
        raise ValueError(f"scores have shape {score.shape}, labels {signal.shape}; both must be (n,)")
    require_finite("scores", score)
    if not signed and (negative := int((weight < 0).sum())):
        raise ValueError(f"{negative} of {len(weight)} weights are negative, required: none below 0")
    for name, chosen in (("signal (label 1)", signal), ("background (label 0)", ~signal)):
        total = weight[chosen].sum()
        if total < 0:
            raise ValueError(f"weights of the {chosen.sum()} {name} events sum up to {total:g}, required: more than 0")
        if total == 0:
            raise ValueError(f"no {name} events of positive weight among {len(signal)}: two classes are needed")
    return Binary(signal, score, weight)


def binary_labels(what: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Boolean mask of zeros and ones, shape (n,).

    Raises:
        ValueError: If the shape is not (n,) or a value is neither 0 nor 1.
    """
    array = unmasked(values)
    if array.ndim != 1:
        raise ValueError(f"{what} have shape {array.shape}, needed is (n,)")
    if len(wrong := np.setdiff1d(array, [0, 1])):
        raise ValueError(f"{what} must be 0 or 1 (background or signal), but there are {wrong[:5].tolist()}")
    return array.astype(bool)


def event_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Weights of n events, ones if not given.

    Raises:
        ValueError: If the shape is not (n,), or a weight is NaN or infinite.
    """
    if weights is None:
        return np.ones(n)
    array = unmasked(weights, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"weights have shape {array.shape}, needed is ({n},)")
    require_finite("weights", array)
    return array
