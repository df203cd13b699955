"""What every file format gives the reader: an open table of entries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import awkward as ak

_OURS = (OSError, FileNotFoundError, IsADirectoryError, PermissionError, KeyError, ValueError)


class Table(NamedTuple):
    """Entries of one open file, whatever its format.

    ``read(branches, start, stop)`` gives a record array with one field per branch. ``clusters()`` lists the
    entries, from 0 to ``num_entries``, at which the file can be cut without reading any piece of it twice. Branches
    that are ``nested`` are fields of one column, whose lists have equal lengths by their making.
    """

    path: str
    tree: str
    num_entries: int
    branches: tuple[str, ...]
    clusters: Callable[[], Sequence[int]]
    read: Callable[[Sequence[str], int, int], ak.Array]
    nested: frozenset[str] = frozenset()


def choose_tree(path: str, available: Sequence[str], tree: str | None, *, others: str, usual: Sequence[str]) -> str:
    """Choose the tree that was asked for, else the only one, else the usual one.

    Args:
        path: The file, for the message.
        available: Trees of the file.
        tree: What the user asked for.
        others: What else the file holds, told if it holds no tree.
        usual: Names that files with several trees give the one of the events.

    Raises:
        KeyError: If the file has no tree, or not the one asked for.
        ValueError: If there are several and none was asked for.
    """
    if not available:
        raise KeyError(f"{path} holds no tree; it holds {others or 'nothing at all'}")
    if tree is not None:
        if tree not in available:
            raise KeyError(f"{path} has no tree {tree!r}; it has {', '.join(available)}")
        return tree
    if len(available) == 1:
        return available[0]
    if named := [name for name in usual if name in available]:
        return named[0]
    raise ValueError(f"{path} has {len(available)} trees: {', '.join(available)}; choose one with tree=")


def collection(branch: str, known: Collection[str]) -> str | None:
    """Collection of a branch: ``FatJet`` for ``FatJet_pt`` if there is a branch ``nFatJet``, else None."""
    words = branch.split("_")
    prefixes = ("_".join(words[:end]) for end in range(1, len(words)))
    return next((prefix for prefix in prefixes if f"n{prefix}" in known), None)


def checked_clusters(table: Table) -> list[int]:
    """The clusters of a table, after a check that they cover all of its entries: others would be left out.

    Raises:
        OSError: If they do not, or cannot be read; names the file.
    """
    with named(table.path, f"tree {table.tree!r} of " if table.tree else ""):
        clusters = list(table.clusters())
        edges = (clusters[0], clusters[-1]) if clusters else (0, 0)
        if edges != (0, table.num_entries) or any(low > high for low, high in pairwise(clusters)):
            raise ValueError(
                f"its clusters go from entry {edges[0]} to {edges[1]}, the table states {table.num_entries} entries"
            )
    return clusters


@contextmanager
def named(path: str, what: str = "") -> Iterator[None]:
    """Have errors of libraries, of which there are many kinds, name the file.

    Args:
        path: The file.
        what: Part of the file, before its name in the message.

    Raises:
        OSError: With the first line of any error that does not name the file; what is not installed is told as it is.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        if isinstance(error, ImportError) or (type(error) in _OURS and path in text and "\n" not in text):
            raise  # ours says all in one line
        raise OSError(f"cannot read {what}{path}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Name and first line of an exception: libraries append screens of context."""
    lines = str(error).strip().splitlines()
    if isinstance(error, AssertionError) and not lines:  # uproot's, of RNTuple
        lines = ["a checksum or a constant of the format is another one: the file is damaged"]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
