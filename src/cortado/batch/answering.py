"""What bundles say of events: columns of friend trees, and how these are summed up."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import awkward as ak
import cloudpickle
import numpy as np

from cortado import scoring
from cortado.readers import Mapping as OwnBranches
from cortado.scoring.domain import domain_counts
from cortado.scoring.friends import collection_of, trained_on
from cortado.scoring.process import packed

__all__ = ["NOTHING", "Answering", "Sums", "load"]

_OF_THE_MACHINE = ("device", "threads", "batch_size")  # settings on which answers do not depend
PLURALS = {"vertex": "vertices"}


class Answering(NamedTuple):
    """A bundle in use; it can be sent to worker processes.

    Attributes:
        bundle: Name of the bundle.
        tree: Name of the friend tree.
        use: The bundle in use.
        options: Of its method `events`.
        settings: With which it was loaded, as text, as far as answers depend on them.
        dialect: Branches of the user's own that the bundle was trained on; None recognises the dialect.
    """

    bundle: str
    tree: str
    use: Any
    options: Mapping[str, Any]
    settings: Mapping[str, str]
    dialect: Any = None

    @property
    def names_events(self) -> bool:
        """Whether records have the numbers of their events, where the file has them."""
        return self.dialect is None or {"run", "luminosity_block", "event"} <= set(self.dialect.event)

    @property
    def collection(self) -> str | None:
        """Name of the objects that are answered for, if the bundle says so."""
        return trained_on(self.use)

    def answer(self, record: ak.Array) -> tuple[dict[str, ak.Array], Sums]:
        """Collections to be written for a record of events, and their sums."""
        columns, notes = self.use.events(record, **self.options)
        lists = {PLURALS.get(name, f"{name}s"): each for name, each in columns.items() if each.ndim > 1}
        members = Counter({name: int(ak.sum(ak.num(each))) for name, each in lists.items()})
        return columns, Sums(members if lists else Counter(events=len(record)), notes, self._domain(record))

    def _domain(self, record: ak.Array) -> Any:
        """Counts of what the objects of a record are like, which add up; see `cortado.scoring.domain_counts`."""
        if not hasattr(self.use, "domain") or "domain" not in self.use.bundle().provenance:
            return 0.0
        name = collection_of(self.use, record)
        return domain_counts(self.use, record if name == "events" else record[name])

    def fingerprints(self) -> list[str]:
        """Of all bundles that answer, several for folds and ensembles."""
        with packed() as bundles:
            cloudpickle.dumps(self.use)
        return sorted(bundles)


class Sums(NamedTuple):
    """What is reported of the answers of one bundle.

    Attributes:
        members: Number of objects of each collection.
        notes: Sentences without the number with which they begin.
        domain: Counts of what the objects are like.
    """

    members: Counter[str]
    notes: Counter[str]
    domain: Any

    def plus(self, other: Sums) -> Sums:
        """Sums of both."""
        members = self.members.copy()
        members.update(other.members)  # not +, which drops what is zero
        return Sums(members, self.notes + other.notes, self.domain + other.domain)

    def to_json(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"members": self.members, "notes": self.notes, "domain": np.asarray(self.domain).tolist()}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Sums:
        """What `to_json` gave."""
        domain = given["domain"]
        counts = domain if isinstance(domain, float) else np.array(domain, dtype=np.float64)
        return cls(Counter(given["members"]), Counter(given["notes"]), counts)


NOTHING = Sums(Counter(), Counter(), 0.0)


def load(bundle: str | Path, options: Mapping[str, Any] | None = None, **settings: Any) -> Answering:
    """What a bundle can say of events.

    Args:
        bundle: Path of it, or of the folder of a training by folds.
        options: Of the vertex fits and the like, as far as the user gave them.
        **settings: For `cortado.load`.
    Raises:
        FileNotFoundError: If there is no bundle in a folder.
        ValueError: If it says nothing of events, or has no such options.
    """
    path, options = Path(bundle), dict(options or {})
    try:
        use = _loaded(path, without_constituents="nan", invalid="nan", **settings)
    except TypeError as error:  # a setting that only a class with other verbs has
        raise ValueError(f"{bundle}: {error}") from error
    if not hasattr(use, "events"):
        raise ValueError(f"{bundle} is for a {type(use).__name__}, which has nothing to say of events")
    known = inspect.signature(use.events).parameters
    if unknown := [f"--{name.replace('_', '-')}" for name in options if name not in known]:
        raise ValueError(f"{', '.join(unknown)}: no option of a {type(use).__name__}, for which {bundle} is")
    told = {name: described(value) for name, value in settings.items() if name not in _OF_THE_MACHINE}
    return Answering(path.name, use.tree, use, options, told, _dialect(use.bundle()))


def described(value: Any) -> str:
    """A setting as text; of classes and modules of the user's own, their code."""
    if isinstance(value, tuple | list):
        return repr([described(each) for each in value])
    if isinstance(value, type | ModuleType):
        return inspect.getsource(value)
    return repr(value)


def _loaded(path: Path, **settings: Any) -> Any:
    if not path.is_dir() or (path / "bundle.json").exists():
        return scoring.load(path, **settings)
    if not (bundles := sorted(path.glob("fold*/*.cortado"))):
        inside = sorted(map(str, path.glob("*.cortado")))
        there = f"; a bundle in it: {inside[0]}" if inside else ""
        raise FileNotFoundError(
            f"{path} is neither a bundle nor a training by folds: it has no fold0/NAME.cortado{there}"
        )
    return scoring.folds(bundles, **settings)


def _dialect(bundle: Any) -> OwnBranches | None:
    mapped = bundle.provenance.get("dialect")
    if mapped is None:
        return None
    return OwnBranches(**mapped).needed(bundle.fields, bundle.provenance["study"]["objects"]["collection"])
