"""What bundles say of events: columns of friend trees, and how these are summed up in words."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

Columns = dict[str, Any]
PLURALS = {"vertex": "vertices"}


class Answering(NamedTuple):
    """A bundle in use.

    Attributes:
        tree: Name of the friend tree.
        events: Record of events -> collections to be written, and sentences with how often they are true.
    """

    tree: str
    events: Callable[[Any], tuple[Columns, Counter[str]]]


class Sums(NamedTuple):
    """What is reported of all files."""

    entries: int
    members: Counter[str]  # of each collection
    notes: Counter[str]  # sentences without the number with which they begin


NOTHING = Sums(0, Counter(), Counter())


def plus(one: Sums, other: Sums) -> Sums:
    """Sums of both."""
    members = one.members.copy()
    members.update(other.members)  # not +, which drops what is zero
    return Sums(one.entries + other.entries, members, one.notes + other.notes)


def load(bundle: Path, options: dict[str, Any], **settings: Any) -> Answering:
    """What the bundle can say of events.

    Args:
        bundle: Path of it, or of the folder of a training by folds.
        options: Of the vertex fits, as far as the user gave them.
        **settings: For `cortado.load`.
    Raises:
        FileNotFoundError: If there is no bundle in a folder.
        ValueError: If it says nothing of events, or has no such options.
    """
    use = _loaded(bundle, without_constituents="nan", **settings)
    if not hasattr(use, "events"):
        raise ValueError(f"{bundle} is for a {type(use).__name__}, which has nothing to say of events")
    known = inspect.signature(use.events).parameters
    if unknown := [f"--{name.replace('_', '-')}" for name in options if name not in known]:
        raise ValueError(f"{', '.join(unknown)}: no option of a {type(use).__name__}, for which {bundle} is")
    return Answering(use.tree, partial(use.events, **options))


def _loaded(path: Path, **settings: Any) -> Any:
    from cortado import scoring

    if not path.is_dir() or (path / "bundle.json").exists():
        return scoring.load(path, **settings)
    if not (bundles := sorted(path.glob("fold*/*.cortado"))):
        raise FileNotFoundError(f"{path} is neither a bundle nor a training by folds: it has no fold0/NAME.cortado")
    return scoring.folds(bundles, **settings)


def sums(entries: int, columns: Columns, notes: Counter[str]) -> Sums:
    """Of some entries."""
    import awkward as ak

    members = {PLURALS.get(name, f"{name}s"): int(ak.sum(ak.num(each))) for name, each in columns.items()}
    return Sums(entries, Counter(members), notes)


def report(total: Sums, where: str) -> list[str]:
    """Lines that say what is in all files.

    Args:
        total: Of all files.
        where: What was written.
    """
    said = [f"{number} {note}" for note, number in total.notes.items()]
    written = ", ".join(f"{number} {name}" for name, number in total.members.items()) or "nothing"
    return [*said, f"wrote {where}: {written} in {total.entries} entries"]
