"""Files to bundles, without trust: nothing in them is executed."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import awkward as ak

from cortado import models, representations
from cortado.bundle import archive, canary, description
from cortado.bundle.chain import Bundle
from cortado.bundle.length_units import Unit, fields_of, in_mm, of_representation, unit_of, unit_of_canary
from cortado.bundle.making import make, model_of
from cortado.names import nearest
from cortado.scaling import QuantileScaling, Scaling
from cortado.tasks import USES
from cortado.weights import AlarmThreshold, WorkingPoint

MEMBERS = ("bundle.json", "weights.safetensors", "canary.safetensors")


class Own(NamedTuple):
    """What the caller adds: classes of their own, beside those that our rooms list; and the unit of lengths."""

    representations: tuple[type, ...] = ()
    models: tuple[type, ...] = ()
    uses: tuple[type, ...] = ()
    lengths: Unit | None = None


class Content(NamedTuple):
    """What one reading of a bundle gave: another file may take its place at any time.

    Attributes:
        path: Of the bundle.
        members: Content of each by name.
    """

    path: str
    members: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """SHA-256 of `bundle.json`, which seals the other members: the same for a file and a directory."""
        return hashlib.sha256(self.members["bundle.json"]).hexdigest()

    def bundle(self, own: Own | None = None) -> Bundle:
        """The bundle itself, see `load`."""
        return restore(self.path, self.members, own or Own())

    def description(self) -> dict[str, Any]:
        """What `bundle.json` says, after its checks, without making the model."""
        with _told(self.path):
            return description.read(self.path, self.members)

    def canary_objects(self, lengths: Unit | None = None) -> ak.Array:
        """The objects of the canary, shape (n,), with the fields that the bundle needs; `lengths` as of `load`."""
        with _told(self.path):
            content = description.read(self.path, self.members)
            objects = canary.unpack(self.path, self.members["canary.safetensors"])
            unit = unit_of_canary(self.path, content, fields_of(objects), lengths)
            return in_mm(objects, unit, content["provenance"])


def read(path: str | os.PathLike[str]) -> Content:
    """Read a bundle once, for all that is to be known of it.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is no bundle, is cut short, or holds a pickle.
    """
    return Content(str(path), archive.read(path, MEMBERS))


def load(
    path: str | os.PathLike[str],
    *,
    representations: Iterable[type] = (),
    models: Iterable[type] = (),
    uses: Iterable[type] = (),
    lengths: Unit | None = None,
) -> Bundle:
    """Read a bundle and ask about its canary again; the model is on the CPU, in evaluation mode.

    Args:
        path: File or directory written by `save`.
        representations: Classes of your own that the bundle may use, beside those of
            `cortado.representations`.
        models: The same for `cortado.models`.
        uses: The same for `cortado.tasks`.
        lengths: Unit of the lengths that the network was shown, "mm" or "cm"; needed for bundles before format 3 whose
            network sees impact parameters, where it does not follow from the dialect that they name.
    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is no bundle, is cut short, edited, of a newer format, holds a pickle, names an
            unknown class, if its representation does not fit its model, the unit of lengths is not known, or the
            canary's inputs or outputs differ.
    """
    own = Own(tuple(representations), tuple(models), tuple(uses), lengths)
    return restore(str(path), archive.read(path, MEMBERS), own)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """SHA-256 of `bundle.json`, which seals the other members: the same for a file and a directory."""
    return read(path).sha256


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `bundle.json` says, after its checks, without making the model."""
    return read(path).description()


def canary_objects(path: str | os.PathLike[str], *, lengths: Unit | None = None) -> ak.Array:
    """The objects of the canary, shape (n,), with the fields that the bundle needs; `lengths` as of `load`."""
    return read(path).canary_objects(lengths)


def restore(path: str, members: Mapping[str, bytes], own: Own) -> Bundle:
    """`load` from the content of the members; `path` is for messages."""
    with _told(path):
        content = description.read(path, members)
        bundle = _bundle(path, content, members["weights.safetensors"], own)
        unit = unit_of_canary(path, content, bundle.fields, own.lengths)
        try:
            bundle.use.check(path)
            canary.check(path, bundle, members["canary.safetensors"], unit)
        except (TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"{path}: {bundle.use} makes no sense here: {error}") from error
    return bundle


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Have errors about what a file says name it, of whatever kind they are.

    Raises:
        ValueError: If there is one.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path}: bundle.json lacks {error}") from error
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: bundle.json is not ours: {type(error).__name__}: {error}") from error


