"""Chunks of arrays into TTrees and RNTuples: whole files or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import uproot

from cortado.files import replacing
from cortado.names import require_one_of
from cortado.ntuples.chunks import Chunk, counter, prepared, types_of

Form: TypeAlias = Literal["ttree", "rntuple"]
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

    return _write(path, {tree: chunks}, "ttree", {tree: title}, compression)[tree]


def write_rntuple(
    path: str | Path,
    tree: str,
    chunks: Iterable[Chunk],
    *,
    title: str = "",
    compression: Compression = "zstd",
) -> int:
    """Write chunks of entries as an RNTuple; names, types, counters and errors are those of ``write``."""

    return _write(path, {tree: chunks}, "rntuple", {tree: title}, compression)[tree]


def write_trees(
    path: str | Path,
    trees: Mapping[str, Iterable[Chunk]],
    *,
    form: Form = "ttree",
    titles: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
    compression: Compression = "zstd",
) -> dict[str, int]:
    """Write several trees into one file, one after the other, and texts beside them, which `read_note` reads.

    Args:
        path: The file.
        trees: Chunks by name of the tree; names, types, counters and errors are those of ``write``.
        form: "ttree" or "rntuple".
        titles: Of the trees.
        notes: Texts by name.
        compression: As for ``write``.
    Returns:
        Number of entries of each tree.
    """
    return _write(path, trees, form, titles or {}, compression, notes or {})


def _write(
    path: str | Path,
    trees: Mapping[str, Iterable[Chunk]],
    form: Form,
    titles: Mapping[str, str],
    compression: Compression,
    notes: Mapping[str, str] | None = None,
) -> dict[str, int]:
    require_one_of("compression", compression, _COMPRESSIONS)
    require_one_of("form", form, ("ttree", "rntuple"))
    written = {}
    with replacing(path) as temporary, uproot.recreate(temporary, compression=_COMPRESSIONS[compression]) as file:
        for tree, chunks in trees.items():
            written[tree] = _fill(file, tree, prepared(chunks, path, jagged=True), form, titles.get(tree, ""))
        for name, text in (notes or {}).items():
            file[name] = text
    return written


def _fill(file: Any, tree: str, chunks: Iterable[Mapping[str, Any]], form: Form, title: str) -> int:
    """Write prepared chunks as one tree; number of entries."""
    written, writable = 0, None
    for branches in chunks:
        if writable is None:
            types = types_of(branches)
            if form == "ttree":
                writable = file.mktree(tree, types, title=title, counter_name=partial(counter, known=types))
            else:
                writable = file.mkrntuple(tree, types, description=title)
        length = len(next(iter(branches.values())))
        if length:
            writable.extend(branches)
        written += length
    return written
