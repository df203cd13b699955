"""Friend trees: new columns in a file of their own, entry by entry beside the tree they were made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from cortado.names import nearest
from cortado.ntuples.chunks import Chunk
from cortado.ntuples.reading import Step, arrays, branch_names, num_entries
from cortado.ntuples.writing import write

EVENT_KEYS = ("run", "luminosityBlock", "event")
ENTRY_KEY = ("entry",)
"""Keys of trees without event numbers: the number of the entry in its file."""


def write_friend(path: str | Path, tree: str, chunks: Iterable[Chunk], *, keys: Sequence[str] = EVENT_KEYS) -> int:
    """Write columns as a tree beside another one, with the columns that identify its entries.

    The chunks have the order of the other tree; ``keys`` are columns of it, or ``ENTRY_KEY``.

    Returns:
        Number of entries written.

    Raises:
        KeyError: If a chunk lacks a key.
        ValueError, TypeError, OSError: See ``write``.
    """
    return write(path, tree, _with_keys(chunks, keys), title=f"friend by {', '.join(keys)}")


def _with_keys(chunks: Iterable[Chunk], keys: Sequence[str]) -> Iterator[Chunk]:
    for number, chunk in enumerate(chunks):
        present = ak.fields(chunk) if isinstance(chunk, ak.Array) else list(chunk)
        missing = [key for key in keys if key not in present]
        if missing:
            raise KeyError(f"chunk {number} lacks the key {missing[0]!r}; {nearest(missing[0], present)}")
        yield chunk


def friend(
    step: Step,
    path: str | Path,
    columns: Iterable[str],
    *,
    tree: str | None = None,
    keys: Sequence[str] | None = None,
) -> ak.Array:
    """Read columns of a friend tree for a step of the main tree, after a check that the entries are the same.

    Args:
        step: Entries of the main tree.
        path: File of the friend tree.
        columns: Columns to read, as for ``arrays``.
        tree: Friend tree, if its file has several.
        keys: Columns that identify an entry in both trees, or ``ENTRY_KEY``; None takes the numbers of the event or,
            where the friend has none of them, the number of the entry.

    Raises:
        ValueError: If the trees differ in their number of entries, or in the keys of an entry (it is named).
        KeyError: If a column or a key does not exist.
    """
    wanted = list(columns)
    if keys is None:
        there = branch_names(path, tree)
        keys = ENTRY_KEY if set(ENTRY_KEY) <= set(there) and set(EVENT_KEYS).isdisjoint(there) else EVENT_KEYS
    entries, friend_entries = num_entries(step.path, step.tree), num_entries(path, tree)
    stop = min(step.stop, friend_entries)
    beside = arrays(Step(str(path), tree or "", min(step.start, stop), stop), [*keys, *wanted])
    main = _entry_numbers(step) if tuple(keys) == ENTRY_KEY else arrays(step, keys)
    check_aligned(main[: len(beside)], beside, keys, start=step.start, names=(step.path, str(path)))
    if entries != friend_entries:
        raise ValueError(
            f"{path} has {friend_entries} entries, {step.path} has {entries}: a friend has as many; "
            f"those of this step agree before entry {stop}"
        )
    return beside[wanted]


def _entry_numbers(step: Step) -> ak.Array:
    return ak.Array({"entry": np.arange(step.start, step.stop)})


def check_aligned(
    main: ak.Array,
    beside: ak.Array,
    keys: Sequence[str],
    *,
    start: int = 0,
    names: Sequence[str] = ("main", "friend"),
) -> None:
    """Compare keys of two record arrays entry by entry.

    Args:
        main: Records that have the keys.
        beside: Records that should be those of the same entries.
        keys: Fields that identify an entry.
        start: Number of the first entry, for the message.
        names: Files of the two, for the message.

    Raises:
        ValueError: If the lengths differ, or the keys of an entry do; the message names the first such entry.
    """
    if len(main) != len(beside):
        raise ValueError(f"{len(main)} entries in {names[0]}, {len(beside)} in {names[1]}: there must be as many")
    different = np.zeros(len(main), bool)
    for key in keys:
        different |= ak.to_numpy(main[key] != beside[key])
    if different.any():
        entry = int(np.argmax(different))
        raise ValueError(
            f"entry {start + entry} is {_identity(main[entry], keys)} in {names[0]}, but "
            f"{_identity(beside[entry], keys)} in {names[1]}; {different.sum()} of {len(main)} entries differ"
        )


def _identity(entry: Any, keys: Sequence[str]) -> str:
    return ", ".join(f"{key} {entry[key]}" for key in keys)
