"""Nested columns under the names of flat branches: ``FatJet_pt`` is the field ``pt`` of lists of records ``FatJet``.

Skims of coffea, awkward and uproot hold records (RNTuple, parquet) where NanoAOD has one branch for each field. Both
are views of the same events: what reads one reads the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import awkward as ak
import pyarrow  # type: ignore[import-untyped]

__all__ = ["Fields", "inside", "leaves_of_arrow", "taken", "views"]

Fields = tuple[str, ...]
"""A column of the file, and the fields that lead to a column inside of it."""


def views(leaves: Iterable[Fields]) -> dict[str, Fields]:
    """Names by which columns can be asked for; a column of the file itself has the name that it has there.

    Args:
        leaves: Columns of numbers, in the order of the file.

    Example:
        >>> views([("event",), ("FatJet", "pt")])
        {'event': ('event',), 'FatJet': ('FatJet',), 'FatJet_pt': ('FatJet', 'pt')}
    """
    every = list(leaves)
    columns = {path[0] for path in every}
    names: dict[str, Fields] = {}
    for path in every:
        for end in range(1, len(path) + 1):
            name = "_".join(path[:end])
            if end == 1 or name not in columns:
                names.setdefault(name, path[:end])
    return names


def inside(leaves: Iterable[Fields], wanted: Iterable[Fields]) -> list[int]:
    """Positions of the leaves that are one of the wanted columns, or lie in it."""
    beginnings = set(wanted)
    return [k for k, path in enumerate(leaves) if any(path[:end] in beginnings for end in range(1, len(path) + 1))]


def taken(events: ak.Array, branches: Sequence[str], names: Mapping[str, Fields]) -> ak.Array:
    """Columns of nested events by their names, side by side."""
    if all(names[branch] == (branch,) for branch in branches):
        return events
    columns = {branch: reduce(lambda array, field: array[field], names[branch], events) for branch in branches}
    return ak.zip(columns, depth_limit=1)


def leaves_of_arrow(schema: Any) -> list[Fields]:
    """Columns of numbers of an Arrow schema, in the order in which parquet has them."""
    return [path for field in schema for path in _leaves(field.type, (field.name,))]


def _leaves(kind: Any, path: Fields) -> Iterator[Fields]:
    kind = getattr(kind, "storage_type", kind)  # of the extension types of awkward
    if pyarrow.types.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, (*path, field.name))
    elif pyarrow.types.is_map(kind):
        yield from (path, path)  # keys and values
    elif hasattr(kind, "value_type") and not pyarrow.types.is_dictionary(kind):
        yield from _leaves(kind.value_type, path)
    else:
        yield path
