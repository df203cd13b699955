"""Chunks of arrays into TTrees and RNTuples: whole files or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import uproot

from cortado.files import replacing
from cortado.names import require_one_of
from cortado.ntuples.chunks import Chunk, counter, prepared, types_of

Compression: TypeAlias = Literal["zstd", "lz4", "lzma", "none"]

_COMPRESSIONS = {"zstd": uproot.ZSTD(1), "lz4": uproot.LZ4(1), "lzma": uproot.LZMA(5), "none": None}


def write(
    path: str | Path,
    tree: str,
    chunks: Iterable[Chunk],
    *,
    title: str = "",
    compression: Compression = "zstd",
) -> int:
    """Write chunks of entries as a TTree, one cluster per chunk, with memory for one chunk.

    A chunk is a record array or a mapping from names to arrays of equal length: numbers, fixed-size arrays of
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
        return file.mktree(tree, types, title=title, counter_name=lambda branch: counter(branch, types))

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
    require_one_of("compression", compression, _COMPRESSIONS)
    written, writable = 0, None
    with replacing(path) as partial, uproot.recreate(partial, compression=_COMPRESSIONS[compression]) as file:
        for branches in prepared(chunks, path, jagged=True):
            if writable is None:
                writable = make(file, types_of(branches))
            length = len(next(iter(branches.values())))
            if length:
                writable.extend(branches)
            written += length
    return written
