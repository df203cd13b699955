"""A user's own branches as a dialect, without code: which branch is which field of the record."""

from __future__ import annotations

import dataclasses
from collections import abc
from collections.abc import Iterable, Iterator
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key, event_key_of_lists, event_key_of_momenta
from cortado.kinematics import mass_of, momentum
from cortado.names import flat_name
from cortado.readers import columns
from cortado.readers.cartesian import cylindrical
from cortado.readers.mapped import CARTESIAN, MOMENTUM, Source, require_one_momentum, require_source

__all__ = ["Mapping", "Source"]

_NUMBERS = ("run", "luminosity_block", "event")
JET_INDEX = "jet_index"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mapping:
    """A dialect of a user's own branches: field of the record -> branch, or (branch, factor) to change its unit.

    An entry of the tree is an event, with lists of jets, or one jet, with plain numbers: the branches themselves say
    which. Constituents are lists of each jet, or lists of the event with the field ``jet_index``, the position of the
    jet that each belongs to (negative: none). Momenta may be given as pt, eta, phi and mass or energy, or as px, py, pz
    and energy; the record has mass. Lengths are in mm, momenta in GeV, angles in rad.

    Attributes:
        jets: Fields of the jets: ``{"pt": "fj_pt", "mass": ("fj_mass_mev", 1e-3), "label": "fj_label"}``.
        constituents: Fields of their constituents.
        collections: Further collections of the event: ``{"muons": {"pt": "mu_pt"}}``.
        event: Numbers of the event: run, luminosity_block, event, which name it, and any further columns, such as
            ``{"met": "MET_et"}``.
        weight: Of the event.
        simulated: Branch that simulation has and recorded data have not: where it and the weight are missing, events
            count as 1.
        name: Of the dialect, for messages.
    Raises:
        ValueError: If nothing is mapped, constituents have no jets, or a source is neither a branch nor a pair.

    Example:
        >>> own = Mapping(jets={"pt": "fj_pt", "mass": "fj_m"}, event={"event": "evt"}, weight="w")
        >>> jets = {"fj_pt": [[500.0, 400.0], []], "fj_m": [[80.0, 90.0], []]}
        >>> entries = ak.Array({**jets, "evt": [1, 2], "w": [1.0, 2.0]})
        >>> own.record(entries).jets.mass.tolist()
        [[80.0, 90.0], []]
    """

    jets: abc.Mapping[str, Source] = dataclasses.field(default_factory=dict)
    constituents: abc.Mapping[str, Source] = dataclasses.field(default_factory=dict)
    collections: abc.Mapping[str, abc.Mapping[str, Source]] = dataclasses.field(default_factory=dict)
    event: abc.Mapping[str, Source] = dataclasses.field(default_factory=dict)
    weight: Source | None = None
    simulated: str | None = None
    name: str = "own branches"

    def __post_init__(self) -> None:
        for owner, sources in self._mapped():
            for field, source in sources.items():
                require_source(owner, field, source)
            if owner not in ("event", "weight"):
                require_one_momentum(owner, sources)
        if not (self.jets or self.collections or self.event):
            raise ValueError("Mapping: nothing is mapped, required: jets, collections or event")
        if self.constituents and not self.jets:
            raise ValueError("Mapping: constituents without jets, required: jets, with at least one field")

    @property
    def NAME(self) -> str:
        """Name of the dialect."""
        return self.name

    @property
    def FORMS(self) -> tuple[tuple[str, ...], ...]:
        """The one set of branches by which files are known: all that are mapped, but a weight that data have not."""
        every = [(owner, source) for owner, sources in self._mapped() for source in sources.values()]
        known = [_branch(source) for owner, source in every if owner != "weight" or self.simulated is None]
        return (tuple(dict.fromkeys(known)),)

    def _mapped(self) -> Iterator[tuple[str, abc.Mapping[str, Source]]]:
        yield "jets", self.jets
        yield "constituents", self.constituents
        yield from self.collections.items()
        yield "event", self.event
        yield "weight", {} if self.weight is None else {"weight": self.weight}

    def branches(self, available: Iterable[str]) -> list[str]:
        """The branches that `record` uses, of those that are available."""
        there = set(map(flat_name, available))
        weight = [] if self.weight is None else [_branch(self.weight)]
        asked = dict.fromkeys((*self.FORMS[0], *weight))
        if self.simulated is not None and weight and flat_name(weight[0]) not in there:
            asked[self.simulated] = None  # which tells whether the weight is missing
        return [name for name in asked if flat_name(name) in there]

    def record(self, events: ak.Array) -> ak.Array:
        """Events in the form of the package, shape (n_events,), see `cortado.readers`.

        Args:
            events: Entries, shape (n_events,): plain arrays or coffea NanoEvents.
        Raises:
            KeyError: If a branch is missing; names the nearest.
            ValueError: If the branches of a collection have different lengths, or event numbers are not whole.
        """
        columns.require(self.FORMS[0], columns.names(events), self.name)
        fields: dict[str, Any] = {name: _one(events, "event", name, source) for name, source in self.event.items()}
        fields |= {name: _whole(fields[name], name, self.event[name]) for name in _NUMBERS if name in fields}
        collections = {name: _collection(events, name, sources) for name, sources in self.collections.items()}
        if self.jets:
            collections["jets"] = self._jets(events)
        fields["event_key"] = self._event_keys(events, fields, collections)
        if self.weight is not None:
            fields["weight"] = self._weight(events, self.weight)
        if self.jets:
            keys = np.repeat(fields["event_key"], ak.to_numpy(ak.num(collections["jets"])))
            jets = ak.with_field(ak.flatten(collections["jets"]), keys, "event_key")
            collections["jets"] = ak.unflatten(jets, ak.num(collections["jets"]))
        return columns.records(fields | collections)

    def needed(self, fields: Iterable[str], collection: str = "jets") -> Mapping:
        """The mapping of what a bundle asks for alone, so that files without truth and weights can be scored.

        Args:
            fields: Of the objects, as `Bundle.fields`: "pt", "constituents.charge".
            collection: What the objects are; of "events" fields are "met", "jets.pt".
        """
        if "event" not in self.event:
            return self  # all numbers of an entry are its name
        of_event = {name: source for name, source in self.event.items() if name in _NUMBERS}
        kept: dict[str, dict[str, Source]] = {}
        for field in fields:
            outer, _, inner = (field if collection == "events" else f"{collection}.{field}").partition(".")
            if not inner:
                of_event |= {outer: self.event[outer]} if outer in self.event else {}
                continue
            owner, _, member = inner.partition(".")
            places = [(outer, owner)] if not member else [(outer, ""), (owner, member)]
            for place, name in places:
                sources = dict(self._mapped())[place]
                momentum_of = {each: sources[each] for each in (*MOMENTUM, *CARTESIAN, JET_INDEX) if each in sources}
                kept.setdefault(place, {}).update(momentum_of)
                kept[place].update({name: sources[name]} if name in sources else {})
        jets, constituents = kept.pop("jets", {}), kept.pop("constituents", {})
        return dataclasses.replace(
            self, jets=jets, constituents=constituents, collections=kept, event=of_event, weight=None
        )

    def _weight(self, events: ak.Array, source: Source) -> npt.NDArray[Any]:
        """Weights of simulation, ones of recorded data."""
        there = columns.names(events)
        if self.simulated is None or _branch(source) in there:
            return _one(events, "weight", "weight", source)
        if self.simulated in there:
            columns.require([_branch(source)], there, self.name)
        return np.ones(len(events))

    def _jets(self, events: ak.Array) -> ak.Array:
        jets = _collection(events, "jets", self.jets)
        if not self.constituents:
            return jets
        counts, flat = ak.num(jets), ak.flatten(jets)
        if JET_INDEX in self.constituents:
            constituents = self._indexed(events, counts)
        else:
            constituents = self._nested(events, len(flat))
        return ak.unflatten(ak.with_field(flat, constituents, "constituents"), counts)

    def _nested(self, events: ak.Array, jets: int) -> ak.Array:
        """Constituents from lists of each jet, shape (n_jets, var)."""
        read = {name: _column(events, source) for name, source in self.constituents.items()}
        inner = {name: ak.flatten(column) if column.ndim == 3 else column for name, column in read.items()}
        for name, column in inner.items():
            if column.ndim != 2 or len(column) != jets:
                branch = _branch(self.constituents[name])
                raise ValueError(
                    f"constituents.{name}: {branch} has {len(column)} lists of depth {column.ndim - 1} for {jets} "
                    f"jets, required: one list for each jet, or the field {JET_INDEX!r}"
                )
        counts = _counts("constituents", inner, self.constituents)
        return ak.unflatten(_vectors({name: columns.flat(column) for name, column in inner.items()}), counts)

    def _indexed(self, events: ak.Array, jets: ak.Array) -> ak.Array:
        """Constituents from lists of the event and the position of their jets, shape (n_jets, var)."""
        every = _collection(events, "constituents", self.constituents)
        index, of_event = (
            columns.flat(every[JET_INDEX]).astype(np.int64),
            np.repeat(np.arange(len(every)), ak.num(every)),
        )
        number = columns.flat(jets)
        if beyond := int(np.sum(index >= number[of_event])):
            raise ValueError(
                f"constituents.{JET_INDEX}: {_branch(self.constituents[JET_INDEX])} names {beyond} times a jet beyond "
                "the last of its event"
            )
        jet = (np.cumsum(number) - number)[of_event] + index
        members = np.flatnonzero(index >= 0)
        order = members[np.argsort(jet[members], kind="stable")]
        kept = [name for name in every.fields if name != JET_INDEX]
        return ak.unflatten(ak.flatten(every)[kept][order], np.bincount(jet[members], minlength=int(number.sum())))

    def _event_keys(self, events: ak.Array, fields: dict[str, Any], collections: dict[str, ak.Array]) -> Any:
        """Keys from the numbers of the event; of files without, from all numbers of the entry."""
        if "event" in fields:
            nothing = np.zeros(len(events), dtype=np.uint64)
            return event_key(*(fields.get(name, nothing) for name in _NUMBERS))
        if any(not np.all(ak.num(each) == 1) for each in collections.values()):
            lists = [each[name] for each in collections.values() for name in _plain_fields(each)]
            return event_key_of_lists(*(ak.Array(np.asarray(column)[:, None]) for column in fields.values()), *lists)
        numbers = [columns.flat(each[name]) for each in collections.values() for name in _plain_fields(each)]
        return event_key_of_momenta(*(numbers or [np.asarray(column) for column in fields.values()]))


