"""`bundle.json`: its making and its checks."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from cortado.bundle.chain import Bundle

FORMAT_VERSION = 3
_PACKAGES = ("cortado", "torch", "numpy", "awkward")
_KINDS: dict[str, type] = {
    "versions": dict,
    "representation": dict,
    "model": dict,
    "use": dict,
    "working_points": list,
    "alarms": list,
    "provenance": dict,
    "members": dict,
}


def write(path: str, bundle: Bundle, members: Mapping[str, bytes]) -> bytes:
    """JSON text that describes the bundle and seals the other members and itself by SHA-256.

    Raises:
        ValueError: If the representation is no dataclass, or an argument does not survive JSON.
    """
    model = type(bundle.model).__name__
    content = {
        "format": "cortado bundle",
        "format_version": FORMAT_VERSION,
        "versions": _versions(),
        "representation": _recipe(path, bundle.representation),
        "scaling": None if bundle.scaling is None else _recipe(path, bundle.scaling)["arguments"],
        "model": {"name": model, "arguments": _plain(path, model, bundle.arguments)},
        "use": _recipe(path, bundle.use),
        "working_points": [dataclasses.asdict(point) for point in bundle.working_points],
        "alarms": [dataclasses.asdict(point) for point in bundle.alarms],
        "lengths": bundle.lengths,
        "provenance": _plain(path, "provenance", bundle.provenance),
        "members": {name: _seal(member) for name, member in members.items()},
    }
    return json.dumps({**content, "sha256": _digest(content)}, indent=1, allow_nan=False).encode()


def read(path: str, members: Mapping[str, bytes]) -> dict[str, Any]:
    """The description, compared with the members; lists come back as tuples, other versions are warned of.

    Raises:
        ValueError: If it is no JSON, of a newer format, edited, or does not fit the members.
    """
    content = _parsed(path, members["bundle.json"])
    if content["format_version"] > FORMAT_VERSION:
        writer = f"cortado {content.get('versions', {}).get('cortado')}"
        raise ValueError(
            f"{path}: format {content['format_version']} of {writer} is newer than {FORMAT_VERSION}, update cortado"
        )
    if content.pop("sha256", None) != _digest(content):
        raise ValueError(f"{path}: bundle.json was edited after it was written (its SHA-256 differs)")
    _check_kinds(path, content)
    for name in sorted(members.keys() - {"bundle.json"}):
        _check_seal(path, name, members[name], content["members"].get(name))
    _warn_of_versions(path, content["versions"])
    return {name: tuples(value) for name, value in content.items()}


def _parsed(path: str, text: bytes) -> dict[str, Any]:
    """The JSON object; NaN and infinities, which JSON does not have, are refused."""
    try:
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if not isinstance(content["format_version"], int) or not isinstance(content.get("versions", {}), dict):
            raise TypeError("format_version or versions")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: bundle.json is cut short or not ours: {error!r}") from error
    parsed: dict[str, Any] = content
    return parsed


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no finite number")
    return number


def _check_kinds(path: str, content: Mapping[str, Any]) -> None:
    """Refuse what is there but of a wrong type; what is missing is told where it is needed.

    Raises:
        ValueError: Names the field, what it is and what is required.
    """
    for name, kind in _KINDS.items():
        _require(path, name, content.get(name, kind()), kind)
    for name in ("representation", "model", "use"):
        recipe = content.get(name, {})
        _require(path, f"{name}.name", recipe.get("name", ""), str)
        _require(path, f"{name}.arguments", recipe.get("arguments", {}), dict)
    if content.get("scaling") is not None:
        _require(path, "scaling", content["scaling"], dict)


def _require(path: str, name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        wanted = {"dict": "an object", "list": "a list", "str": "a text"}[kind.__name__]
        raise ValueError(f"{path}: bundle.json is not ours: {name} = {repr(value)[:80]}, required: {wanted}")


def tuples(value: Any) -> Any:
    """The value with its lists as tuples, which frozen dataclasses hold."""
    if isinstance(value, list | tuple):
        return tuple(tuples(x) for x in value)
    return {key: tuples(x) for key, x in value.items()} if isinstance(value, dict) else value


def _seal(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _check_seal(path: str, name: str, content: bytes, seal: Any) -> None:
    if not isinstance(seal, dict) or not isinstance(seal.get("bytes"), int):
        raise ValueError(
            f"{path}: bundle.json does not seal {name}: it has {repr(seal)[:80]}, required: bytes and sha256"
        )
    if len(content) < seal["bytes"]:
        raise ValueError(f"{path}: {name} is cut short: {len(content)} bytes of {seal['bytes']}")
    if _seal(content) != seal:
        raise ValueError(f"{path}: {name} was edited after it was written (its SHA-256 differs)")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _warn_of_versions(path: str, stored: Mapping[str, str]) -> None:
    here = _versions()
    if other := [f"{name} {stored[name]} (here {here.get(name)})" for name in stored if stored[name] != here.get(name)]:
        warnings.warn(f"{path}: written with {', '.join(other)}; the canary tells whether it matters", stacklevel=5)


def _recipe(path: str, described: Any) -> dict[str, Any]:
    """Name and arguments of a dataclass instance."""
    name = type(described).__name__
    if not dataclasses.is_dataclass(described):
        raise ValueError(f"{path}: {name} is no dataclass: its arguments are not known, so it cannot be written")
    arguments = {f.name: getattr(described, f.name) for f in dataclasses.fields(described) if f.init}
    return {"name": name, "arguments": _plain(path, name, arguments)}


def _plain(path: str, owner: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as JSON has them, if it brings them back equal but for lists, which come back as tuples."""
    plain = {}
    for name, value in arguments.items():
        try:
            plain[name] = back = json.loads(json.dumps(value, allow_nan=False, default=_scalar))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {owner} {name}={value!r} cannot be written as JSON: {error}") from error
        if tuples(back) != tuples(value):
            raise ValueError(f"{path}: {owner} {name}={value!r} would come back from JSON as {back!r}")
    return plain


def _scalar(value: Any) -> Any:
    """A number of numpy as one of Python.

    Raises:
        TypeError: If it is none.
    """
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no plain value")
