"""A file to be scored, cut into parts of some steps each: pieces of work for any process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado import ntuples, reading
from cortado.batch.answering import NOTHING, Answering, Sums
from cortado.batch.inputs import Input
from cortado.ntuples import Step

__all__ = ["Answer", "Layout", "Part", "answered", "layout"]


class Layout(NamedTuple):
    """What a file to be scored is like.

    Attributes:
        tree: Name of its tree.
        entries: Number of entries.
        identity: Of its content, see `ntuples.identity`.
        steps: Ranges of entries that are read at once.
        has_event: Whether its entries have the numbers of their events.
    """

    tree: str
    entries: int
    identity: str
    steps: tuple[Step, ...]
    has_event: bool

    def parts(self, given: Input, size: int) -> list[Part]:
        """Steps that follow each other, together about `size` entries; a file without entries has one empty part."""
        groups: list[list[Step]] = []
        for step in self.steps or (Step(given.path, self.tree, 0, 0),):
            if groups and step.stop - groups[-1][0].start <= size:
                groups[-1].append(step)
            else:
                groups.append([step])
        return [Part(given, tuple(steps), self.has_event) for steps in groups]


class Part(NamedTuple):
    """Steps of a file that are scored as one piece of work."""

    input: Input
    steps: tuple[Step, ...]
    has_event: bool

    @property
    def start(self) -> int:
        """First entry."""
        return self.steps[0].start

    @property
    def stop(self) -> int:
        """One past the last entry."""
        return self.steps[-1].stop

    def __str__(self) -> str:
        return f"{self.input.path}, entries {self.start} to {self.stop}"


class Answer(NamedTuple):
    """What one bundle says of a part.

    Attributes:
        chunks: Columns of the friend tree, one chunk for each step.
        sums: To be reported.
    """

    chunks: Iterable[Any]
    sums: Sums


def layout(given: Input, *, size: int, own_events: bool) -> Layout:
    """Look into a file.

    Args:
        given: The file.
        size: Most entries that are read at once.
        own_events: Whether records of its dialect have the numbers of their events.
    """
    tree = ntuples.find_tree(given.path, given.tree)
    steps = tuple(ntuples.steps(given.path, tree=tree, size=size))
    has_event = own_events and set(ntuples.EVENT_KEYS) <= set(ntuples.branch_names(given.path, tree))
    return Layout(tree, ntuples.num_entries(given.path, tree), ntuples.identity(given.path), steps, has_event)


def answered(part: Part, *, uses: Sequence[Answering], dialect: Any) -> tuple[Answer, ...]:
    """What each bundle says of a part; each step is read once.

    Args:
        part: The steps.
        uses: The bundles.
        dialect: Of the file, if it is not recognised.
    Raises:
        ValueError: If a file is of no known dialect, or a bundle cannot answer; names the entries.
    """
    wanted = {use.collection for use in uses}
    collection = wanted.pop() if len(wanted) == 1 else None  # what nobody asks for is not read
    chunks: list[list[dict[str, Any]]] = [[] for _ in uses]
    sums = [NOTHING for _ in uses]
    for step in part.steps:
        record = reading.records(step, dialect=dialect, collection=collection)
        keys = _keys(record, step, part.has_event)
        for k, use in enumerate(uses):
            try:
                columns, own = use.answer(record)
            except ValueError as error:
                where = f"{step.path}, jets and events counted from entry {step.start}"
                raise ValueError(f"{where}: {error}") from error
            chunks[k].append({**keys, **columns})
            sums[k] = sums[k].plus(own)
    return tuple(Answer(tuple(each), total) for each, total in zip(chunks, sums))


def _keys(record: ak.Array, step: Step, has_event: bool) -> dict[str, Any]:
    if has_event:
        return {"run": record.run, "luminosityBlock": record.luminosity_block, "event": record.event}
    return {"entry": np.arange(step.start, step.start + len(record))}
