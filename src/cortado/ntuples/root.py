"""TTree and RNTuple, read with uproot."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import awkward as ak
import uproot

from cortado.ntuples import nested
from cortado.ntuples.paths import existing, is_url
from cortado.ntuples.table import Table, choose_tree, first_line

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
        try:
            root_tree = directory[name]
        except Exception as error:
            raise OSError(f"cannot read tree {name!r} of {path}: {first_line(error)}") from error
        yield _ttree(path, name, root_tree) if hasattr(root_tree, "branches") else _rntuple(path, name, root_tree)


def find_root_tree(path: str, tree: str | None) -> str:
    """Name of the tree that ``open_root`` would open, without reading it; the same errors."""
    with open_directory(path) as directory:
        return _choose(path, directory, tree)


def _choose(path: str, directory: Any, tree: str | None) -> str:
    classes = directory.classnames(recursive=True, cycle=False)
    available = [name for name, kind in classes.items() if kind in _TREES]
    others = ", ".join(f"{name} ({kind})" for name, kind in classes.items())
    return choose_tree(path, available, tree, others=others, usual=("Events", "events"))


@contextmanager
def open_directory(path: str) -> Iterator[Any]:
    """Open a ROOT file as an uproot directory, after a look whether it is whole.

    Raises:
        OSError: If the file is not a ROOT file, is truncated or damaged.
    """
    if not is_url(path):
        _check_header(existing(path))
    try:
        # A dict, as uproot splits plain text at colons; no caches, as a file may be written anew.
        directory = uproot.open({path: None}, object_cache=None, array_cache=None)
    except ImportError:
        raise  # says which package the protocol of the URL needs
    except Exception as error:
        raise OSError(f"cannot open {path}: {first_line(error)}") from error
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
        return ak.zip(dict(zip(in_file_order, columns)), depth_limit=1)

    return Table(path, name, tree.num_entries, tuple(leaves), tree.common_entry_offsets, read)


def _rntuple(path: str, name: str, ntuple: Any) -> Table:
    # Fields that begin with an underscore repeat what the others show under the names of the CMS dialect.
    every = [tuple(field.split(".")) for field in ntuple.keys(recursive=True) if not field.startswith("_")]
    columns = {fields[:-1] for fields in every}
    names = nested.views(fields for fields in every if fields not in columns)

    def clusters() -> Sequence[int]:
        return [*(int(cluster.num_first_entry) for cluster in ntuple.cluster_summaries), ntuple.num_entries]

    def read(branches: Sequence[str], start: int, stop: int) -> ak.Array:
        wanted = list(dict.fromkeys(".".join(names[branch]) for branch in branches))
        events = ntuple.arrays(filter_name=wanted, entry_start=start, entry_stop=stop)
        return nested.taken(events, branches, names)

    inner = frozenset(branch for branch, fields in names.items() if len(fields) > 1)
    return Table(path, name, ntuple.num_entries, tuple(names), clusters, read, inner)
