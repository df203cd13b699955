"""Entries out of files, in steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.names import flat_name, nearest
from cortado.ntuples.event_files import is_event_file
from cortado.ntuples.opening import HDF5, PARQUET, Version, kept_table, open_table, suffix_of, version_of
from cortado.ntuples.paths import expand, is_url, split_tree
from cortado.ntuples.root import find_root_tree
from cortado.ntuples.table import Table, checked_clusters, collection, first_line

Paths = str | Path | Iterable[str | Path]


class Step(NamedTuple):
    """Entries ``start <= entry < stop`` of one tree in one file; small, and may travel to other processes."""

    path: str
    tree: str
    start: int
    stop: int


class Description(NamedTuple):
    """What a tree is, without its content."""

    path: str
    tree: str
    num_entries: int
    branches: tuple[str, ...]
    clusters: tuple[int, ...]


def find_tree(path: str | Path, tree: str | None = None) -> str:
    """Name of the tree that is read if none is asked for: the only one, or among several the one with a usual name.

    Raises:
        KeyError: If the file has no tree, or not the one asked for.
        ValueError: If it has several and none is called ``Events``, ``Delphes``, ``CollectionTree`` or ``EventData``.
    """
    file, own_tree = split_tree(path)
    if not is_event_file(file) and suffix_of(file) not in HDF5 + PARQUET:
        return find_root_tree(file, tree or own_tree)
    with open_table(path, tree) as table:
        return table.tree


def describe(path: str | Path, tree: str | None = None) -> Description:
    """Number of entries, names of branches and clusters of a tree.

    Kept for local files while they do not change: the header of a NanoAOD file takes uproot a second to read.
    """
    file, own_tree = split_tree(path)
    name = tree or own_tree or find_tree(file)
    return _describe(file, name) if is_url(file) else _describe_again(file, name, version_of(file))


@lru_cache(maxsize=256)
def _describe_again(file: str, tree: str, version: Version) -> Description:
    return _describe(file, tree)


def _describe(file: str, tree: str) -> Description:
    with open_table(file, tree) as table:
        return Description(file, table.tree, table.num_entries, table.branches, tuple(checked_clusters(table)))


def branch_names(path: str | Path, tree: str | None = None) -> tuple[str, ...]:
    """Names of all branches (fields of an RNTuple, columns of a table), in the order of the file."""
    return describe(path, tree).branches


def num_entries(path: str | Path, tree: str | None = None) -> int:
    """Number of entries of the tree."""
    return describe(path, tree).num_entries


def steps(paths: Paths, *, tree: str | None = None, size: int = 20_000) -> list[Step]:
    """Cut files into ranges of at most ``size`` entries that end, where possible, with a cluster of the file.

    Files without entries give no step.

    Args:
        paths: Files, globs or URLs, each perhaps with ``:tree``.
        tree: Tree of the files that do not say it themselves.
        size: Most entries of a step.

    Raises:
        FileNotFoundError: If a file does not exist or a glob matches nothing.
        OSError: If a file is empty, truncated, damaged or of another format.
        KeyError: If a file has no tree, or not the one asked for.
        ValueError: If a file has several trees and none was asked for, or ``size`` is below 1.
    """
    return [step for file, own_tree in expand(paths) for step in _cut(describe(file, own_tree or tree), size)]


def _cut(tree: Description, size: int) -> list[Step]:
    """Join whole clusters up to ``size`` entries; cut those that are larger into equal parts."""
    if size < 1:
        raise ValueError(f"size={size}: a step has at least 1 entry")
    ranges: list[tuple[int, int]] = []
    for start, stop in pairwise(tree.clusters):
        if ranges and stop - ranges[-1][0] <= size:
            ranges[-1] = (ranges[-1][0], stop)
        else:
            parts = math.ceil((stop - start) / size)
            edges = [start + (stop - start) * part // parts for part in range(parts)]
            ranges += pairwise([*edges, stop])
    return [Step(tree.path, tree.tree, start, stop) for start, stop in ranges]


def arrays(step: Step, branches: Iterable[str]) -> ak.Array:
    """Read branches of one step as a record array with one field per branch, in the order asked for.

    Jagged branches of one collection must have equal counts in every entry. ``FatJet_pt`` belongs to the
    collection that a branch ``nFatJet`` counts, else to the one named before its last underscore. In files of nested
    columns it is the field ``pt`` of ``FatJet``; ``FatJet.pt`` is another name of the same, in files of both kinds.

    Raises:
        KeyError: If a branch does not exist.
        ValueError: If the counts of a collection differ, or the step ends outside the file.
        OSError: If the file or a branch cannot be read.
    """
    with kept_table(step.path, step.tree) as table:
        return _read(table, list(dict.fromkeys(branches)), step)


def iterate(
    paths: Paths, branches: Iterable[str], *, tree: str | None = None, size: int = 20_000
) -> Iterator[tuple[Step, ak.Array]]:
    """Read branches of files step by step; one file is open, and one step in memory, at a time.

    The errors are those of ``steps`` and ``arrays``.
    """
    wanted = list(dict.fromkeys(branches))
    for (path, name), group in groupby(steps(paths, tree=tree, size=size), key=lambda step: step[:2]):
        with open_table(path, name) as table:
            for step in group:
                yield step, _read(table, wanted, step)


def _read(table: Table, branches: Sequence[str], step: Step) -> ak.Array:
    where = f"tree {table.tree!r} of {table.path}"
    stored = {branch: _stored(branch, table, where) for branch in branches}
    if not 0 <= step.start <= step.stop <= table.num_entries:
        raise ValueError(f"entries {step.start} to {step.stop} of {where}: it has only {table.num_entries}")
    names = list(dict.fromkeys(stored.values()))
    try:
        events = table.read(names, step.start, step.stop)
        if names and len(events) != step.stop - step.start:
            raise ValueError(f"{len(events)} entries were there")
    except Exception as error:
        branch, error = _culprit(table, names, step, error)
        entries = f"entries {step.start} to {step.stop} of {where}"
        raise OSError(f"cannot read {branch}, {entries}: {first_line(error)}") from error
    _check_counts(events[[name for name in names if name not in table.nested]], set(table.branches), where, step.start)
    if names == list(branches):
        return events[names]
    return ak.zip({branch: events[name] for branch, name in stored.items()}, depth_limit=1)


def _stored(branch: str, table: Table, where: str) -> str:
    """Name in the file: `FatJet.pt` and `FatJet_pt` are the same, where there is one of them.

    Raises:
        KeyError: If there is none.
    """
    if branch in table.branches:
        return branch
    alike = [name for name in table.branches if flat_name(name) == flat_name(branch)]
    if len(alike) != 1:
        raise KeyError(f"no branch {branch!r} in {where}; {nearest(branch, table.branches)}")
    return alike[0]


def _culprit(table: Table, branches: Sequence[str], step: Step, error: Exception) -> tuple[str, Exception]:
    """Find out which branch cannot be read, by reading them one by one."""
    for branch in branches:
        try:
            table.read([branch], step.start, step.stop)
        except Exception as own_error:
            return f"branch {branch!r}", own_error
    return f"branches {', '.join(branches)}", error


def _check_counts(events: ak.Array, known: set[str], where: str, start: int) -> None:
    first_of: dict[str, tuple[str, NDArray[np.int64]]] = {}
    for branch in ak.fields(events):
        name = collection(branch, known) or ("" if "." in branch else branch.rpartition("_")[0])
        kind = ak.type(events[branch]).content
        is_text = getattr(kind, "parameters", {}).get("__array__") in ("string", "bytestring")
        if is_text or not isinstance(kind, ak.types.ListType):
            continue
        counts = ak.to_numpy(ak.num(events[branch], axis=1))
        if (bad := np.flatnonzero(counts < 0)).size:
            raise OSError(
                f"cannot read branch {branch!r}, entry {start + bad[0]} of {where}: it has {counts[bad[0]]} elements, "
                "the file is damaged"
            )
        if not name:
            continue
        first, first_counts = first_of.setdefault(name, (branch, counts))
        different = np.flatnonzero(counts != first_counts)
        if len(different):
            entry = int(different[0])
            raise ValueError(
                f"entry {start + entry} of {where}: {first!r} has {first_counts[entry]} elements, {branch!r} "
                f"{counts[entry]}; they must be equal in one collection (read branches of two in two calls)"
            )
