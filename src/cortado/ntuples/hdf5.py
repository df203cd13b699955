"""Chunks of arrays into HDF5: whole files or none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, Literal, TypeAlias

import awkward as ak
import h5py

from cortado.files import replacing
from cortado.names import require_one_of
from cortado.ntuples.chunks import Chunk, prepared

Filter: TypeAlias = Literal["gzip", "lzf", "none"]

_FILTERS: dict[str, dict[str, Any]] = {
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "none": {"fletcher32": True},
}
_BYTES, _ENTRIES = 1 << 20, 10_000
"""Most of all datasets together that is compressed as one piece: a fraction of a step."""


def write_hdf5(path: str | Path, chunks: Iterable[Chunk], *, compression: Filter = "gzip") -> int:
    """Write chunks of entries as HDF5 datasets, one a branch, at the top of the file, with memory for one chunk.

    Names, types and errors are those of ``write``, but nothing is jagged: HDF5 stores numbers, fixed-size arrays of
    numbers, and records of those. Each piece has a checksum, which readers compare.

    Returns:
        Number of entries written.
    """
    require_one_of("compression", compression, _FILTERS)
    written = 0
    datasets: dict[str, h5py.Dataset] = {}
    with replacing(path) as partial, _Stream(partial, "w+") as stream:
        with h5py.File(stream, "w") as file:
            for branches in prepared(chunks, path, jagged=False):
                arrays = {name: ak.to_numpy(array) for name, array in branches.items()}
                datasets = datasets or _make_datasets(file, arrays, _FILTERS[compression])
                stop = written + len(next(iter(arrays.values())))
                for name, array in arrays.items():
                    datasets[name].resize(stop, axis=0)
                    datasets[name][written:] = array
                    stream.check()
                written = stop
        stream.check()
    return written


def _make_datasets(file: h5py.File, arrays: Mapping[str, Any], filters: Mapping[str, Any]) -> dict[str, h5py.Dataset]:
    """Empty datasets that grow, all cut at the same entries."""
    size = sum(array.dtype.itemsize * math.prod(array.shape[1:]) for array in arrays.values())
    entries = min(max(_BYTES // size, 1), _ENTRIES)

    def make(name: str, kind: Any, shape: tuple[int, ...]) -> h5py.Dataset:
        sizes = {"shape": (0, *shape), "maxshape": (None, *shape), "chunks": (entries, *shape)}
        return file.create_dataset(name, dtype=kind, **sizes, **filters)

    return {name: make(name, array.dtype, array.shape[1:]) for name, array in arrays.items()}


class _Stream(FileIO):
    """A file that keeps its errors for `check`: HDF5 would pass over that of a full disk, and crash afterwards."""

    _error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all bytes, or none after an error."""
        rest = memoryview(data).cast("B")
        try:
            while len(rest) and not self._error:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the length of the file."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error:
            raise self._error
