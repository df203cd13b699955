"""Files to records: the reader of the right dialect on the entries that `ntuples` opens.

Example:
    jets = cortado.read("nano.root").jets
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from cortado import ntuples, readers
from cortado.names import flat_name, placed
from cortado.ntuples import FOLDERS, MonitoringHistogram, Step
from cortado.ntuples.paths import expand
from cortado.readers import Dialect

__all__ = ["Dialect", "choose", "iterate", "iterate_maps", "iterate_objects", "read", "read_maps", "records"]


def read(
    path: str | Path,
    *,
    tree: str | None = None,
    dialect: str | Dialect | None = None,
    collection: str | None = None,
    start: int | None = None,
    stop: int | None = None,
) -> ak.Array:
    """Read one file as a record; the dialect is recognised by its branches, and only those needed are read.

    Args:
        path: File or URL.
        tree: Name of the tree; the only one of the file if not given.
        dialect: Name of the dialect if it shall not be guessed, such as "PFNano"; or a `readers.Mapping` of your own
            branches, or a module of your own.
        collection: Of files with jets of several kinds read these alone, "jets" or "ak4_jets"; all if not given.
        start: First entry; the first of the file if not given.
        stop: Entry after the last; the end of the file if not given.

    Returns:
        Record, shape (n_events,), see `cortado.readers`.

    Raises:
        ValueError: If the file is of no known dialect, or its links are broken.
    """
    tree = tree or ntuples.find_tree(path)
    start, stop = start or 0, ntuples.num_entries(path, tree) if stop is None else stop
    return records(Step(str(path), tree, start, stop), dialect=dialect, collection=collection)


def iterate(
    paths: str | Path | Iterable[str | Path],
    *,
    tree: str | None = None,
    dialect: str | Dialect | None = None,
    collection: str | None = None,
    size: int = 20_000,
) -> Iterator[ak.Array]:
    """Read files as records, step by step; memory is bounded by one step.

    Args:
        paths: One or more files, globs or URLs.
        tree: Name of the tree; the only one of each file if not given.
        dialect: Name of the dialect if it shall not be guessed.
        collection: As of `read`.
        size: Largest number of entries of a step.

    Yields:
        Records, in the order of the files and their entries.

    Raises:
        ValueError: If a file is of no known dialect, or its links are broken.
    """
    first_steps = (step for step in ntuples.steps(paths, tree=tree, size=size) if step.start == 0)
    for path, name, *_ in first_steps:
        reader, branches = choose(path, name, dialect, collection)
        for step, events in ntuples.iterate(path, branches, tree=name, size=size):
            yield _record(reader, step, events)


def iterate_objects(
    paths: str | Path | Iterable[str | Path],
    collection: str,
    *,
    dialect: str | Dialect | None = None,
    size: int = 20_000,
) -> Iterator[ak.Array]:
    """Read the objects of all events in a row, step by step.

    Args:
        paths: One or more files, globs or URLs.
        collection: What is wanted of the records: "jets", "showers".
        dialect: Name of the dialect if it shall not be guessed.
        size: Largest number of entries of a step.

    Yields:
        Objects, shape (n,).

    Raises:
        ValueError: As `iterate`, or if the events of a file have no such objects.
    """
    for file, tree in expand(paths):
        for record in iterate(file, tree=tree, dialect=dialect, size=size):
            if collection not in record.fields:
                raise ValueError(f"{file}: its events have no {collection}, only {', '.join(record.fields)}")
            yield ak.flatten(record[collection])


def read_maps(paths: str | Path | Iterable[str | Path], *, pattern: str = FOLDERS, name: str | None = None) -> ak.Array:
    """Read all monitoring maps of files, shape (n,); see `iterate_maps`."""
    return ak.concatenate(list(iterate_maps(paths, pattern=pattern, name=name)))


def iterate_maps(
    paths: str | Path | Iterable[str | Path],
    *,
    pattern: str = FOLDERS,
    name: str | None = None,
    size: int = 2000,
) -> Iterator[ak.Array]:
    """Read monitoring maps: ROOT folders of TH1 and TH2, ntuples, HDF5 and CSV (see `ntuples.iterate_monitoring`).

    Args:
        paths: One or more files, or globs.
        pattern: Regular expression with the groups run, lumi and name, for the paths of histograms in ROOT files.
        name: Regular expression that the name of a monitoring element must match; all if not given.
        size: Most maps that are read at once.

    Yields:
        Maps, shape (n,), see `readers.occupancy.map_record`.

    Raises:
        ValueError: If maps are of several shapes, or of other bins than the first of their name, a count is negative
            or not finite, or nothing matches.
    """
    edges: dict[str, tuple[Any, ...]] = {}
    first: MonitoringHistogram | None = None
    for file, tree in expand(paths):
        if tree or _is_ntuple(file):
            for record in iterate(f"{file}:{tree}" if tree else file, dialect=readers.occupancy.NAME, size=size):
                maps = ak.flatten(record.maps)
                yield maps if name is None else maps[[re.fullmatch(name, each) is not None for each in maps.name]]
            continue
        histograms = ntuples.iterate_monitoring(file, pattern=pattern, name=name)
        while chunk := tuple(islice(histograms, size)):
            first = first or chunk[0]
            for histogram in chunk:
                _require_shape(file, histogram, first)
                _require_bins(file, histogram, edges)
            yield _maps(file, chunk)


def _is_ntuple(file: str) -> bool:
    """Whether a file has a tree; histograms and trees in one file are read as histograms only if it is not a map's."""
    if file.endswith((".csv", ".csv.gz", ".h5", ".hdf5")):
        return False
    try:
        return "map_values" in ntuples.branch_names(file)
    except (KeyError, ValueError):
        return False


