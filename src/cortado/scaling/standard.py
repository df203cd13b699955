"""Standardisation of features: fitted once on the training sample, stored with the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.scaling.features import entries_of, features_of, listed, masked, require_as_many

__all__ = ["Moments", "Scaling", "fit", "merge", "moments"]

Inputs = TypeVar("Inputs")  # the NamedTuple of a representation

# A feature that varies by less than this part of its size is constant up to the rounding of float32.
_CONSTANT = 1e-6


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Standardised feature = (feature - center) * scale, cut off at +-clip.

    Attributes:
        names: The features, f of them.
        center: What is subtracted from each.
        scale: What each is multiplied with then: the inverse of its spread.
        clip: Greatest absolute value afterwards; None for no limit.

    Raises:
        ValueError: If the lengths differ, or a number is not finite, or a scale or the limit is not positive.
    """

    names: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    clip: float | None = None

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.center) == len(self.scale):
            raise ValueError(
                f"Scaling: {len(self.names)} names, {len(self.center)} centers and {len(self.scale)} scales, "
                "must be as many"
            )
        for name, center, scale in zip(self.names, self.center, self.scale):
            if not (np.isfinite(center) and np.isfinite(scale) and scale > 0):
                raise ValueError(f"Scaling: {name} has center {center} and scale {scale}, must be finite and positive")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"Scaling: clip must be positive or None, got {self.clip}")

    def __call__(self, inputs: Inputs) -> Inputs:
        """Standardise the features of a representation's arrays; padded entries stay 0.

        Args:
            inputs: NamedTuple with `features`, shape (n, f) or (n, p, f), and perhaps `mask`, shape (n, p).

        Returns:
            The same NamedTuple with new features, float32.

        Raises:
            ValueError: If there are no features, or not f.
        """
        features = features_of(inputs, self.names)
        scaled = features - np.array(self.center, dtype=np.float32)
        scaled *= np.array(self.scale, dtype=np.float32)
        if self.clip is not None:
            np.clip(scaled, -self.clip, self.clip, out=scaled)
        return masked(inputs, scaled)

    def inverse(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Undo the standardisation.

        Args:
            features: Standardised, shape (n, f).

        Returns:
            As they were before, float32.

        Raises:
            ValueError: If the scaling cuts off, or there are not f features.
        """
        if self.clip is not None:
            raise ValueError(f"a scaling that cuts off at {self.clip} has no inverse; fit it with clip=None")
        require_as_many(features, self.names)
        unscaled: NDArray[np.float32] = (features / np.array(self.scale) + np.array(self.center)).astype(np.float32)
        return unscaled


class Moments(NamedTuple):
    """Number of entries, and mean and sum of squared deviations of each feature, shape (f,)."""

    entries: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]


def moments(inputs: Any, names: tuple[str, ...]) -> Moments:
    """Moments of the features of a representation's arrays, without padded entries.

    Args:
        inputs: NamedTuple with `features` and perhaps `mask`.
        names: The features, for messages.

    Raises:
        ValueError: If a feature is not finite, or there are no features, or not as many as names.
    """
    values = entries_of(inputs, names).astype(np.float64)
    if not len(values):
        return Moments(0, np.zeros(len(names)), np.zeros(len(names)))
    mean = values.mean(axis=0)
    return Moments(len(values), mean, np.square(values - mean).sum(axis=0))


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of two samples together, without loss of digits.

    References:
        Chan, Golub, LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Variances (1979).
    """
    count = first.entries + second.entries
    if count == 0:
        return first
    step = second.mean - first.mean
    return Moments(
        count,
        first.mean + step * (second.entries / count),
        first.squares + second.squares + step**2 * (first.entries * second.entries / count),
    )


def fit(
    inputs: Iterable[Any],
    names: Iterable[str],
    *,
    clip: float | None = 5.0,
    least_spread: ArrayLike = 0.0,
) -> Scaling:
    """Scaling to mean 0 and standard deviation 1, in one pass over a sample of any size.

    Args:
        inputs: Arrays of a representation, chunk by chunk; the result does not depend on how the sample is
            cut.
        names: The features.
        clip: Greatest absolute value after scaling, in standard deviations; None for no limit.
        least_spread: A feature with a smaller standard deviation is divided by this instead, shape () or (f,).

    Raises:
        ValueError: If the sample is empty, or a feature is constant and its least spread 0, or not finite.
    """
    names = tuple(names)
    total = Moments(0, np.zeros(len(names)), np.zeros(len(names)))
    for chunk in inputs:
        total = merge(total, moments(chunk, names))
    if total.entries == 0:
        raise ValueError(f"cannot fit a scaling of {', '.join(names)}: the sample has no entries")
    spread = np.maximum(np.sqrt(total.squares / total.entries), least_spread)
    constant = spread <= _CONSTANT * np.abs(total.mean)
    if constant.any():
        raise ValueError(f"cannot fit a scaling: {listed(names, constant)} the same for all {total.entries} entries")
    return Scaling(names=names, center=tuple(total.mean.tolist()), scale=tuple((1 / spread).tolist()), clip=clip)
