"""Chunks of arrays into TTrees and RNTuples: whole files or none."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import awkward as ak
import uproot
from awkward.types import ListType, NumpyType, RegularType

from cortado.ntuples.paths import replacing
from cortado.ntuples.table import collection

Chunk: TypeAlias = ak.Array | Mapping[str, Any]
Compression: TypeAlias = Literal["zstd", "lz4", "lzma", "none"]

_COMPRESSIONS = {"zstd": uproot.ZSTD(1), "lz4": uproot.LZ4(1), "lzma": uproot.LZMA(5), "none": None}
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMBERS = ("bool", *_INTEGERS, "float32", "float64")


def write(
    path: str | Path,
    tree: str,
    chunks: Iterable[Chunk],
    *,
    title: str = "",
    compression: Compression = "zstd",
) -> int:
    """Write chunks of entries as a TTree, one cluster per chunk, with memory for one chunk.

    A chunk is a record array or a mapping from names to arrays of equal length: numbers, fixed-size rows of
    numbers, jagged numbers, or records of those. A jagged record ``FatJet`` becomes branches ``FatJet_pt``,
    ... with one int32 counter ``nFatJet``, as in NanoAOD; jagged branches ``FatJet_pt``, ... beside a given
    ``nFatJet`` share it. The first chunk, which may have no entries, fixes names and types. The file gets its
    name when it is complete; until then an earlier one stays.

    Returns:
        Number of entries written.

    Raises:
        ValueError: If there are no chunks, or a chunk has other branches than the first, branches of unequal
            length, or a counter that does not count; or the compression is unknown.
        TypeError: If a type cannot be stored, or differs from that in the first chunk.
        OSError: If the disk is full or the folder cannot be written to.
    """

    def make(file: Any, types: Mapping[str, Any]) -> Any:
        return file.mktree(tree, types, title=title, counter_name=lambda branch: _counter(branch, types))

    return _write(path, chunks, make, compression)


def write_rntuple(
    path: str | Path,
    tree: str,
    chunks: Iterable[Chunk],
    *,
    title: str = "",
    compression: Compression = "zstd",
) -> int:
    """Write chunks of entries as an RNTuple; names, types, counters and errors are those of ``write``."""

    def make(file: Any, types: Mapping[str, Any]) -> Any:
        return file.mkrntuple(tree, types, description=title)

    return _write(path, chunks, make, compression)


def _write(
    path: str | Path,
    chunks: Iterable[Chunk],
    make: Callable[[Any, Mapping[str, Any]], Any],
    compression: Compression,
) -> int:
    if compression not in _COMPRESSIONS:
        raise ValueError(f"no compression {compression!r}; there are {', '.join(_COMPRESSIONS)}")
    written, writable, types = 0, None, {}
    with replacing(path) as partial, uproot.recreate(partial, compression=_COMPRESSIONS[compression]) as file:
        for number, chunk in enumerate(chunks):
            branches = _branches(chunk, number)
            found = {branch: ak.type(array).content for branch, array in branches.items()}
            if writable is None:
                types = found
                writable = make(file, types)
            _check_same(found, types, number)
            length = len(next(iter(branches.values())))
            if length:
                writable.extend(branches)
            written += length
        if writable is None:
            raise ValueError(f"no chunks to write to {path}; one, perhaps without entries, gives the types")
    return written


def _branches(chunk: Chunk, number: int) -> dict[str, ak.Array]:
    """Arrays to be stored, by their names in the file: records apart, counters before what they count."""
    names = ak.fields(chunk) if isinstance(chunk, ak.Array) else list(chunk)
    flat = {key: column for name in names for key, column in _flat(name, ak.to_packed(ak.Array(chunk[name])))}
    if len({len(array) for array in flat.values()}) != 1:
        listed = ", ".join(f"{name} ({len(array)})" for name, array in flat.items())
        raise ValueError(f"chunk {number} needs branches of equal length, it has {listed or 'none'}")
    counters = {name: _counter(name, flat) for name, array in flat.items() if _jagged(array)}
    counts: dict[str, ak.Array] = {}
    for name, counter in counters.items():
        counts[counter] = _counts(flat[name])
        if counter in flat and not ak.all(flat[counter] == counts[counter]):
            raise ValueError(f"chunk {number}: {counter!r} does not count the elements of {name!r}")
    branches: dict[str, ak.Array] = {}
    for name, array in flat.items():
        _check_storable(name, array)
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


def _counter(branch: str, known: Collection[str]) -> str:
    return f"n{collection(branch, known) or branch}"


def _check_storable(name: str, array: ak.Array) -> None:
    inner = ak.type(array).content
    number = inner.content if isinstance(inner, ListType | RegularType) else inner
    if not isinstance(number, NumpyType) or number.primitive not in _NUMBERS or ak.parameters(array):
        raise TypeError(
            f"branch {name!r} has the type {inner}, which cannot be stored; what can: numbers, fixed-size or "
            f"jagged rows of them, (jagged) records of them, none missing; numbers are {', '.join(_NUMBERS)}"
        )


def _check_same(found: Mapping[str, Any], first: Mapping[str, Any], number: int) -> None:
    """Compare names and types of a chunk with those of the first one."""
    odd = sorted(found.keys() ^ first.keys())
    if odd:
        absent = [name for name in odd if name in first]
        what = f"lacks {', '.join(absent)}" if absent else f"also has {', '.join(odd)}"
        raise ValueError(f"chunk {number} {what}: all chunks must have the branches of the first")
    for name, kind in found.items():
        if str(kind) != str(first[name]):
            raise TypeError(f"branch {name!r} is {kind} in chunk {number}, it was {first[name]} in the first")
