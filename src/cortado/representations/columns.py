"""Columns of objects as they are: numbers that somebody has computed before, of whole events or of jets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.refused import RefusedObjects
from cortado.representations.constituents import as_float32, flat

__all__ = ["Columns", "ColumnsInputs"]

_MEMBER = re.compile(r"(\w+)\.(\w+)\[(\d+)\]")
_NUMBER = re.compile(r"num\((\w+)\)")


class ColumnsInputs(NamedTuple):
    """Columns of n objects.

    Attributes:
        features: Shape (n, f).
    """

    features: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Fields of an object as features: plain numbers, members of its collections, and how many these are.

    Attributes:
        features: At least one, each once: names of fields with one number of an object, such as "mjj" or "met";
            "jets.pt[0]", a field of one member of a collection, counted from 0 in the order of the file; "num(jets)",
            the number of members.
        missing: Value where an object has no such member; None refuses objects that lack one.

    Raises:
        ValueError: If there is no feature, one is named twice, or one is of no such form.

    Example:
        >>> events = ak.Array({"met": [20.0, 10.0], "jets": [[{"pt": 50.0}, {"pt": 40.0}], []]})
        >>> Columns(features=("met", "jets.pt[0]", "num(jets)"), missing=0.0)(events).features.tolist()
        [[20.0, 50.0, 2.0], [10.0, 0.0, 0.0]]
    """

    features: tuple[str, ...]
    missing: float | None = None
    whole: ClassVar[bool] = True
    """An object is one row, whatever its collections hold: events without jets are scored too."""

    def __post_init__(self) -> None:
        if not isinstance(self.features, tuple) or not self.features:
            raise ValueError(f"Columns: features = {self.features!r}, required: a tuple of one field or more")
        if len(set(self.features)) < len(self.features):
            raise ValueError(f"Columns: features = {self.features}, required: each field once")
        for name in self.features:
            if not (name.isidentifier() or _MEMBER.fullmatch(name) or _NUMBER.fullmatch(name)):
                raise ValueError(
                    f"Columns: feature {name!r}, required: a field with one number of an object (met) or of a member "
                    "of a collection (jets.pt[0]), or a number of members (num(jets))"
                )

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an object that this needs: "met", "jets.pt"."""
        members = {name: f"{match[1]}.{match[2]}" for name in self.features if (match := _MEMBER.fullmatch(name))}
        # To count the members of a collection any field of them will do.
        known = {field.partition(".")[0]: field for field in members.values()}
        numbers = {
            name: known.get(match[1], f"{match[1]}.pt") for name in self.features if (match := _NUMBER.fullmatch(name))
        }
        return tuple(dict.fromkeys((members | numbers).get(name, name) for name in self.features))

    def __call__(self, objects: ak.Array) -> ColumnsInputs:
        """Take the columns of objects.

        Args:
            objects: With `fields`, shape (n,).

        Returns:
            The features.

        Raises:
            KeyError: If a field is missing; names the nearest.
            ValueError: If a field is not one number of each object, one is not finite, or a member is not there.
        """
        plain = [name for name in self.features if name.isidentifier()]
        columns: dict[str, Any] = dict(flat(objects, plain, caller="Columns", of="object").columns)
        for name in self.features:
            if match := _MEMBER.fullmatch(name):
                columns[name] = self._member(objects, *match.groups())
            elif match := _NUMBER.fullmatch(name):
                columns[name] = _counted(objects, match[1], self.fields)
        values = [columns[name] for name in self.features]
        return ColumnsInputs(as_float32(values, self.features, np.arange(len(objects)), "Columns", of="object"))

    def _member(self, objects: ak.Array, collection: str, field: str, index: str) -> NDArray[np.float64]:
        every = flat(
            objects, [f"{collection}.{field}"], caller="Columns", collection=collection, by_pt=False, of="object"
        )
        place, there = np.cumsum(every.counts) - every.counts + int(index), every.counts > int(index)
        if self.missing is None and not there.all():
            raise RefusedObjects(
                f"Columns: {collection}.{field}[{index}] is not there in {np.sum(~there)} of {len(there)} objects, "
                f"first in {np.argmin(there)}; missing=0.0, or another value, stands for it",
                np.flatnonzero(~there),
                f"no {collection}.{field}[{index}]",
            )
        values = np.full(len(there), np.nan if self.missing is None else self.missing)
        values[there] = every.own(field)[place[there]]
        return values


def _counted(objects: ak.Array, collection: str, fields: tuple[str, ...]) -> NDArray[np.int64]:
    """Members of a collection, shape (n,)."""
    field = next(name for name in fields if name.startswith(f"{collection}."))
    return flat(objects, [field], caller="Columns", collection=collection, by_pt=False, of="object").counts
