"""Columns of objects as they are: numbers that somebody has computed before, of whole events or of jets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import as_float32, flat

__all__ = ["Columns", "ColumnsInputs"]


class ColumnsInputs(NamedTuple):
    """Columns of n objects.

    Attributes:
        features: Shape (n, f).
    """

    features: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Fields of an object, one number each, as features.

    Attributes:
        features: Names of the fields, such as "mjj"; at least one, each once.

    Raises:
        ValueError: If there is no feature, one is named twice, or one is of the constituents.

    Example:
        >>> events = ak.Array({"mjj": [3.4, 3.6], "met": [20.0, 10.0]})
        >>> Columns(features=("mjj",))(events).features.tolist()
        [[3.4000000953674316], [3.5999999046325684]]
    """

    features: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.features, tuple) or not self.features:
            raise ValueError(f"Columns: features = {self.features!r}, required: a tuple of one field or more")
        if len(set(self.features)) < len(self.features):
            raise ValueError(f"Columns: features = {self.features}, required: each field once")
        if inner := [name for name in self.features if "." in name]:
            raise ValueError(f"Columns: {inner[0]!r} is of constituents, required: fields with one number of an object")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an object that this needs: the features."""
        return self.features

    def __call__(self, objects: ak.Array) -> ColumnsInputs:
        """Take the columns of objects.

        Args:
            objects: With `fields`, shape (n,).

        Returns:
            The features.

        Raises:
            KeyError: If a field is missing; names the nearest.
            ValueError: If a field is not one number of each object, or one is not finite.
        """
        columns = flat(objects, self.features, caller="Columns", of="object").columns
        values = [columns[name] for name in self.features]
        return ColumnsInputs(as_float32(values, self.features, np.arange(len(objects)), "Columns", of="object"))
