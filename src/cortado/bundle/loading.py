"""Files to bundles, without trust: nothing in them is executed."""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import awkward as ak
import safetensors
import safetensors.torch
import torch

import cortado.models
import cortado.representations
from cortado.bundle import archive, canary, description
from cortado.bundle.tagger import Bundle, check_classes
from cortado.scaling import QuantileScaling, Scaling
from cortado.weights import WorkingPoint

MEMBERS = ("bundle.json", "weights.safetensors", "canary.safetensors")


def load(path: str | os.PathLike[str], *, representations: Iterable[type] = (), models: Iterable[type] = ()) -> Bundle:
    """Read a bundle and score its canary again; the model is on the CPU, in evaluation mode.

    Args:
        path: File or directory written by `save`.
        representations: Classes of your own that the bundle may use, beside those of
            `cortado.representations`.
        models: The same for `cortado.models`.
    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If it is no bundle, is cut short, edited, of a newer format, holds a pickle, names an
            unknown class, if its representation does not fit its model, or the canary's inputs or logits
            differ.
    """
    return restore(str(path), archive.read(path, MEMBERS), representations=representations, models=models)


def fingerprint(path: str | os.PathLike[str]) -> str:
    """SHA-256 of `bundle.json`, which seals the other members: the same for a file and a directory."""
    return hashlib.sha256(archive.read(path, MEMBERS)["bundle.json"]).hexdigest()


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `bundle.json` says, after its checks, without making the model."""
    return description.read(str(path), archive.read(path, MEMBERS))


def canary_jets(path: str | os.PathLike[str]) -> ak.Array:
    """The jets of the canary, shape (n,), with the fields that the representation needs."""
    return canary.unpack(str(path), archive.read(path, MEMBERS)["canary.safetensors"])


def restore(
    path: str, members: Mapping[str, bytes], *, representations: Iterable[type], models: Iterable[type]
) -> Bundle:
    """`load` from the content of the members; `path` is for messages."""
    content = description.read(path, members)
    try:
        bundle = _bundle(path, content, members["weights.safetensors"], representations, models)
    except KeyError as error:
        raise ValueError(f"{path}: bundle.json lacks {error}") from error
    check_classes(path, bundle)
    canary.check(path, bundle, members["canary.safetensors"])
    return bundle


def _bundle(
    path: str,
    content: Mapping[str, Any],
    weights: bytes,
    representations: Iterable[type],
    models: Iterable[type],
) -> Bundle:
    made, taken, scaling = content["representation"], content["model"], content["scaling"]
    representation = _class(path, "representation", made["name"], cortado.representations, representations)
    model = _class(path, "model", taken["name"], cortado.models, models)
    return Bundle(
        representation=_make(path, representation, made["arguments"]),
        scaling=None if scaling is None else _scaling(path, scaling),
        model=_model(path, model, taken["arguments"], weights),
        arguments=taken["arguments"],
        classes=content["classes"],
        signal=content["signal"],
        task=content.get("task", "tagging"),  # taggers written before there were other tasks
        working_points=tuple(_make(path, WorkingPoint, point) for point in content["working_points"]),
        provenance=content["provenance"],
    )


def _scaling(path: str, arguments: Mapping[str, Any]) -> Scaling | QuantileScaling:
    """Either kind: stored are its arguments alone, by whose names it is known."""
    made: Scaling | QuantileScaling = _make(path, QuantileScaling if "quantiles" in arguments else Scaling, arguments)
    return made


def _class(path: str, kind: str, name: str, room: ModuleType, own: Iterable[type]) -> type:
    """The class of that name among the caller's own and those that our room lists; no other is ever made."""
    known = {listed: getattr(room, listed) for listed in room.__all__} | {cls.__name__: cls for cls in own}
    known = {name: cls for name, cls in known.items() if isinstance(cls, type)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
        raise ValueError(f"{path}: unknown {kind} {name!r}, nearest: {', '.join(near)}; or pass {kind}s=({name},)")
    cls: type = known[name]
    return cls


def _model(path: str, model_class: type, arguments: Mapping[str, Any], weights: bytes) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):  # initial values, overwritten below, must not advance anybody's seed
        model: torch.nn.Module = _make(path, model_class, arguments)
    try:
        model.load_state_dict(safetensors.torch.load(weights))
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: weights do not fit {model_class.__name__}({arguments}): {error}") from error
    return model.eval()


def _make(path: str, made: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return made(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        name = getattr(made, "__name__", "")
        raise ValueError(f"{path}: {name} cannot be made of {dict(arguments)}: {error}") from error
