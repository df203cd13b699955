"""HDF5 and parquet, read with h5py and pyarrow."""

from __future__ import annotations

import math
import pickletools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple

import awkward as ak
import fsspec  # type: ignore[import-untyped]
import h5py
import numpy as np
import pyarrow.parquet  # type: ignore[import-untyped]

from cortado.ntuples import nested
from cortado.ntuples.paths import existing, is_url, remote
from cortado.ntuples.table import Table, choose_tree, first_line

_MOST_CLUSTERS = 100_000
_LARGEST_CHUNK = 1 << 30  # bytes: HDF5 unpacks a whole one at a time


class _Column(NamedTuple):
    dataset: h5py.Dataset
    field: str | None = None
    position: int | None = None


@contextmanager
def open_hdf5(path: str, tree: str | None) -> Iterator[Table]:
    """Open one table of an HDF5 file: of pandas, of named columns, or a folder of equally long datasets.

    A "tree" is a group or dataset; ``/`` stands for the datasets that lie at the top.

    Raises:
        OSError: If the file is not an HDF5 file or is damaged.
        KeyError: If it has no table, or not the one asked for.
        ValueError: If it has several tables and none was asked for, or datasets of different lengths.
    """
    with suppress(ImportError):
        import_module("hdf5plugin")  # its import makes blosc and other compressions readable
    with _source(path) as source:
        try:
            file = h5py.File(source, "r")
        except OSError as error:
            raise OSError(f"cannot open {path} as HDF5: {first_line(error)}") from error
        with file:
            try:
                tables = _tables(file)
            except (ValueError, KeyError) as error:
                raise OSError(f"cannot read the tables of {path}: {first_line(error)}") from error
            name = choose_tree(path, list(tables), tree, others=", ".join(file), usual=("table",))
            yield _table(path, name, tables[name])


@contextmanager
def _source(path: str) -> Iterator[Any]:
    """Local files by their path, whatever it holds, since HDF5 opens further files by theirs; URLs as streams."""
    if not is_url(path):
        yield existing(path)
        return
    with remote(path):
        opened = fsspec.open(path, "rb")
    with opened as stream:
        yield stream


def _tables(file: h5py.File) -> dict[str, dict[str, _Column]]:
    """Every table of the file as its columns."""
    tables: dict[str, dict[str, _Column]] = {}
    plain: dict[str, _Column] = {}
    for name, item in file.items():
        if item is None:  # a link to nothing
            continue
        if isinstance(item, h5py.Group):
            tables[name] = _group_columns(item)
        elif item.dtype.names:
            tables[name] = _record_columns(item)
        elif item.ndim == 2 and (titles := _titles(item, file)):
            tables[name] = {title: _Column(item, position=k) for k, title in enumerate(titles)}
        elif item.ndim:
            plain[name] = _Column(item)
    return {name: columns for name, columns in (tables | {"/": plain}).items() if columns}


def _group_columns(group: h5py.Group) -> dict[str, _Column]:
    if isinstance(group.get("table"), h5py.Dataset):
        return _record_columns(group["table"])
    blocks = [group[name] for name in group if name.startswith("block") and name.endswith("_values")]
    if "axis0" not in group:
        datasets = {name: item for name, item in group.items() if isinstance(item, h5py.Dataset)}
        return {name: _Column(dataset) for name, dataset in datasets.items() if dataset.ndim}
    return {
        _text(title): _Column(block, position=k)
        for block in blocks
        for k, title in enumerate(group[block.name.removesuffix("_values") + "_items"][:])
    }


def _record_columns(table: h5py.Dataset) -> dict[str, _Column]:
    """Columns of a compound dataset; the blocks of pandas are taken apart."""
    columns: dict[str, _Column] = {}
    for field in table.dtype.names:
        if field.startswith("values_block_"):
            names = _pickled_names(table.attrs[f"{field}_kind"])
            width = table.dtype[field].shape[0]
            if len(names) != width:
                raise ValueError(f"{field!r} has {width} columns and {len(names)} names")
            columns |= {name: _Column(table, field, k) for k, name in enumerate(names)}
        else:
            columns[field] = _Column(table, field)
    return columns


def _pickled_names(pickled: bytes) -> list[str]:
    """Texts in the pickle in which PyTables keeps the names of columns; nothing of it is executed."""
    operations = pickletools.genops(bytes(pickled))
    return [str(text) for operation, text, _ in operations if operation.name.endswith(("UNICODE", "STRING"))]


def _titles(dataset: h5py.Dataset, file: h5py.File) -> list[str]:
    for attributes in (dataset.attrs, file.attrs):
        titles = np.atleast_1d(attributes.get("columns", []))
        if len(titles) == dataset.shape[1]:
            return [_text(title) for title in titles]
    return []


