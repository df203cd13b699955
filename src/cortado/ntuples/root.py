"""TTree and RNTuple, read with uproot."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import awkward as ak
import uproot

from cortado.ntuples.paths import existing, is_url, remote
from cortado.ntuples.rntuple import rntuple_table
from cortado.ntuples.table import Table, checked_clusters, choose_tree, first_line, named

_USUAL = ("Events", "events", "Delphes", "CollectionTree", "EventData")  # the last two are of ATLAS
_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")


@contextmanager
def open_root(path: str, tree: str | None) -> Iterator[Table]:
    """Open one TTree or RNTuple of a ROOT file; closed when the context ends.

    Raises:
        OSError: If the file is not a ROOT file, is truncated or damaged.
        KeyError: If it has no tree, or not the one asked for.
        ValueError: If it has several trees and none was asked for.
    """
    with open_directory(path) as directory:
        name = _choose(path, directory, tree)
        with named(path, f"tree {name!r} of "):
            table = _table(path, name, directory[name])
        yield table


def _table(path: str, name: str, root_tree: Any) -> Table:
    return _ttree(path, name, root_tree) if hasattr(root_tree, "branches") else rntuple_table(path, name, root_tree)


class TreeFacts(NamedTuple):
    """What is known of a tree when its file has been opened.

    Attributes:
        num_entries: Number of entries.
        clusters: Entries at which the file can be cut, from 0 to `num_entries`.
        uuid: 16 bytes that name the file.
    """

    num_entries: int
    clusters: list[int]
    uuid: bytes


def tree_facts(path: str, tree: str, **options: Any) -> TreeFacts:
    """Open a ROOT file for others to read it, after the checks that our own readers make.

    Args:
        path: File or URL.
        tree: Name of the tree.
        **options: Of `uproot.open`.

    Raises:
        OSError: If the file is no ROOT file, is truncated or damaged.
        KeyError: If it does not have the tree.
    """
    with open_directory(path, **options) as directory:
        if tree not in directory:
            _choose(path, directory, tree)
        with named(path, f"tree {tree!r} of "):
            table = _table(path, tree, directory[tree])
        return TreeFacts(table.num_entries, checked_clusters(table), directory.file.fUUID)


def find_root_tree(path: str, tree: str | None) -> str:
    """Name of the tree that ``open_root`` would open, without reading it; the same errors."""
    with open_directory(path) as directory:
        return _choose(path, directory, tree)


def _choose(path: str, directory: Any, tree: str | None) -> str:
    with named(path):
        classes = directory.classnames(recursive=True, cycle=False)
    available = [name for name, kind in classes.items() if kind in _TREES]
    others = ", ".join(f"{name} ({kind})" for name, kind in classes.items())
    return choose_tree(path, available, tree, others=others, usual=_USUAL)


@contextmanager
def open_directory(path: str, **options: Any) -> Iterator[Any]:
    """Open a ROOT file as an uproot directory, after a look whether it is whole.

    Args:
        path: File or URL.
        **options: Of `uproot.open`.

    Raises:
        OSError: If the file is not a ROOT file, is truncated or damaged.
    """
    if not is_url(path):
        _check_header(existing(path))
    try:
        # A dict, as uproot splits plain text at colons; no caches, as a file may be written anew.
        with remote(path):
            directory = uproot.open({path: None}, object_cache=None, array_cache=None, **options)
    except ImportError:
        raise
    except Exception as error:
        is_there = path.startswith(("http://", "https://")) and not isinstance(error, FileNotFoundError)
        hint = " (servers must answer requests for ranges of bytes)" if is_there else ""
        raise OSError(f"cannot open {path}: {first_line(error)}{hint}") from error
    with directory:
        yield directory


def _check_header(path: str) -> None:
    """Compare the length of a local file with the one that its header states (https://root.cern, TFile)."""
    with open(path, "rb") as file:
        header = file.read(20)
        size = file.seek(0, 2)
    if header[:4] != b"root":
        raise OSError(f"{path} is not a ROOT file: it begins with {header[:4]!r}, not with b'root'")
    if len(header) == 20:
        version = struct.unpack(">i", header[4:8])[0]
        end = struct.unpack(">q" if version >= 1_000_000 else ">i4x", header[12:20])[0]
        if size >= end:
            return
    raise OSError(f"{path} is truncated: it has {size} bytes, fewer than its header states; copy it again")


def _ttree(path: str, name: str, tree: Any) -> Table:
    leaves: dict[str, Any] = {}
    for full_path, branch in tree.iteritems(recursive=True):
        if not branch.branches:
            leaves[full_path if branch.name in leaves else branch.name] = branch

    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        wanted = {id(leaves[name]): name for name in branches}
        columns = tree.arrays(
            filter_branch=lambda branch: id(branch) in wanted, entry_start=start, entry_stop=stop, how=tuple
        )
        in_file_order = [wanted[id(branch)] for branch in leaves.values() if id(branch) in wanted]
        for title, column in zip(in_file_order, columns):
            if len(column) != stop - start:
                raise ValueError(f"branch {title!r} has {len(column)} of the {stop - start} entries")
        return ak.zip(dict(zip(in_file_order, columns)), depth_limit=1)

    return Table(path, name, tree.num_entries, tuple(leaves), lambda: _clusters(tree), read)


def _clusters(tree: Any) -> list[int]:
    """Entries at which baskets of all branches end; uproot's own list leaves out what is not common, such as 0.

    Raises:
        ValueError: If the baskets of a branch do not hold all entries of the tree, each once.
    """
    common: set[int] | None = None
    for branch in tree.itervalues(recursive=True):
        if branch.num_baskets:
            offsets = branch.entry_offsets
            if offsets[0] != 0 or offsets[-1] != tree.num_entries or any(a > b for a, b in pairwise(offsets)):
                raise ValueError(
                    f"the baskets of branch {branch.name!r} hold entries {offsets[0]} to {offsets[-1]}, the tree "
                    f"states {tree.num_entries} entries"
                )
            common = set(offsets) if common is None else common & set(offsets)
    return sorted(common or {0})