def _plain_fields(collection: ak.Array) -> list[str]:
    return [name for name in collection.fields if name != "constituents"]


def _branch(source: Source) -> str:
    return source if isinstance(source, str) else source[0]


def _column(events: ak.Array, source: Source) -> ak.Array:
    column = ak.from_regular(columns.column(events, _branch(source)), axis=None)
    return column if isinstance(source, str) else column * source[1]


def _one(events: ak.Array, owner: str, name: str, source: Source) -> npt.NDArray[Any]:
    """A column with one number for each event."""
    column = _column(events, source)
    if column.ndim != 1:
        raise ValueError(f"{owner}.{name}: {_branch(source)} is {ak.type(column)!s:.60}, required: one number an event")
    return np.asarray(ak.to_numpy(column, allow_missing=False))


def _whole(column: npt.NDArray[Any], name: str, source: Source) -> npt.NDArray[Any]:
    """Numbers that name events as integers: many ntuples keep them as floats."""
    if column.dtype.kind in "iu":
        return column
    if column.dtype == np.float32 and np.any(np.abs(column) >= 2**24):
        raise ValueError(f"event.{name}: {_branch(source)} is float32, which cannot tell numbers above {2**24} apart")
    if len(broken := column[column != np.floor(column)]):
        raise ValueError(f"event.{name}: {_branch(source)} has numbers that are not whole, such as {broken[0]}")
    return column.astype(np.int64)


