"""Tables of files of any format, opened for a while, or kept open between the steps that are read of them."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cortado.ntuples.columnar import open_hdf5, open_parquet
from cortado.ntuples.event_files import files_of, is_event_file, open_event_file
from cortado.ntuples.paths import existing, is_url, split_tree
from cortado.ntuples.root import open_root
from cortado.ntuples.table import Table, named

HDF5 = (".h5", ".hdf5")
PARQUET = (".parquet",)

Version = tuple[tuple[int, ...], ...]

_MOST = 8  # files that a thread keeps open: the header of a NanoAOD file takes 30 MB


@contextmanager
def open_table(path: str | Path, tree: str | None = None) -> Iterator[Table]:
    """Open one tree, of any format; closed when the context ends. The errors are those of ``steps``."""
    file, own_tree = split_tree(path)
    with ExitStack() as stack:
        with named(file):
            table = stack.enter_context(_opened(file, tree or own_tree))
        yield table


def _opened(file: str, tree: str | None) -> AbstractContextManager[Table]:
    if is_event_file(file):
        return open_event_file(file)
    suffix = suffix_of(file)
    if suffix in HDF5:
        return open_hdf5(file, tree)
    if suffix in PARQUET:
        return open_parquet(file)
    return open_root(file, tree)


def suffix_of(file: str) -> str:
    """Ending of the name of a file or URL, in lower case: ".root"."""
    return Path(file.partition("?")[0] if is_url(file) else file).suffix.lower()


def version_of(file: str) -> Version:
    """What changes when a local file, or one of those opened with it, is written anew."""
    files = files_of(file).values() if is_event_file(file) else [file]
    return tuple((status.st_ino, status.st_size, status.st_mtime_ns) for status in map(os.stat, files))


@contextmanager
def kept_table(path: str, tree: str) -> Iterator[Table]:
    """A table that stays open after the context, for the next step: the header of a wide file takes a second to read.

    Each thread keeps the few that it used last. A local file that was written anew is opened anew; URLs are always.
    """
    if is_url(path):
        with open_table(path, tree) as table:
            yield table
        return
    key = (path, tree, version_of(existing(split_tree(path)[0])))
    opened = _kept.tables
    if key not in opened:
        for old in [old for old in opened if old[:2] == key[:2]]:
            opened.pop(old)[0].close()
        stack = ExitStack()
        opened[key] = stack, stack.enter_context(open_table(path, tree))
    opened.move_to_end(key)
    while len(opened) > _MOST:
        opened.popitem(last=False)[1][0].close()
    yield opened[key][1]


class _Kept(threading.local):
    """Tables that this thread keeps open, those used last at the end."""

    def __init__(self) -> None:
        self.tables: OrderedDict[tuple[str, str, Version], tuple[ExitStack, Table]] = OrderedDict()


_kept = _Kept()
_of_the_parent: list[Any] = []


def _forget() -> None:
    """In a forked process: open everything anew, as positions in open files are shared; and close nothing."""
    _of_the_parent.append(_kept.tables)
    _kept.tables = OrderedDict()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
