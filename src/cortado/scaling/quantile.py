"""Features as a normal distribution: mapped by quantiles that are fitted once and stored with the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import NDArray

from cortado.scaling.features import entries_of, features_of, listed, masked

__all__ = ["QuantileScaling", "fit_quantiles"]

Inputs = TypeVar("Inputs")  # the NamedTuple of a representation

_END = 3.5  # of the normal distribution; 2e-4 of the entries lie beyond, at each end


@dataclass(frozen=True, kw_only=True)
class QuantileScaling:
    """Feature -> what a standard normal distribution has at the same quantile; linear between those that are known.

    For features with far tails: standardised, they show a network most of their entries in a small part of a unit. The
    order of values stays; beyond the outermost quantiles all are as far out as these.

    Attributes:
        names: The features, f of them.
        quantiles: Rising values of each feature.
        normal: What each of these becomes.

    Raises:
        ValueError: If the lengths differ, a feature has fewer than two quantiles, or they do not rise.
    """

    names: tuple[str, ...]
    quantiles: tuple[tuple[float, ...], ...]
    normal: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.quantiles) == len(self.normal):
            raise ValueError(
                f"QuantileScaling: {len(self.names)} names, quantiles of {len(self.quantiles)} features and what "
                f"becomes of them of {len(self.normal)}, must be as many"
            )
        for name, before, after in zip(self.names, self.quantiles, self.normal):
            if not (len(before) == len(after) >= 2 and np.all(np.diff(before) > 0) and np.all(np.diff(after) > 0)):
                raise ValueError(
                    f"QuantileScaling: {name} has {len(before)} quantiles and {len(after)} normal values, must be two "
                    "or more, as many, and rising"
                )

    def __call__(self, inputs: Inputs) -> Inputs:
        """Map the features of a representation's arrays; padded entries stay 0.

        Args:
            inputs: NamedTuple with `features`, shape (n, f) or (n, p, f), and perhaps `mask`, shape (n, p).

        Returns:
            The same NamedTuple with new features, float32.

        Raises:
            ValueError: If there are no features, or not f.
        """
        features = features_of(inputs, self.names)
        columns = [np.interp(features[..., i], *pair) for i, pair in enumerate(zip(self.quantiles, self.normal))]
        return masked(inputs, np.stack(columns, axis=-1).astype(np.float32))

    def inverse(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Refuse to undo the map.

        Raises:
            ValueError: Always: what lies beyond the outermost quantiles is lost.
        """
        raise ValueError(f"a scaling by quantiles cuts off at +-{_END:g}: no inverse; use scaling.fit with clip=None")


def fit_quantiles(
    inputs: Iterable[Any], names: Iterable[str], *, number: int = 141, most: int = 200_000
) -> QuantileScaling:
    """Quantiles of a sample of any size, evenly spaced in the normal distribution from -3.5 to 3.5.

    Several quantiles of one value, such as the zeros of an empty layer, become one: the mean of theirs.

    Args:
        inputs: Arrays of a representation, chunk by chunk; the result does not depend on how the sample is cut.
        names: The features.
        number: How many quantiles.
        most: Entries that are used; of a larger sample as many, drawn at random but always the same.

    Raises:
        ValueError: If the sample is empty, or a feature is the same for all but some entries, or not finite.
    """
    names = tuple(names)
    rng = np.random.default_rng(0)
    places, kept = np.empty(0), np.empty((0, len(names)), dtype=np.float32)
    for chunk in inputs:
        entries = entries_of(chunk, names)
        places, kept = np.concatenate([places, rng.random(len(entries))]), np.concatenate([kept, entries])
        if len(kept) > most:
            chosen = np.argpartition(places, most - 1)[:most]
            places, kept = places[chosen], kept[chosen]
    if not len(kept):
        raise ValueError(f"cannot fit a scaling of {', '.join(names)}: the sample has no entries")
    normal = np.linspace(-_END, _END, number)
    steps = [
        _merged(column, normal) for column in np.quantile(kept.astype(np.float64), scipy.special.ndtr(normal), axis=0).T
    ]
    constant = np.array([len(values) < 2 for values, _ in steps])
    if constant.any():
        raise ValueError(f"cannot fit a scaling: {listed(names, constant)} the same for all of {len(kept)} entries")
    quantiles, becomes = zip(*((tuple(values.tolist()), tuple(new.tolist())) for values, new in steps))
    return QuantileScaling(names=names, quantiles=quantiles, normal=becomes)


def _merged(quantiles: NDArray[np.float64], normal: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Different quantiles of a feature, and the mean of what belongs to each."""
    values, first, repeats = np.unique(quantiles, return_index=True, return_counts=True)
    return values, (normal[first] + normal[first + repeats - 1]) / 2
