"""Columns of events by branch name, whether the events are plain arrays or coffea NanoEvents.

`FatJet_pt` is the field of that name, or else the field `pt` of the field `FatJet`; `FatJet.pt` is the same. Nothing
here reads a virtual column: it stays virtual until someone looks at its numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import reduce
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
from vector.backends.awkward import behavior

from cortado.names import flat_name, nearest


class _Behavior(dict[Any, Any]):
    """A behaviour that is pickled by its name: that of vector holds functions without one."""

    def __reduce__(self) -> str:
        return "VECTORS"


VECTORS = _Behavior(behavior)
"""What makes arrays named Momentum4D vectors; given to each array, so that nothing is registered globally."""


def names(events: ak.Array) -> frozenset[str]:
    """Names of all columns of the events as branches, `Collection_field`, in both forms.

    Args:
        events: Events, shape (n_events,): one field a branch, or nested records as in NanoEvents.

    Returns:
        The names; of a nested record both its own and those of its fields.
    """
    return frozenset(_names(ak.to_layout(events).form))


def _names(form: Any, prefix: str = "") -> Iterator[str]:
    while not form.is_record and hasattr(form, "content"):
        form = form.content
    for field in form.fields if form.is_record else ():
        yield prefix + field
        yield from _names(form.content(field), f"{prefix}{field}_")


def missing(required: Iterable[str], available: Collection[str]) -> list[str]:
    """Those of the required names that are not available, in their order, whether written for nested or flat events."""
    there = set(map(flat_name, available))
    return [name for name in required if flat_name(name) not in there]


def require(required: Iterable[str], available: Collection[str], dialect: str) -> None:
    """Refuse events that lack a column.

    Args:
        required: Names that the dialect cannot do without.
        available: Names that are there.
        dialect: Name of the dialect, for the message.

    Raises:
        KeyError: If a column is missing; names all that are, and the nearest ones to the first.
    """
    absent = missing(required, available)
    if absent:
        hint = nearest(absent[0], sorted(available))
        raise KeyError(f"{dialect} needs columns that are missing: {absent}; {hint}")


def column(events: ak.Array, name: str) -> ak.Array:
    """One column, without the behaviour and the documentation strings that its source gave it.

    Args:
        events: Events, shape (n_events,).
        name: Branch name; it must be one of `names(events)`.

    Returns:
        The column, virtual if it was.

    Raises:
        KeyError: If there is none.
    """
    array = reduce(lambda outer, field: outer[field], _fields(events, name), events)
    return ak.without_parameters(ak.Array(array.layout), behavior={}, attrs={})


def _fields(events: ak.Array, name: str) -> tuple[str, ...]:
    """The fields that lead to a column: its own name, or the longest beginning of it and what is left."""
    if name in events.fields:
        return (name,)
    beginnings = [field for field in events.fields if name.startswith((f"{field}_", f"{field}."))]
    for field in sorted(beginnings, key=len, reverse=True):
        with suppress(KeyError):
            return (field, *_fields(events[field], name[len(field) + 1 :]))
    for field in events.fields:
        if flat_name(field) == flat_name(name):
            return (field,)
    raise KeyError(f"no column {name!r}; {nearest(name, events.fields)}")


def chosen(events: ak.Array, renamed: Mapping[str, str], prefix: str = "") -> dict[str, ak.Array]:
    """Columns under their names in the record, as far as the events have them.

    Args:
        events: Events, shape (n_events,).
        renamed: Branch name, without the prefix, by name in the record.
        prefix: What all the branch names begin with.

    Returns:
        Columns by name in the record.
    """
    available = names(events)
    wanted = {name: prefix + branch for name, branch in renamed.items()}
    return {name: column(events, branch) for name, branch in wanted.items() if branch in available}


def momenta(columns: Mapping[str, Any]) -> ak.Array:
    """Flat columns, among them pt, eta, phi and mass, as one flat array of four-momenta.

    Args:
        columns: Columns of shape (n,) or (n, ...) by name.

    Returns:
        Records named Momentum4D, shape (n,), with the behaviour of vector attached to this array alone.
    """
    return ak.zip(dict(columns), depth_limit=1, with_name="Momentum4D", behavior=VECTORS)


def records(columns: Mapping[str, Any]) -> ak.Array:
    """Event-level columns as one array of events, shape (n_events,), with the behaviour of vector."""
    return ak.zip(dict(columns), depth_limit=1, behavior=VECTORS)


def scaled(numbers: ak.Array, factor: float) -> ak.Array:
    """Numbers times a factor, of their own type, such as lengths in another unit; a virtual column stays virtual.

    Args:
        numbers: Flat, shape (n,), or jagged, shape (n, var).
        factor: What each is multiplied by.

    Returns:
        The products, of the shape of `numbers`.
    """
    if numbers.ndim > 1:
        return ak.unflatten(scaled(ak.flatten(numbers), factor), ak.num(numbers))
    kind = np.dtype(numbers.type.content.primitive)

    def product() -> npt.NDArray[Any]:
        return np.asarray(ak.to_numpy(numbers) * kind.type(factor))

    if numbers.layout.is_all_materialized:
        return ak.Array(product())
    form = ak.forms.NumpyForm(kind.name, form_key="product")
    return ak.from_buffers(form, numbers.layout.length, {"product-data": product})


def flat(jagged: ak.Array) -> npt.NDArray[Any]:
    """Numbers of a jagged column, without its structure; this reads a virtual column."""
    return np.asarray(ak.to_numpy(ak.flatten(jagged, axis=None)))
