"""The canary: a few jets, what was prepared from them and their logits, scored again on load."""

from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cortado.bundle.tagger import Bundle, checked_logits, columns

TOLERANCE = 1e-4  # float32 sums in another order, on another processor
JETS = 16
_COUNTS = ":counts"


def pack(path: str, bundle: Bundle, jets: ak.Array) -> bytes:
    """The first jets as flat columns, the inputs prepared from them and their logits, as safetensors.

    Raises:
        ValueError: If there is no jet, a field is missing, or the representation does not fit the model.
    """
    if len(jets) == 0:
        raise ValueError(f"{path}: a bundle needs at least one canary jet, got none")
    jets = columns(jets[:JETS], bundle.fields)
    inputs = bundle.prepare(jets)
    arrays = {f"jets/{name}": column for name, column in _flat_columns(jets)}
    arrays |= {f"inputs/{name}": array for name, array in zip(inputs._fields, inputs)}
    if bundle.task == "generation":
        shape = (len(jets), int(bundle.model.latent))  # type: ignore[arg-type]
        arrays["noise"] = np.random.default_rng(1).standard_normal(shape, np.float32)
    arrays["logits"] = checked_logits(path, bundle, inputs, arrays.get("noise"))
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def check(path: str, bundle: Bundle, content: bytes) -> None:
    """Prepare and score the stored jets again.

    Raises:
        ValueError: If inputs or logits are others than when the bundle was written; says by how much.
    """
    made, taken = type(bundle.representation).__name__, type(bundle.model).__name__
    stored = _arrays(path, content)
    try:
        inputs = bundle.prepare(_jets(stored))
    except (ValueError, LookupError, AttributeError) as error:
        raise ValueError(f"{path}: canary: {made} cannot prepare its jets: {error}") from error
    logits = checked_logits(path, bundle, inputs, stored.get("noise"))
    for name, array in zip(inputs._fields, inputs):
        _require_same(path, f"{name} of {made}", array, stored.get(f"inputs/{name}"))
    _require_same(path, f"logits of {taken}", logits, stored.get("logits"))


def unpack(path: str, content: bytes) -> ak.Array:
    """The stored jets, shape (n,), with the fields that the representation needs."""
    return _jets(_arrays(path, content))


def _arrays(path: str, content: bytes) -> dict[str, NDArray[Any]]:
    try:
        return dict(safetensors.numpy.load(content))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: canary.safetensors cannot be read: {error}") from error


def _jets(stored: Mapping[str, NDArray[Any]]) -> ak.Array:
    """Inverse of `_flat_columns`."""
    flat = {name.removeprefix("jets/"): array for name, array in stored.items() if name.startswith("jets/")}
    record: dict[str, Any] = {name: array for name, array in flat.items() if "." not in name and ":" not in name}
    for outer in (name.removesuffix(_COUNTS) for name in flat if name.endswith(_COUNTS)):
        inner = {name.partition(".")[2]: array for name, array in flat.items() if name.startswith(f"{outer}.")}
        record[outer] = ak.unflatten(ak.zip(inner), flat[outer + _COUNTS])
    return ak.zip(record, depth_limit=1)


def _flat_columns(jets: ak.Array) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in jets.fields:
        if inner := ak.fields(jets[name]):
            yield name + _COUNTS, ak.to_numpy(ak.num(jets[name]))
            yield from ((f"{name}.{x}", ak.to_numpy(ak.flatten(jets[name][x]))) for x in inner)
        else:
            yield name, ak.to_numpy(jets[name])


def _require_same(path: str, what: str, now: NDArray[Any], then: NDArray[Any] | None) -> None:
    if then is None or now.shape != then.shape:
        before = "was not there" if then is None else f"had {then.shape}"
        raise ValueError(f"{path}: canary: {what} has shape {now.shape}, at training it {before}")
    difference = np.abs(now.astype(np.float64) - then.astype(np.float64))
    if not (difference <= TOLERANCE * (1 + np.abs(then))).all():
        raise ValueError(
            f"{path}: canary: {what} differs from training by up to {difference.max():.3g} "
            f"(allowed: {TOLERANCE:g}); the file or the code has changed since"
        )
