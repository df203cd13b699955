"""What all weights share: nominal and varied values, and the refusal of what is none."""

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["WeightVariations", "effective_sample_size", "require_between", "require_finite"]


class WeightVariations(NamedTuple):
    """Nominal weight, and the weights with its uncertainty shifted by one standard deviation."""

    nominal: Any
    up: Any
    down: Any


def effective_sample_size(weights: ArrayLike) -> float:
    """Number of unweighted events with the same relative uncertainty, (sum w)^2 / sum w^2; 0 for no events.

    References:
        Kish, Survey Sampling (1965), sec. 8.2.
    """
    w = np.asarray(weights, np.float64)
    require_finite("weight", w)
    squares = (w**2).sum()
    return float(w.sum() ** 2 / squares) if squares else 0.0


def require_finite(what: str, values: NDArray[Any]) -> None:
    """Refuse values that are not finite.

    Raises:
        ValueError: If there are some; says where the first is.
    """
    if (bad := ~np.isfinite(values)).any():
        index = int(np.argmax(bad))
        raise ValueError(
            f"{bad.sum()} of {values.size} {what}s are not finite, the first is {values[index]} at {index}"
        )


def require_between(low: float, high: float, what: str, values: Any) -> None:
    """Refuse values outside of [low, high], infinite ones too.

    Raises:
        ValueError: If there are some; says where the first is.
    """
    flat = np.asarray(ak.ravel(values), np.float64)
    # An infinite value is outside [0, inf) too; NaN compares false with everything.
    outside = ~((flat >= low) & (flat <= high) & (flat < np.inf))
    if outside.any():
        index = int(np.argmax(outside))
        raise ValueError(
            f"{what} must lie in [{low:g}, {high:g}], got {flat[index]:g} at {index} ({outside.sum()} of {flat.size})"
        )