def _require_shape(file: str, histogram: MonitoringHistogram, first: MonitoringHistogram) -> None:
    if histogram.values.shape != first.values.shape:
        given, wanted = (" x ".join(map(str, each.values.shape)) for each in (histogram, first))
        raise ValueError(
            f"{file}: run {histogram.run}, lumisection {histogram.lumi}, {histogram.name!r} has {given} bins, required "
            f"are those of the first, {first.name!r}: {wanted}; choose elements by their name"
        )


def _require_bins(file: str, histogram: MonitoringHistogram, edges: dict[str, tuple[Any, ...]]) -> None:
    first = edges.setdefault(histogram.name, histogram.edges)
    for axis, wanted, given in zip("yx"[-len(first) :], first, histogram.edges):
        if wanted.shape != given.shape or not np.allclose(wanted, given):
            raise ValueError(
                f"{file}: run {histogram.run}, lumisection {histogram.lumi}, {histogram.name!r} has {len(given) - 1} "
                f"bins from {given[0]:g} to {given[-1]:g} along {axis}, required are those of the first of this name: "
                f"{len(wanted) - 1} from {wanted[0]:g} to {wanted[-1]:g}"
            )


def _maps(file: str, histograms: tuple[MonitoringHistogram, ...]) -> ak.Array:
    others: dict[str, Any] = {"entries": [each.entries for each in histograms]}
    if all(each.golden is not None for each in histograms):
        others["golden"] = [each.golden for each in histograms]
    columns = ([getattr(each, field) for each in histograms] for field in ("run", "lumi", "name", "values"))
    run, lumi, names, values = columns
    try:
        return readers.occupancy.map_record(run, lumi, names, np.stack(values), others)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def records(step: Step, *, dialect: str | Dialect | None = None, collection: str | None = None) -> ak.Array:
    """Read one step of `ntuples.steps` as a record, in whatever process.

    Args:
        step: Range of entries of a file.
        dialect: Name of the dialect if it shall not be guessed.
        collection: As of `read`.

    Returns:
        Record, shape (n_events,).

    Raises:
        ValueError: If the file is of no known dialect, or its links are broken.
    """
    reader, branches = choose(step.path, step.tree, dialect, collection)
    return _record(reader, step, ntuples.arrays(step, branches))


def choose(
    path: str, tree: str, dialect: str | Dialect | None = None, collection: str | None = None
) -> tuple[Dialect, list[str]]:
    """The reader for a tree, and the branches that it wants.

    Args:
        path: File or URL.
        tree: Name of the tree.
        dialect: Name of the dialect if it shall not be guessed.
        collection: As of `read`.

    Raises:
        ValueError: If the tree is of no known dialect.
    """
    available = ntuples.branch_names(path, tree)
    reader = readers.dialect(available, path, name=dialect)
    with placed(path):
        branches = reader.branches(tuple(dict.fromkeys((*available, *map(flat_name, available)))))
    kinds: dict[str, tuple[str, ...]] = getattr(reader, "KINDS", {})
    if not any(branch.startswith(kinds.get(collection or "", ())) for branch in branches):
        return reader, branches
    others = tuple(prefix for name, prefixes in kinds.items() if name != collection for prefix in prefixes)
    return reader, [branch for branch in branches if not branch.startswith(others)]


def _record(reader: Dialect, step: Step, events: ak.Array) -> ak.Array:
    with placed(f"{step.path}, tree {step.tree!r}, events counted from entry {step.start}"):
        return reader.record(events)
