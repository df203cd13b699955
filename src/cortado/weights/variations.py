"""What all weights share: nominal and varied values, and the refusal of what is none."""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import numpy as np

__all__ = ["WeightVariations", "require_between"]


class WeightVariations(NamedTuple):
    """Nominal weight, and the weights with its uncertainty shifted by one standard deviation."""

    nominal: Any
    up: Any
    down: Any


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