def _text(title: Any) -> str:
    """Title of a column, which pandas keeps as bytes, or as a number if it is one."""
    return title.decode() if isinstance(title, bytes) else str(title)


def _table(path: str, name: str, columns: Mapping[str, _Column]) -> Table:
    lengths = {title: len(column.dataset) for title, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{title} ({length})" for title, length in lengths.items())
        raise ValueError(f"{path}: the datasets of {name!r} have different numbers of entries: {listed}")
    entries = next(iter(lengths.values()))
    for dataset in {column.dataset.name: column.dataset for column in columns.values()}.values():
        require_held(path, dataset)
    chunk = (next(iter(columns.values())).dataset.chunks or (max(entries, 1),))[0]
    stride = chunk * max(1, math.ceil(entries / chunk / _MOST_CLUSTERS))

    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        rows: dict[str, Any] = {}
        arrays = {}
        for branch in branches:
            dataset, field, position = columns[branch]
            if dataset.name not in rows:
                rows[dataset.name] = _rows(dataset, start, stop)
            block = rows[dataset.name] if field is None else rows[dataset.name][field]
            arrays[branch] = block if position is None else block[:, position]
        return ak.Array(arrays)

    return Table(path, name, entries, tuple(columns), lambda: [*range(0, entries, stride), entries], read)


def require_held(path: str, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that declares more than the file holds: HDF5 would give zeros for the rest.

    Raises:
        OSError: If pieces of it are missing, or a single one would take more memory than a step should.
    """
    if dataset.is_virtual or dataset.external or not dataset.size:
        return
    size = dataset.id.get_type().get_size()
    if dataset.chunks is None:
        held, declared, what = dataset.id.get_storage_size(), size * dataset.size, "bytes"
    else:
        if (memory := size * math.prod(dataset.chunks)) > _LARGEST_CHUNK:
            raise OSError(
                f"{path}: {dataset.name!r} is cut into pieces of {memory:,} bytes, at most {_LARGEST_CHUNK:,} fit"
            )
        held, what = dataset.id.get_num_chunks(), "pieces"
        declared = math.prod(math.ceil(n / chunk) for n, chunk in zip(dataset.shape, dataset.chunks))
    if held < declared:
        raise OSError(
            f"{path}: {dataset.name!r} declares {len(dataset):,} entries in {declared:,} {what}, the file holds "
            f"{held:,}: its writer was stopped, or it is damaged"
        )


def _rows(dataset: h5py.Dataset, start: int, stop: int) -> Any:
    try:
        return dataset[start:stop]
    except OSError as error:
        if ("filter" not in str(error) and "plugin" not in str(error)) or find_spec("hdf5plugin"):
            raise
        raise OSError(
            'compressed in a way that needs hdf5plugin, of the extra `blosc`: pip install ".[blosc]" in your clone of '
            "cortado"
        ) from error


@contextmanager
def open_parquet(path: str) -> Iterator[Table]:
    """Open a parquet file; its row groups are the clusters.

    Raises:
        OSError: If the file is not a parquet file or is damaged.
    """
    with _source(path) as source:
        try:
            file = pyarrow.parquet.ParquetFile(source, page_checksum_verification=True)
        except Exception as error:
            raise OSError(f"cannot open {path} as parquet: {first_line(error)}") from error
        sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
        edges = [0, *np.cumsum(sizes, dtype=int).tolist()]
        if edges[-1] != file.metadata.num_rows:
            raise OSError(f"{path} states {file.metadata.num_rows} entries, its row groups hold {edges[-1]}")
        leaves = nested.leaves_of_arrow(file.schema_arrow)
        names = nested.views(leaves)

        def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
            groups = [k for k, (low, high) in enumerate(pairwise(edges)) if low < stop and high > start]
            first = edges[groups[0]] if groups else start
            within = nested.inside(leaves, (names[branch] for branch in branches))
            rows = file.read_row_groups(groups, columns=[file.schema.column(k).path for k in within])
            events = _without_nulls(path, ak.from_arrow(rows.slice(start - first, stop - start)))
            return nested.taken(events, branches, names)

        inner = frozenset(name for name, fields in names.items() if len(fields) > 1)
        yield Table(path, "", edges[-1], tuple(names), lambda: edges, read, inner)


def _without_nulls(path: str, events: ak.Array) -> ak.Array:
    """Take away the "may be missing" of parquet's types where nothing is missing."""

    def strip(layout: Any, **_: Any) -> Any:
        if not layout.is_option:
            return None
        if np.any(layout.mask_as_bool(valid_when=False)):
            raise ValueError(f"{path} has missing values (null), a number is required in each entry")
        return ak.transform(strip, layout.project(), highlevel=False)

    return ak.transform(strip, events)
