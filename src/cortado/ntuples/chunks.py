"""Chunks of entries on their way into a file: what can be stored, and that all chunks are alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
from awkward.types import ListType, NumpyType, RegularType

from cortado.ntuples.table import collection

Chunk: TypeAlias = ak.Array | Mapping[str, Any]

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMBERS = ("bool", *_INTEGERS, "float32", "float64")


def prepared(chunks: Iterable[Chunk], path: str | Path, *, jagged: bool) -> Iterator[dict[str, ak.Array]]:
    """Take chunks apart into the branches that a file stores, of the same names and types in all chunks.

    Args:
        chunks: Record arrays, or mappings from names to arrays of equal length.
        path: The file, for the message.
        jagged: Whether the file can hold rows of different lengths, with their counters.

    Yields:
        Arrays by their names in the file: records apart, counters before what they count.

    Raises:
        ValueError: If there are no chunks, or a chunk has other branches than the first, branches of unequal
            length, or a counter that does not count.
        TypeError: If a type cannot be stored, or differs from that in the first chunk.
    """
    types: dict[str, Any] = {}
    for number, chunk in enumerate(chunks):
        branches = _branches(chunk, number)
        for name, array in branches.items():
            _check_storable(name, array, jagged)
        own_types = types_of(branches)
        types = types or own_types
        _check_same(own_types, types, number)
        yield branches
    if not types:
        raise ValueError(f"no chunks to write to {path}; one, perhaps without entries, gives the types")


def types_of(branches: Mapping[str, ak.Array]) -> dict[str, Any]:
    """Type of one entry of each branch."""
    return {name: ak.type(array).content for name, array in branches.items()}


def counter(branch: str, known: Collection[str]) -> str:
    """Name of the branch that counts the elements of a jagged one."""
    return f"n{collection(branch, known) or branch}"


def _branches(chunk: Chunk, number: int) -> dict[str, ak.Array]:
    names = ak.fields(chunk) if isinstance(chunk, ak.Array) else list(chunk)
    flat = {key: column for name in names for key, column in _flat(name, ak.to_packed(ak.Array(chunk[name])))}
    if len({len(array) for array in flat.values()}) != 1:
        listed = ", ".join(f"{name} ({len(array)})" for name, array in flat.items())
        raise ValueError(f"chunk {number} needs branches of equal length, it has {listed or 'none'}")
    counters = {name: counter(name, flat) for name, array in flat.items() if _jagged(array)}
    counts: dict[str, ak.Array] = {}
    for name, counted_by in counters.items():
        counts[counted_by] = _counts(flat[name])
        if counted_by in flat and not ak.all(flat[counted_by] == counts[counted_by]):
            raise ValueError(f"chunk {number}: {counted_by!r} does not count the elements of {name!r}")
    branches: dict[str, ak.Array] = {}
    for name, array in flat.items():
        if name in counters:
            branches[counters[name]] = counts[counters[name]]
        branches[name] = counts.get(name, array)
    return branches


def _flat(name: str, array: ak.Array) -> Iterator[tuple[str, ak.Array]]:
    if not ak.fields(array):
        yield name, array
        return
    if _jagged(array):
        yield f"n{name}", _counts(array)
    for field in ak.fields(array):
        yield f"{name}_{field}", ak.to_packed(array[field])


def _jagged(array: ak.Array) -> bool:
    return isinstance(ak.type(array).content, ListType) and ak.parameters(array).get("__array__") != "string"


def _counts(array: ak.Array) -> ak.Array:
    return ak.values_astype(ak.num(array, axis=1), "int32")


def _check_storable(name: str, array: ak.Array, jagged: bool) -> None:
    inner = number = ak.type(array).content
    while isinstance(number, RegularType):
        number = number.content
    if jagged and isinstance(inner, ListType):
        number = inner.content
    if not isinstance(number, NumpyType) or number.primitive not in _NUMBERS or ak.parameters(array):
        can = "fixed-size arrays or jagged rows of them, (jagged)" if jagged else "fixed-size arrays of them,"
        raise TypeError(
            f"branch {name!r} has the type {inner}, which cannot be stored; what can: numbers, {can} records of them, "
            f"none missing; numbers are {', '.join(_NUMBERS)}"
        )


def _check_same(types: Mapping[str, Any], first: Mapping[str, Any], number: int) -> None:
    """Compare names and types of a chunk with those of the first one."""
    odd = sorted(types.keys() ^ first.keys())
    if odd:
        absent = [name for name in odd if name in first]
        what = f"lacks {', '.join(absent)}" if absent else f"also has {', '.join(odd)}"
        raise ValueError(f"chunk {number} {what}: all chunks must have the branches of the first")
    for name, kind in types.items():
        if str(kind) != str(first[name]):
            raise TypeError(f"branch {name!r} is {kind} in chunk {number}, it was {first[name]} in the first")
