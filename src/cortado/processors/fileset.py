"""Filesets cut into chunks: coffea's work items, of steps that were chosen before or of files counted here."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, NamedTuple

from coffea.processor.executor import WorkItem

from cortado import ntuples
from cortado.cluster import Done, spread

__all__ = ["File", "chunks_of", "files_of"]


class File(NamedTuple):
    """A file of a data set.

    Attributes:
        dataset: Name of the data set.
        path: File or URL.
        tree: Name of the tree; None if it is to be looked for.
        steps: Entries (start, stop) of each chunk, where they were chosen before.
        uuid: Of the file, where it is known.
        metadata: Of the data set.
    """

    dataset: str
    path: str
    tree: str | None
    steps: tuple[tuple[int, int], ...] = ()
    uuid: bytes = b""
    metadata: Mapping[str, Any] = {}

    def __str__(self) -> str:
        return f"{self.path} of data set {self.dataset!r}"


def files_of(fileset: Mapping[str, Any]) -> list[File]:
    """Files of a fileset in any of coffea's forms.

    Args:
        fileset: `{name: {"files": {path: tree}, "metadata": {...}}}`, with a list of files and "treename", or as
            `dataset_tools.preprocess` gives it, with `object_path` and `steps` of each file.
    Raises:
        ValueError: If it has no data set, or one of them no files.
    """
    files = [file for name, entry in fileset.items() for file in _files(name, entry)]
    if not files:
        raise ValueError("the fileset names no data set")
    return files


def _files(name: str, entry: Any) -> Iterator[File]:
    if hasattr(entry, "model_dump"):
        entry = entry.model_dump()
    if not isinstance(entry, Mapping):
        entry = {"files": entry}
    if not entry["files"]:
        raise ValueError(f"data set {name!r} has no files")
    named = entry["files"] if isinstance(entry["files"], Mapping) else dict.fromkeys(entry["files"])
    for path, given in named.items():
        described = given if isinstance(given, Mapping) else {"object_path": given}
        yield File(
            name,
            str(path),
            described.get("object_path") or entry.get("treename"),
            tuple((int(start), int(stop)) for start, stop in described.get("steps") or ()),
            uuid.UUID(described["uuid"]).bytes if described.get("uuid") else b"",
            entry.get("metadata") or {},
        )


def chunks_of(
    files: Iterable[File], chunksize: int, pool: Executor | None, *, retries: int = 0
) -> Iterator[tuple[File, list[WorkItem], Exception | None]]:
    """Chunks of each file; where a file cannot be read, why.

    Files without steps are counted by the workers, who may see more of them than this process, and are divided evenly;
    a file without events has one empty chunk.

    Args:
        files: See `files_of`.
        chunksize: Events of a chunk, about.
        pool: Of the workers; None is this process.
        retries: How often a file that cannot be read is tried again.
    """
    uncounted = []
    for file in files:
        if file.steps:
            tree = file.tree or ntuples.find_tree(file.path)
            yield file, [_item(file, tree, file.uuid, *step) for step in file.steps], None
        else:
            uncounted.append(file)
    for done in spread(_counted, uncounted, pool, retries=retries):
        yield done.item, [] if done.error else _divided(done, chunksize), done.error


class _Count(NamedTuple):
    tree: str
    entries: int
    uuid: bytes


def _counted(file: File) -> _Count:
    tree = ntuples.find_tree(file.path, file.tree)
    facts = ntuples.tree_facts(file.path, tree)
    return _Count(tree, facts.num_entries, facts.uuid)


def _divided(done: Done, chunksize: int) -> list[WorkItem]:
    count: _Count = done.result
    size = max(math.ceil(count.entries / max(round(count.entries / chunksize), 1)), 1)
    starts = range(0, max(count.entries, 1), size)
    return [_item(done.item, count.tree, count.uuid, start, min(start + size, count.entries)) for start in starts]


def _item(file: File, tree: str, own: bytes, start: int, stop: int) -> WorkItem:
    return WorkItem(file.dataset, file.path, tree, start, stop, own, dict(file.metadata))