def _bundle(path: str, content: Mapping[str, Any], weights: bytes, own: Own) -> Bundle:
    made, taken, scaling = content["representation"], content["model"], content["scaling"]
    prepares = _class(path, "representation", made["name"], (*_listed(representations), *own.representations))
    network = _class(path, "model", taken["name"], (*_listed(models), *own.models))
    representation = make(path, prepares, made["arguments"])
    is_own = network in own.models
    model = model_of(path, network, taken["arguments"], weights, own=is_own)
    used = content["use"] if content["format_version"] > 1 else _use_of_version_1(path, content, representation, model)
    use = make(path, _class(path, "use", used["name"], (*USES, *own.uses)), used["arguments"])
    fields = (*representation.fields, *use.fields)
    return Bundle(
        representation=representation,
        scaling=None if scaling is None else _scaling(path, scaling),
        model=model,
        arguments=taken["arguments"],
        use=use,
        working_points=tuple(_point(path, WorkingPoint, point) for point in content["working_points"]),
        # Bundles written before there were any have none.
        alarms=tuple(_point(path, AlarmThreshold, point) for point in content.get("alarms", ())),
        provenance=_checked(path, content["provenance"]),
        lengths=of_representation(representation, unit_of(path, content, fields, own.lengths)),
    )


def _use_of_version_1(path: str, content: Mapping[str, Any], representation: Any, model: Any) -> dict[str, Any]:
    """The use of a bundle of format 1, which has a task and classes in its place."""
    task = content.get("task", "tagging")  # taggers written before there were other tasks
    if task == "tagging":
        return {"name": "Classes", "arguments": {"classes": content["classes"], "signal": content["signal"]}}
    if task == "pairing":
        collections = {field.partition(".")[0] for field in representation.fields if "." in field}
        return {"name": "Pairs", "arguments": {"collection": ", ".join(sorted(collections))}}
    if task == "generation":
        energies, latent = getattr(representation, "energy_range", None), getattr(model, "latent", None)
        return {"name": "Showers", "arguments": {"energy_range": energies, "latent": latent}}
    raise ValueError(f"{path}: unknown task {task!r}; tasks of format 1 are tagging, pairing and generation")


def _scaling(path: str, arguments: Mapping[str, Any]) -> Scaling | QuantileScaling:
    """Either kind: stored are its arguments alone, by whose names it is known."""
    made: Scaling | QuantileScaling = make(path, QuantileScaling if "quantiles" in arguments else Scaling, arguments)
    return made


def _listed(room: ModuleType) -> list[type]:
    """The classes that a room lists."""
    listed = (getattr(room, name) for name in room.__all__)
    return [each for each in listed if isinstance(each, type)]


def _class(path: str, kind: str, name: str, allowed: Iterable[type]) -> type:
    """The class of that name among those that our rooms list and the caller's own; no other is ever made."""
    known = {cls.__name__: cls for cls in allowed}
    if name not in known:
        hint = nearest(name, sorted(known))
        raise ValueError(f"{path}: unknown {kind} {name!r}; {hint}; or pass {kind}s=({name},)")
    cls: type = known[name]
    return cls


def _point(path: str, kind: type, values: Mapping[str, Any]) -> Any:
    """A working point or alarm.

    Raises:
        ValueError: If it is no text and finite numbers.
    """
    point = make(path, kind, values)
    for name, value in dataclasses.asdict(point).items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (isinstance(value, str) if name == "name" else number):
            wanted = "a text" if name == "name" else "a finite number"
            raise ValueError(f"{path}: {kind.__name__} {point.name!r} has {name} = {value!r}, required: {wanted}")
    return point


def _checked(path: str, provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """The provenance, after a look at what is used of it.

    Raises:
        ValueError: If the rule of the folds, or what the training has seen, is none.
    """
    rule = provenance.get("fold")
    numbers = [rule.get(name) for name in ("index", "folds", "seed")] if isinstance(rule, Mapping) else [None]
    if rule is not None and not all(isinstance(number, int) for number in numbers):
        raise ValueError(f"{path}: provenance has fold = {rule!r}, required: whole numbers index, folds and seed")
    if "domain" in provenance:
        from cortado.bundle import domain  # scipy takes a while

        try:
            domain.from_json(provenance["domain"])
        except Exception as error:
            raise ValueError(f"{path}: provenance has a domain that is none: {error!r}") from error
    return provenance
