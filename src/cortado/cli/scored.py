"""What bundles say of events: columns of friend trees, and how these are summed up in words."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable
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
        dialect: Branches of the user's own that the bundle was trained on; None recognises the dialect.
        use: The bundle in use.
    """

    tree: str
    events: Callable[[Any], tuple[Columns, Counter[str]]]
    dialect: Any = None
    use: Any = None

    @property
    def names_events(self) -> bool:
        """Whether records have the numbers of their events, where the file has them."""
        return self.dialect is None or {"run", "luminosity_block", "event"} <= set(self.dialect.event)

    def domain(self, record: Any) -> Any:
        """Counts of what the objects of a record are like, which add up; see `cortado.scoring.domain_counts`."""
        from cortado.scoring.domain import domain_counts
        from cortado.scoring.friends import collection_of

        if not hasattr(self.use, "domain") or "domain" not in self.use.bundle().provenance:
            return 0.0
        name = collection_of(self.use, record)
        return domain_counts(self.use, record if name == "events" else record[name])


class Sums(NamedTuple):
    """What is reported of all files."""

    entries: int
    members: Counter[str]  # of each collection
    notes: Counter[str]  # sentences without the number with which they begin
    domain: Any = 0.0  # counts of what the objects are like


NOTHING = Sums(0, Counter(), Counter())


def plus(one: Sums, other: Sums) -> Sums:
    """Sums of both."""
    members = one.members.copy()
    members.update(other.members)  # not +, which drops what is zero
    return Sums(one.entries + other.entries, members, one.notes + other.notes, one.domain + other.domain)


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
    try:
        use = _loaded(bundle, without_constituents="nan", invalid="nan", **settings)
    except TypeError as error:  # a setting that only a class with other verbs has
        raise ValueError(f"{bundle}: {error}") from error
    if not hasattr(use, "events"):
        raise ValueError(f"{bundle} is for a {type(use).__name__}, which has nothing to say of events")
    known = inspect.signature(use.events).parameters
    if unknown := [f"--{name.replace('_', '-')}" for name in options if name not in known]:
        raise ValueError(f"{', '.join(unknown)}: no option of a {type(use).__name__}, for which {bundle} is")
    return Answering(use.tree, partial(use.events, **options), _dialect(use.bundle()), use)


def _dialect(bundle: Any) -> Any:
    from cortado.readers import Mapping

    mapped = bundle.provenance.get("dialect")
    if mapped is None:
        return None
    return Mapping(**mapped).needed(bundle.fields, bundle.provenance["study"]["objects"]["collection"])


def proposers(given: Iterable[str]) -> dict[str, Any]:
    """The setting `proposers` of a track finder, if there are any.

    Args:
        given: Paths of bundles, each alone or as "BUNDLE:THRESHOLD".
    Raises:
        ValueError: If a threshold is no number.
    """
    chosen = tuple(_proposer(each) for each in given)
    return {"proposers": chosen} if chosen else {}


def _proposer(given: str) -> str | tuple[str, float]:
    path, _, threshold = given.rpartition(":")
    if not path or Path(given).exists():
        return given
    try:
        return path, float(threshold)
    except ValueError as error:
        raise ValueError(f"--proposer {given}: required is BUNDLE or BUNDLE:THRESHOLD") from error


def _loaded(path: Path, **settings: Any) -> Any:
    from cortado import scoring

    if not path.is_dir() or (path / "bundle.json").exists():
        return scoring.load(path, **settings)
    if not (bundles := sorted(path.glob("fold*/*.cortado"))):
        raise FileNotFoundError(f"{path} is neither a bundle nor a training by folds: it has no fold0/NAME.cortado")
    return scoring.folds(bundles, **settings)


def sums(entries: int, columns: Columns, notes: Counter[str], domain: Any = 0.0) -> Sums:
    """Of some entries."""
    import awkward as ak

    lists = {PLURALS.get(name, f"{name}s"): each for name, each in columns.items() if each.ndim > 1}
    members = Counter({name: int(ak.sum(ak.num(each))) for name, each in lists.items()})
    return Sums(entries, members if lists else Counter(events=entries), notes, domain)


def report(total: Sums, where: str, use: Answering) -> list[str]:
    """Lines that say what is in all files, and whether it is like what the bundle was trained on.

    Args:
        total: Of all files.
        where: What was written.
        use: What was asked.
    """
    from cortado.scoring.domain import domain_shifts, told_of_shifts

    said = [f"{number} {note}" for note, number in total.notes.items()]
    written = ", ".join(f"{number} {name}" for name, number in total.members.items()) or "nothing"
    said.append(f"wrote {where}: {written} in {total.entries} entries")
    known = not isinstance(total.domain, float)
    told = told_of_shifts("warning: what was scored", domain_shifts(use.use, total.domain)) if known else ""
    return [*said, told] if told else said
