"""The canary: a few objects, what was prepared from them and what the network says, asked again on load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cortado.bundle.chain import Bundle, checked_outputs, columns, lengths, tensors
from cortado.bundle.length_units import Unit, in_mm

TOLERANCE = 1e-4  # float32 sums in another order, on another processor
OBJECTS = 16
CONSTITUENTS = 20_000  # of all of them together, but for the first: events with all their hits are large
_COUNTS = ":counts"


def pack(path: str, bundle: Bundle, objects: ak.Array) -> bytes:
    """The first objects as flat columns, the inputs prepared from them and the outputs, as safetensors.

    Raises:
        ValueError: If there is no object, a field is missing, or the representation does not fit the model.
    """
    if len(objects) == 0:
        raise ValueError(f"{path}: a bundle needs at least one canary object, got none")
    objects = _few(columns(objects[:OBJECTS], bundle.fields))
    prepared = bundle.prepare(objects)
    inputs = bundle.use.inputs(prepared, np.random.default_rng(1))
    arrays = {f"objects/{name}": column for name, column in _flat_columns(objects)}
    arrays |= {f"inputs/{name}": array for name, array in zip(prepared._fields, prepared)}
    arrays |= {f"drawn/{name}": getattr(inputs, name) for name in _drawn(prepared, inputs)}
    arrays["outputs"] = checked_outputs(path, bundle, prepared, inputs)
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def check(path: str, bundle: Bundle, content: bytes, unit: Unit) -> None:
    """Prepare the stored objects, ask the network again, and have the use make columns of its outputs.

    Args:
        path: Of the bundle, for messages.
        bundle: To be asked.
        content: What `pack` gave.
        unit: Of the lengths of the stored objects.

    Raises:
        ValueError: If inputs or outputs are others than when the bundle was written, says by how much; if there are no
            columns of them.
    """
    made, taken = type(bundle.representation).__name__, type(bundle.model).__name__
    stored = _arrays(path, content)
    try:
        objects = in_mm(_objects(stored), unit, bundle.provenance)
        _require_some(path, objects)
        _require_narrow(path, made, bundle.prepare(objects[:0]), stored)
        prepared = bundle.prepare(objects)
    except Exception as error:  # representations are ours or the caller's, what they are given is not
        if str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: canary: {made} cannot prepare its objects: {error}") from error
    inputs = bundle.use.inputs(prepared, np.random.default_rng(1))
    # What was drawn at random is stored: another version of numpy may draw other numbers.
    drawn = {name: stored.get(f"drawn/{name}") for name in _drawn(prepared, inputs)}
    for name, array in drawn.items():
        _require_shape(path, f"{name} of {taken}", getattr(inputs, name), array)
    inputs = inputs._replace(**drawn)
    outputs = checked_outputs(path, bundle, prepared, inputs)
    for name, array in zip(prepared._fields, prepared):
        _require_same(path, f"{name} of {made}", array, stored.get(f"inputs/{name}"))
    _require_same(path, f"outputs of {taken}", outputs, stored.get("outputs"))
    output, *given = tensors([outputs, *inputs])
    try:
        bundle.use.columns(bundle.use.answers(output, type(inputs)(*given)), objects)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: canary: {bundle.use} makes no columns of it: {error}") from error


def unpack(path: str, content: bytes) -> ak.Array:
    """The stored objects, shape (n,), with the fields that the bundle needs."""
    return _objects(_arrays(path, content))


def _arrays(path: str, content: bytes) -> dict[str, NDArray[Any]]:
    try:
        stored: dict[str, NDArray[Any]] = dict(safetensors.numpy.load(content))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: canary.safetensors cannot be read: {error}") from error
    return _of_version_1(stored) if "logits" in stored else stored


def _of_version_1(stored: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays of format 1 by the names of today."""
    names = {"logits": "outputs", "noise": "drawn/noise"}
    return {names.get(name, name.replace("jets/", "objects/", 1)): array for name, array in stored.items()}


def _objects(stored: Mapping[str, NDArray[Any]]) -> ak.Array:
    """Inverse of `_flat_columns`."""
    flat = {name.removeprefix("objects/"): array for name, array in stored.items() if name.startswith("objects/")}
    record: dict[str, Any] = {name: array for name, array in flat.items() if "." not in name and ":" not in name}
    for outer in (name.removesuffix(_COUNTS) for name in flat if name.endswith(_COUNTS)):
        inner = {name.partition(".")[2]: array for name, array in flat.items() if name.startswith(f"{outer}.")}
        record[outer] = ak.unflatten(ak.zip(inner), flat[outer + _COUNTS])
    return ak.zip(record, depth_limit=1)


def _flat_columns(objects: ak.Array) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in objects.fields:
        if inner := ak.fields(objects[name]):
            yield name + _COUNTS, ak.to_numpy(ak.num(objects[name]))
            yield from ((f"{name}.{x}", ak.to_numpy(ak.flatten(objects[name][x]))) for x in inner)
        else:
            yield name, ak.to_numpy(objects[name])


def _few(objects: ak.Array) -> ak.Array:
    return objects[: max(1, int(np.count_nonzero(np.cumsum(lengths(objects)) <= CONSTITUENTS)))]


def _drawn(prepared: Any, inputs: Any) -> list[str]:
    """Inputs of the network that the representation has not prepared."""
    return [name for name in inputs._fields if name not in prepared._fields]


def _require_some(path: str, objects: ak.Array) -> None:
    if not len(objects):
        raise ValueError(f"{path}: canary: it has no objects, so it would accept any weights")


def _require_narrow(path: str, made: str, nothing: Any, stored: Mapping[str, NDArray[Any]]) -> None:
    """Compare the shape of what is prepared of no objects, which takes no memory, with that of the stored inputs.

    Raises:
        ValueError: If the objects of the canary would be prepared as far larger arrays than were stored.
    """
    for name, array in zip(nothing._fields, nothing):
        then = stored.get(f"inputs/{name}")
        if then is not None and math.prod(array.shape[1:]) > math.prod(then.shape[1:]):
            raise ValueError(
                f"{path}: canary: {name} of {made} has shape {('n', *array.shape[1:])}, at training it had {then.shape}"
            )


def _require_same(path: str, what: str, now: NDArray[Any], then: NDArray[Any] | None) -> None:
    _require_shape(path, what, now, then)
    assert then is not None
    for which, values in (("has", now), ("was stored with", then)):
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            raise ValueError(f"{path}: canary: {what} {which} {bad} values that are not finite")
    difference = np.abs(now.astype(np.float64) - then.astype(np.float64))
    if not (difference <= TOLERANCE * (1 + np.abs(then))).all():
        raise ValueError(
            f"{path}: canary: {what} differs from training by up to {difference.max():.3g} "
            f"(allowed: {TOLERANCE:g}); the file or the code has changed since"
        )


def _require_shape(path: str, what: str, now: NDArray[Any], then: NDArray[Any] | None) -> None:
    if then is None or now.shape != then.shape:
        before = "was not there" if then is None else f"had {then.shape}"
        raise ValueError(f"{path}: canary: {what} has shape {now.shape}, at training it {before}")
