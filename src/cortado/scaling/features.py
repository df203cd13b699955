"""Features of a representation's arrays: taken out, checked, and put back."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["entries_of", "features_of", "listed", "masked", "require_as_many"]

Inputs = TypeVar("Inputs")  # the NamedTuple of a representation


def features_of(inputs: Any, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Features of a representation's arrays.

    Args:
        inputs: NamedTuple with `features`.
        names: The features, f of them.

    Returns:
        Shape (n, f) or (n, p, f).

    Raises:
        ValueError: If there are none, or not as many as names.
    """
    features: NDArray[np.float32] | None = getattr(inputs, "features", None)
    if features is None:
        raise ValueError(f"{type(inputs).__name__} has no features to scale, only {', '.join(inputs._fields)}")
    require_as_many(features, names)
    return features


def entries_of(inputs: Any, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Features of a representation's arrays, without padded entries.

    Args:
        inputs: NamedTuple with `features` and perhaps `mask`, shape (n, p).
        names: The features, f of them.

    Returns:
        Shape (entries, f).

    Raises:
        ValueError: If a feature is not finite, or as `features_of`.
    """
    features, mask = features_of(inputs, names), getattr(inputs, "mask", None)
    entries: NDArray[np.float32] = features if mask is None else features[mask]
    infinite: NDArray[np.bool_] = ~np.all(np.isfinite(entries), axis=0, keepdims=True)[0]
    if infinite.any():
        raise ValueError(f"cannot fit a scaling: {listed(names, infinite)} not finite")
    return entries


def masked(inputs: Inputs, features: NDArray[np.float32]) -> Inputs:
    """Put new features into a representation's arrays, but for padded entries.

    Args:
        inputs: NamedTuple with `features` and perhaps `mask`, shape (n, p).
        features: The new ones, shape (n, f) or (n, p, f).

    Returns:
        The same NamedTuple with the new features.
    """
    mask = getattr(inputs, "mask", None)
    if mask is not None:
        features = np.where(mask[..., np.newaxis], features, inputs.features)  # type: ignore[attr-defined]
    return inputs._replace(features=features)  # type: ignore[attr-defined, no-any-return]


def require_as_many(features: NDArray[np.floating], names: tuple[str, ...]) -> None:
    """Refuse features that are not as many as their names.

    Raises:
        ValueError: If they are not.
    """
    if features.shape[-1] != len(names):
        shown = ", ".join(names[:7]) + (", ..." if len(names) > 7 else "")
        raise ValueError(f"scaling of {len(names)} features ({shown}), got {features.shape[-1]}")


def listed(names: tuple[str, ...], chosen: NDArray[np.bool_]) -> str:
    """The chosen names as the beginning of a sentence: "a, b are"."""
    those = [name for name, is_chosen in zip(names, chosen) if is_chosen]
    return f"{', '.join(those)} {'is' if len(those) == 1 else 'are'}"