def _collection(events: ak.Array, name: str, sources: abc.Mapping[str, Source]) -> ak.Array:
    """Objects of each event, shape (n_events, var), from lists, or from plain numbers: then one an entry."""
    read = {field: _column(events, source) for field, source in sources.items()}
    depths = {column.ndim for column in read.values()}
    if depths == {1}:
        counts = np.ones(len(events), dtype=np.int64)
    elif depths == {2}:
        counts = _counts(name, read, sources)
    else:
        shown = ", ".join(f"{_branch(sources[field])} {column.ndim - 1}" for field, column in read.items())
        raise ValueError(f"{name}: required are all plain numbers or all lists, their depths are: {shown}")
    inner = {field: column if column.ndim == 1 else ak.flatten(column) for field, column in read.items()}
    flat = {field: np.asarray(ak.to_numpy(column, allow_missing=False)) for field, column in inner.items()}
    return ak.unflatten(_vectors(flat), counts)


def _counts(name: str, read: abc.Mapping[str, ak.Array], sources: abc.Mapping[str, Source]) -> npt.NDArray[np.int64]:
    """Lengths of the lists, the same for all."""
    (first, column), *others = read.items()
    counts = np.asarray(ak.num(column))
    for field, other in others:
        wrong = np.flatnonzero(np.asarray(ak.num(other)) != counts)
        if len(wrong):
            lengths = [int(ak.num(each)[wrong[0]]) for each in (column, other)]
            one, two = _branch(sources[first]), _branch(sources[field])
            raise ValueError(f"{name}: {one} has {lengths[0]} and {two} has {lengths[1]} values in entry {wrong[0]}")
    return counts


def _vectors(flat: dict[str, npt.NDArray[Any]]) -> ak.Array:
    """Flat columns as vectors with pt, eta, phi and mass, where a momentum is given; else as plain records."""
    if all(name in flat for name in CARTESIAN):
        momenta = cylindrical(*(flat.pop(name) for name in CARTESIAN))
        return columns.momenta(momenta | flat)
    if "mass" not in flat and all(name in flat for name in ("pt", "eta", "phi", "energy")):
        px, py, pz = momentum(*(flat[name].astype(np.float64) for name in ("pt", "eta", "phi")))
        energy = flat.pop("energy").astype(np.float64)
        flat["mass"] = np.asarray(mass_of(energy, px, py, pz), dtype=np.float32)
    if all(name in flat for name in MOMENTUM):
        return columns.momenta(flat)
    return columns.records(flat)
