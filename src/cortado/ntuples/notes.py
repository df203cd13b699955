"""Texts beside the trees of a file, and what tells one file from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet  # type: ignore[import-untyped]

from cortado.ntuples.opening import HDF5, PARQUET, suffix_of
from cortado.ntuples.paths import is_url
from cortado.ntuples.root import open_directory

__all__ = ["identity", "read_note"]

_ENDS = 1 << 16  # bytes at each end of a file without an identifier of its own


def identity(path: str | Path) -> str:
    """What tells the content of a file from that of others, wherever the file lies.

    Of ROOT files the UUID that each writer gives; of other local files a checksum of their ends and their size.
    """
    file = str(path)
    if suffix_of(file) not in HDF5 + PARQUET:
        with open_directory(file) as directory:
            return str(directory.file.uuid)
    if is_url(file):
        return file
    with open(file, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        begin = stream.read(_ENDS)
        stream.seek(max(size - _ENDS, 0))
        return hashlib.sha256(begin + stream.read() + str(size).encode()).hexdigest()[:32]


def read_note(path: str | Path, name: str) -> str | None:
    """A text that was written beside trees, see `write_trees`; None if the file has none of that name.

    Raises:
        OSError: If the file cannot be read.
    """
    if suffix_of(str(path)) in PARQUET:
        try:
            kept = pyarrow.parquet.read_schema(str(path)).metadata or {}
        except Exception as error:
            raise OSError(f"cannot open {path} as parquet: {error}") from error
        text = kept.get(name.encode())
        return None if text is None else text.decode()
    with open_directory(str(path)) as directory:
        return str(directory[name]) if name in directory else None
