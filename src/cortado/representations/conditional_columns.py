"""Columns of objects whose density is learned, given others: bounded numbers become unbounded ones, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from cortado.refused import RefusedObjects
from cortado.representations.constituents import as_float32, flat

__all__ = ["ConditionalColumns", "ConditionalInputs"]

Floats = NDArray[np.float64]
Range = tuple[float | None, float | None]
_INSIDE = 1e-6  # how near an end a value is taken to be at most: of the range, or in the unit of a feature with one end


class ConditionalInputs(NamedTuple):
    """Columns of n objects.

    Attributes:
        features: What is learned, shape (n, f), unbounded.
        condition: Given which, shape (n, c), in [-1, 1].
        log_jacobian: Logarithm of the derivative of the features by the columns, shape (n,).
    """

    features: NDArray[np.float32]
    condition: NDArray[np.float32]
    log_jacobian: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ConditionalColumns:
    """Fields of an object, one number each, without their bounds; beside them the fields that are given.

    A feature between two ends becomes the logit of its place between them, one above a lower end the logarithm of its
    distance, one without ends stays as it is. So what is sampled is never outside. Values nearer to an end than 1e-6 of
    the range (with one end: 1e-6 in the feature's unit) are taken to be there. A condition is mapped to [-1, 1].

    Attributes:
        features: Lowest and highest value by field, `{"tau21": (0, 1), "mass": (0, None)}`; None where there is no end.
        condition: The same of what is given, `{"mjj": (2800, 4400)}`; both ends are numbers.

    Raises:
        ValueError: If there is no feature or no condition, one is both, ends do not rise, or a condition lacks one.

    References:
        Hallin et al., Classifying anomalies through outer density estimation (2021), arXiv:2109.00546, section 3.1.

    Example:
        >>> representation = ConditionalColumns(features={"tau21": (0, 1)}, condition={"mjj": (2000, 4000)})
        >>> representation(ak.Array({"tau21": [0.5], "mjj": [3500.0]})).condition.tolist()
        [[0.5]]
        >>> representation.inverse({"mjj": [3500.0]}, [[0.0]]).tolist()
        [{'mjj': 3500.0, 'tau21': 0.5}]
    """

    features: Mapping[str, Range]
    condition: Mapping[str, Range]

    def __post_init__(self) -> None:
        for what, given in (("features", self.features), ("condition", self.condition)):
            if not isinstance(given, Mapping) or not given:
                raise ValueError(f"ConditionalColumns: {what} = {given!r}, required: ends by field, one or more")
            for name, ends in given.items():
                _require_ends(what, name, ends)
            object.__setattr__(
                self, what, {name: tuple(ends) for name, ends in given.items()}
            )  # of JSON they are lists
        if both := [name for name in self.features if name in self.condition]:
            raise ValueError(f"ConditionalColumns: {both[0]!r} is a feature and a condition, required: one of them")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an object that this needs."""
        return (*self.features, *self.condition)

    def __call__(self, objects: ak.Array) -> ConditionalInputs:
        """Take the columns of objects.

        Args:
            objects: With `fields`, shape (n,).
        Raises:
            KeyError: If a field is missing; names the nearest.
            ValueError: If a field is not one number of each object, or one is not finite or outside of its ends.
        """
        columns = flat(objects, self.fields, caller="ConditionalColumns", of="object").columns
        for name, ends in (*self.features.items(), *self.condition.items()):
            _require_inside(name, columns[name], ends)
        mapped = [_unbounded(columns[name], ends) for name, ends in self.features.items()]
        owner = np.arange(len(objects))
        jacobian = np.sum([derivative for _, derivative in mapped], axis=0)
        return ConditionalInputs(
            as_float32([value for value, _ in mapped], tuple(self.features), owner, "ConditionalColumns", of="object"),
            self.given(columns),
            jacobian.astype(np.float32),
        )

    def given(self, columns: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
        """The condition (n, c) of columns (n,).

        Raises:
            ValueError: If one is missing or outside of its ends, or their lengths differ.
        """
        values = {name: np.asarray(columns[name], np.float64) for name in self.condition if name in columns}
        shapes = {name: value.shape for name, value in values.items()}
        if missing := [name for name in self.condition if name not in columns]:
            raise ValueError(f"ConditionalColumns: no condition {missing[0]!r} among {', '.join(columns) or 'nothing'}")
        if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
            raise ValueError(f"ConditionalColumns: conditions have shapes {shapes}, required: (n,) each")
        for name, ends in self.condition.items():
            _require_inside(name, values[name], ends)
        parts = [2 * _place(values[name], ends) - 1 for name, ends in self.condition.items()]
        return np.stack(parts, axis=1).astype(np.float32)

    def inverse(self, condition: Mapping[str, ArrayLike], features: ArrayLike) -> ak.Array:
        """Objects with these conditions and features.

        Args:
            condition: Columns (n,) as they were given; they keep their type.
            features: Unbounded, shape (n, f).
        Returns:
            Record (n,) of the conditions and the features; float32, within their ends.
        """
        rows = np.asarray(features, np.float64)
        made = {name: np.asarray(condition[name]) for name in self.condition}
        made |= {name: _bounded(rows[:, i], ends) for i, (name, ends) in enumerate(self.features.items())}
        return ak.zip(made, depth_limit=1)


def _require_ends(what: str, name: str, ends: Range) -> None:
    required = "two rising numbers" if what == "condition" else "two rising ends, None where there is none, a lower one"
    if not isinstance(ends, tuple | list) or len(ends) != 2:
        raise ValueError(f"ConditionalColumns: {what}[{name!r}] = {ends!r}, required: {required}")
    low, high = ends
    both = low is not None and high is not None
    allowed = both if what == "condition" else (high is None or both)
    numbers = np.array([end for end in ends if end is not None], dtype=np.float64)
    rising = bool(np.isfinite(numbers).all() and (np.diff(numbers) > 0).all())
    if not allowed or not rising or "." in name:
        raise ValueError(f"ConditionalColumns: {what}[{name!r}] = {ends!r}, required: {required}")


def _require_inside(name: str, values: Floats, ends: Range) -> None:
    low, high = (end if end is not None else other for end, other in zip(ends, (-np.inf, np.inf)))
    if (outside := ~((values >= low) & (values <= high))).any():
        first = int(np.flatnonzero(outside)[0])
        raise RefusedObjects(
            f"ConditionalColumns: {name} of {outside.sum()} of {len(values)} objects is outside of {low:g} to {high:g}"
            f", such as {values[first]:g} of object {first}: widen the ends, or leave these out by a mask",
            np.flatnonzero(outside),
            f"a {name} outside of {low:g} to {high:g}",
        )


def _place(values: Floats, ends: Range) -> Floats:
    """Where values are between two ends, in [0, 1]."""
    low, high = ends
    assert low is not None
    assert high is not None
    place: Floats = (values - low) / (high - low)
    return place


def _unbounded(values: Floats, ends: Range) -> tuple[Floats, Floats]:
    """Values (n,) without their ends, and the logarithm of the derivative."""
    low, high = ends
    if low is None:
        return values, np.zeros_like(values)
    if high is None:
        distance = np.maximum(values - low, _INSIDE)
        return np.log(distance), -np.log(distance)
    place = np.clip(_place(values, ends), _INSIDE, 1 - _INSIDE)
    return scipy.special.logit(place), -np.log((high - low) * place * (1 - place))


def _bounded(values: Floats, ends: Range) -> NDArray[np.float32]:
    """Inverse of `_unbounded`; rounding leads no value outside."""
    low, high = ends
    if low is None:
        return values.astype(np.float32)
    if high is None:
        with np.errstate(over="ignore"):
            return np.maximum(low + np.exp(values), low).astype(np.float32)
    made: NDArray[np.float32] = np.clip(
        (low + (high - low) * scipy.special.expit(values)).astype(np.float32), low, high
    )
    return made.astype(np.float32)
