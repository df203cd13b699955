"""What a bundle holds: the chain from objects to what a network says of them, and what is known about it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from cortado.bundle.cores import limited
from cortado.bundle.length_units import Unit, in_cm
from cortado.names import nearest
from cortado.representations.missing import present
from cortado.scaling import QuantileScaling, Scaling
from cortado.tasks import Use
from cortado.weights import AlarmThreshold, WorkingPoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained network: objects -> representation -> scaling -> model -> answers, and what is known about it.

    Attributes:
        representation: Objects of shape (n,) -> NamedTuple of arrays.
        scaling: Standardisation of the features, or their map by quantiles; None leaves them as they are.
        model: Takes the arrays that the use makes of those of the representation, by position.
        arguments: Keyword arguments that make the model anew.
        use: What the outputs of the model mean.
        working_points: Cuts on a score with the efficiencies measured in training.
        alarms: Thresholds with a stated rate of false alarms.
        provenance: Where it comes from: samples with checksums, seed, fold rule, metrics. Must be writable as
            JSON.
        lengths: Unit of the lengths that the representation was shown in the training. Objects have them in mm; "cm"
            is of bundles before format 3, trained on files of CMS.
    """

    representation: Callable[[ak.Array], Any]
    scaling: Scaling | QuantileScaling | None = None
    model: torch.nn.Module
    arguments: Mapping[str, Any]
    use: Use
    working_points: tuple[WorkingPoint, ...] = ()
    alarms: tuple[AlarmThreshold, ...] = ()
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    lengths: Unit = "mm"

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an object that representation and use need: "pt", "constituents.charge"."""
        return tuple(dict.fromkeys((*self.representation.fields, *self.use.fields)))  # type: ignore[attr-defined]

    def represent(self, objects: ak.Array) -> Any:
        """Representation of objects of shape (n,), lengths in mm, before scaling: NamedTuple of arrays."""
        return self.representation(in_cm(objects, self.lengths, self.provenance))

    def prepare(self, objects: ak.Array) -> Any:
        """Representation, then scaling, of objects of shape (n,), lengths in mm: NamedTuple of arrays."""
        inputs = self.represent(objects)
        return inputs if self.scaling is None else self.scaling(inputs)


def columns(objects: ak.Array, fields: Iterable[str]) -> ak.Array:
    """Objects (n,) with the named fields only ("pt", "constituents.charge"), without names and behaviours.

    Members of their lists that are None, as links of coffea may be, are left out.

    Raises:
        ValueError: If a field is missing, names the nearest; or a list is None, or a member in some of its fields.
    """
    plain: dict[str, Any] = {}
    for field in fields:
        outer, _, inner = field.partition(".")
        column = _field(objects, outer)
        if inner:
            plain.setdefault(outer, {})[inner] = _field(column, inner, prefix=f"{outer}.")
        else:
            plain[outer] = column
    nested = {name: _members(name, x) if isinstance(x, dict) else x for name, x in plain.items()}
    return ak.zip(nested, depth_limit=1, behavior={})


def _members(name: str, fields: Mapping[str, ak.Array]) -> ak.Array:
    return ak.Array(present(ak.zip(dict(fields), behavior={}, highlevel=False), name, "object"))


def lengths(objects: ak.Array) -> NDArray[np.int64]:
    """Members of the longest collection of each object (constituents, tracks, ...), shape (n,); 1 without any."""
    nested = [ak.to_numpy(ak.num(objects[name])) for name in ak.fields(objects) if ak.fields(objects[name])]
    return np.max(nested, axis=0) if nested else np.ones(len(objects), np.int64)


def run(
    model: Callable[..., torch.Tensor], inputs: Iterable[NDArray[Any]], device: str | torch.device = "cpu"
) -> torch.Tensor:
    """Outputs for prepared inputs, float32, without gradients."""
    with torch.inference_mode():
        outputs: torch.Tensor = model(*tensors(inputs, device))
    return outputs.float()


def tensors(inputs: Iterable[NDArray[Any]], device: str | torch.device = "cpu") -> list[torch.Tensor]:
    """Arrays as tensors on a device."""
    # np.require: torch cannot wrap read-only arrays or negative strides.
    return [torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device) for array in inputs]


def checked_outputs(path: str, bundle: Bundle, prepared: Any, inputs: Any) -> NDArray[np.float32]:
    """Outputs for inputs of the network, after checks that representation, model and use fit together.

    Args:
        path: Of the bundle, for messages.
        bundle: With the model.
        prepared: What `Bundle.prepare` gave.
        inputs: What the use makes of it.

    Raises:
        ValueError: If names, widths or the shape of the outputs do not fit, or an output is not finite.
    """
    made, taken = type(bundle.representation).__name__, type(bundle.model).__name__
    wanted = getattr(bundle.model, "input_names", None) or tuple(inspect.signature(bundle.model.forward).parameters)
    if tuple(inputs._fields) != wanted:
        raise ValueError(f"{path}: {made} gives {inputs._fields} but {taken}.forward takes {wanted}")
    shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(inputs._fields, inputs))
    try:
        with limited(1):  # threads that wait for each other take longer than these few objects
            outputs: NDArray[np.float32] = run(bundle.model, inputs).numpy()
    except (RuntimeError, IndexError, ValueError) as error:
        raise ValueError(f"{path}: {made} gives {shapes}, which does not fit {taken}: {error}") from error
    expected = bundle.use.shape(prepared)
    if outputs.shape != expected:
        raise ValueError(
            f"{path}: {taken} gives outputs of shape {outputs.shape} for {shapes}, {expected} is needed for "
            f"{bundle.use}"
        )
    if not np.isfinite(outputs).all():
        raise ValueError(f"{path}: {np.count_nonzero(~np.isfinite(outputs))} of the canary's outputs are not finite")
    return outputs


def _field(array: ak.Array, name: str, *, prefix: str = "") -> ak.Array:
    if name not in ak.fields(array):
        hint = nearest(name, ak.fields(array), prefix=prefix)
        raise ValueError(f"objects have no field {prefix + name!r}; {hint}")
    return array[name]
