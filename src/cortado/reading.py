"""Files to records: the reader of the right dialect on the entries that `ntuples` opens.

Example:
    jets = cortado.read("nano.root").jets
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType

import awkward as ak

from cortado import ntuples, readers
from cortado.ntuples import Step


def read(
    path: str | Path,
    *,
    tree: str | None = None,
    dialect: str | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> ak.Array:
    """Read one file as a record; the dialect is recognised by its branches, and only those needed are read.

    Args:
        path: File or URL.
        tree: Name of the tree; the only one of the file if not given.
        dialect: Name of the dialect if it shall not be guessed, such as "PFNano".
        start: First entry; the first of the file if not given.
        stop: Entry after the last; the end of the file if not given.

    Returns:
        Record, shape (n_events,), see `cortado.readers`.

    Raises:
        ValueError: If the file is of no known dialect, or its links are broken.
    """
    tree = tree or ntuples.find_tree(path)
    start, stop = start or 0, ntuples.num_entries(path, tree) if stop is None else stop
    return records(Step(str(path), tree, start, stop), dialect=dialect)


def iterate(
    paths: str | Path | Iterable[str | Path],
    *,
    tree: str | None = None,
    dialect: str | None = None,
    size: int = 20_000,
) -> Iterator[ak.Array]:
    """Read files as records, step by step; memory is bounded by one step.

    Args:
        paths: One or more files, globs or URLs.
        tree: Name of the tree; the only one of each file if not given.
        dialect: Name of the dialect if it shall not be guessed.
        size: Largest number of entries of a step.

    Yields:
        Records, in the order of the files and their entries.

    Raises:
        ValueError: If a file is of no known dialect, or its links are broken.
    """
    steps = ntuples.steps(paths, tree=tree, size=size)
    for (path, name), _ in groupby(steps, key=lambda step: step[:2]):
        reader, branches = _choose(path, name, dialect)
        for step, events in ntuples.iterate(path, branches, tree=name, size=size):
            yield _record(reader, step, events)


def records(step: Step, *, dialect: str | None = None) -> ak.Array:
    """Read one step of `ntuples.steps` as a record, in whatever process.

    Args:
        step: Range of entries of a file.
        dialect: Name of the dialect if it shall not be guessed.

    Returns:
        Record, shape (n_events,).

    Raises:
        ValueError: If the file is of no known dialect, or its links are broken.
    """
    reader, branches = _choose(step.path, step.tree, dialect)
    return _record(reader, step, ntuples.arrays(step, branches))


def _choose(path: str, tree: str, dialect: str | None) -> tuple[ModuleType, list[str]]:
    """The reader for a tree, and the branches that it wants."""
    available = ntuples.branch_names(path, tree)
    reader = readers.dialect(available, path, name=dialect)
    return reader, reader.branches(available)


def _record(reader: ModuleType, step: Step, events: ak.Array) -> ak.Array:
    try:
        return reader.record(events)
    except ValueError as error:
        where = f"{step.path}, tree {step.tree!r}, events counted from entry {step.start}"
        raise ValueError(f"{where}: {error}") from error
