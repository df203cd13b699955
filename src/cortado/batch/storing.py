"""Answers on disk: parts of a file while it is worked on, then the friend tree, with a note of what it is.

The note says which content was scored by which bundles in what way. A file or a part with the same key need not be made
again, wherever it lies and whoever made it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak

from cortado import ntuples
from cortado.batch.answering import NOTHING, Answering, Sums
from cortado.batch.inputs import Format
from cortado.batch.parts import Answer, Layout, Part

__all__ = ["Note", "joined", "keep_part", "key_of", "note_of", "part_path", "write_answers"]

NOTE = "cortado"


class Note(NamedTuple):
    """What a file of answers says of itself.

    Attributes:
        key: See `key_of`.
        entries: Number of entries.
        sums: Of each bundle.
    """

    key: str
    entries: int
    sums: tuple[Sums, ...]


def key_of(found: Layout, uses: Sequence[Answering], settings: Mapping[str, Any]) -> str:
    """What must be the same for an earlier result to be this one: content, tree, bundles, settings."""
    bundles = [
        (use.tree, use.fingerprints(), sorted(use.options.items()), sorted(use.settings.items())) for use in uses
    ]
    what = (found.identity, found.tree, found.entries, bundles, sorted(settings.items()))
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def part_path(folder: Path, key: str, part: Part) -> Path:
    """Where the answers for a part are kept."""
    return folder / f"{key}-{part.start}-{part.stop}.root"


def keep_part(path: Path, answers: Sequence[Answer], uses: Sequence[Answering]) -> None:
    """Write the answers of all bundles for a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    trees = {use.tree: answer.chunks for use, answer in zip(uses, answers)}
    ntuples.write_trees(path, trees, notes={NOTE: _note(path.stem, answers)}, compression="lz4")


def note_of(path: Path) -> Note | None:
    """What a file of answers says of itself; None if there is none, it is damaged, or of another kind."""
    if not path.exists():
        return None
    try:
        text = ntuples.read_note(path, NOTE)
        said = json.loads(text or "{}")
        return Note(said["key"], said["entries"], tuple(Sums.from_json(each) for each in said["sums"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def joined(paths: Sequence[Path], uses: Sequence[Answering]) -> list[Answer]:
    """Answers of parts that were kept, in the order of the paths; each chunk is read when it is written."""
    total = [NOTHING for _ in uses]
    for path in paths:
        if (note := note_of(path)) is None:
            raise OSError(f"{path} was written a moment ago and cannot be read")
        total = [one.plus(other) for one, other in zip(total, note.sums, strict=True)]
    return [Answer(_chunks(paths, use.tree), each) for use, each in zip(uses, total)]


def _chunks(paths: Sequence[Path], tree: str) -> Iterator[ak.Array]:
    for path in paths:
        step = ntuples.Step(str(path), tree, 0, ntuples.num_entries(path, tree))
        yield ntuples.arrays(step, ntuples.branch_names(path, tree))


def write_answers(
    target: Path, key: str, given: Layout, answers: Sequence[Answer], uses: Sequence[Answering], form: Format
) -> None:
    """Write the friend trees of a file, and the note of what they are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    keys = ntuples.EVENT_KEYS if given.has_event else ntuples.ENTRY_KEY
    about = {
        "tree": given.tree,
        "identity": given.identity,
        "bundles": [{"tree": use.tree, "bundle": use.bundle, "sha256": use.fingerprints()} for use in uses],
    }
    notes = {NOTE: _note(key, answers, entries=given.entries, input=about)}
    if form == "parquet":
        ntuples.write_parquet(target, answers[0].chunks, notes=notes)
        return
    trees = {use.tree: answer.chunks for use, answer in zip(uses, answers)}
    titles = {use.tree: f"friend by {', '.join(keys)}" for use in uses}
    ntuples.write_trees(target, trees, form=form, titles=titles, notes=notes)


def _note(key: str, answers: Sequence[Answer], **more: Any) -> str:
    said = {"key": key, "entries": 0, **more, "sums": [answer.sums.to_json() for answer in answers]}
    return json.dumps(said)
