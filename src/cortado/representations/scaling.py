"""Standardisation of features: fitted once on the training sample, stored with the model."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.representations.features import PARTICLENET_FEATURES
from cortado.representations.track_features import SET2GRAPH_FEATURES

__all__ = [
    "DEEP_SETS_SCALING",
    "PARTICLENET_SCALING",
    "SET2GRAPH_SCALING",
    "Moments",
    "Scaling",
    "fit",
    "merge",
    "moments",
]

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
        _require_as_many(features, self.names)
        unscaled: NDArray[np.float32] = (features / np.array(self.scale) + np.array(self.center)).astype(np.float32)
        return unscaled


PARTICLENET_SCALING = Scaling(
    names=PARTICLENET_FEATURES,
    center=(0.0, 0.0, 1.7, 2.0, -4.7, -4.7, 0.2),
    scale=(1.0, 1.0, 0.7, 0.7, 0.7, 0.7, 4.0),
    clip=5.0,
)
"""The constants of weaver for the default features of `PointCloud`; the angles stay as they are."""

DEEP_SETS_SCALING = Scaling(
    names=PARTICLENET_FEATURES,
    center=PARTICLENET_SCALING.center,
    scale=(0.5, 0.5, 0.07, 0.07, 0.07, 0.07, 0.4),
)
"""The same features for networks that add up some fifty constituents (`PFN`).

A tenth of the size, the angles half, keep the sums of the untrained network of order one; with features of order one,
much of a training goes into undoing that.
"""

_SET2GRAPH_SPREADS = (
    (6.078152e-4, 14.128961),
    (3.8490593e-3, 10.688491),
    (-2.6713554e-3, 1.8167108),
    (4.7640945e-3, 1.889725),
    (5.237357, 7.4841413),
    (-1.5662189e-4, 1.0),
    (75.95093, 49.134453),
    (2.2607117e-3, 1.2152709),
    (-2.3569583e-3, 1.8164033),
    (9.437994, 6.765137),
)
SET2GRAPH_SCALING = Scaling(
    names=SET2GRAPH_FEATURES,
    center=tuple(mean for mean, _ in _SET2GRAPH_SPREADS),
    scale=tuple(1 / spread for _, spread in _SET2GRAPH_SPREADS),
)
"""Mean and spread of the training sample of arXiv:2008.02831 (doi:10.5281/zenodo.4044628), as in its code.

The impact parameters of that sample spread over a centimetre; fit a scaling where yours do not.
"""


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


def features_of(inputs: Any, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Features (n, f) or (n, p, f) of a representation's arrays.

    Raises:
        ValueError: If there are none, or not as many as names.
    """
    features: NDArray[np.float32] | None = getattr(inputs, "features", None)
    if features is None:
        raise ValueError(f"{type(inputs).__name__} has no features to scale, only {', '.join(inputs._fields)}")
    _require_as_many(features, names)
    return features


def entries_of(inputs: Any, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Features (entries, f) of a representation's arrays, without padded entries.

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
    """The arrays with new features, but for padded entries."""
    mask = getattr(inputs, "mask", None)
    if mask is not None:
        features = np.where(mask[..., np.newaxis], features, inputs.features)  # type: ignore[attr-defined]
    return inputs._replace(features=features)  # type: ignore[attr-defined, no-any-return]


def _require_as_many(features: NDArray[np.floating], names: tuple[str, ...]) -> None:
    if features.shape[-1] != len(names):
        shown = ", ".join(names[:7]) + (", ..." if len(names) > 7 else "")
        raise ValueError(f"scaling of {len(names)} features ({shown}), got {features.shape[-1]}")


def listed(names: tuple[str, ...], chosen: NDArray[np.bool_]) -> str:
    """The chosen names as the beginning of a sentence: "a, b are"."""
    found = [name for name, is_chosen in zip(names, chosen) if is_chosen]
    return f"{', '.join(found)} {'is' if len(found) == 1 else 'are'}"
