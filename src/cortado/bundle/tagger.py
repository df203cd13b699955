"""What a bundle holds: the chain from jets to logits, and what is known about it."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray

from cortado.scaling import QuantileScaling, Scaling
from cortado.weights import WorkingPoint

Task = Literal["tagging", "pairing", "generation"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained network: jets -> representation -> scaling -> model -> logits, and what is known about it.

    Attributes:
        representation: Jets of shape (n,) -> NamedTuple of arrays.
        scaling: Standardisation of the features, or their map by quantiles; None leaves them as they are.
        model: Takes the arrays of the representation by position, gives logits of shape (n, classes).
        arguments: Keyword arguments that make the model anew.
        classes: Names of the logits, in order.
        signal: The class whose probability is the score; empty without classes.
        task: "tagging"; "pairing": logits (n, p, p) that two constituents of a jet belong together, the classes
            are then those of a pair; or "generation": the model takes energies (n,) and noise (n, latent), and gives
            what the representation gives of showers, without classes.
        working_points: Cuts on the score with the efficiencies measured in training.
        provenance: Where it comes from: samples with checksums, seed, fold rule, metrics. Must be writable as
            JSON.
    """

    representation: Callable[[ak.Array], Any]
    scaling: Scaling | QuantileScaling | None = None
    model: torch.nn.Module
    arguments: Mapping[str, Any]
    classes: tuple[str, ...]
    signal: str
    task: Task = "tagging"
    working_points: tuple[WorkingPoint, ...] = ()
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that the representation needs: "pt", "constituents.charge"."""
        return tuple(self.representation.fields)  # type: ignore[attr-defined]

    def prepare(self, jets: ak.Array) -> Any:
        """The model's inputs: representation, then scaling, of jets of shape (n,)."""
        inputs = self.representation(jets)
        return inputs if self.scaling is None else self.scaling(inputs)


def columns(jets: ak.Array, fields: Iterable[str]) -> ak.Array:
    """Jets (n,) with the named fields only ("pt", "constituents.charge"), without names and behaviours.

    Raises:
        ValueError: If a field is missing; names the nearest.
    """
    plain: dict[str, Any] = {}
    for field in fields:
        outer, _, inner = field.partition(".")
        column = _field(jets, outer)
        if inner:
            plain.setdefault(outer, {})[inner] = _field(column, inner, prefix=f"{outer}.")
        else:
            plain[outer] = column
    nested = {name: ak.zip(x, behavior={}) if isinstance(x, dict) else x for name, x in plain.items()}
    return ak.zip(nested, depth_limit=1, behavior={})


def lengths(jets: ak.Array) -> NDArray[np.int64]:
    """Objects in the longest collection of each jet (constituents, tracks, ...), shape (n,); 1 without collections."""
    nested = [ak.to_numpy(ak.num(jets[name])) for name in ak.fields(jets) if ak.fields(jets[name])]
    return np.max(nested, axis=0) if nested else np.ones(len(jets), np.int64)


def _field(array: ak.Array, name: str, *, prefix: str = "") -> ak.Array:
    if name not in ak.fields(array):
        near = difflib.get_close_matches(name, ak.fields(array), n=3, cutoff=0.5) or ak.fields(array)
        raise ValueError(f"jets have no field {prefix + name!r}; nearest: {', '.join(prefix + x for x in near)}")
    return array[name]


def run(model: torch.nn.Module, inputs: Iterable[NDArray[Any]], device: str | torch.device = "cpu") -> torch.Tensor:
    """Logits of prepared inputs, shape (n, classes), float32, without gradients."""
    # np.require: torch cannot wrap read-only arrays or negative strides.
    tensors = [torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device) for array in inputs]
    with torch.inference_mode():
        logits: torch.Tensor = model(*tensors)
    return logits.float()


def probabilities(logits: torch.Tensor, task: Task) -> torch.Tensor:
    """Of the classes of each jet, shape (n, classes); or of each pair to belong together, (n, p, p)."""
    if task == "pairing":
        return torch.sigmoid((logits + logits.transpose(1, 2)) / 2)
    return torch.softmax(logits, dim=-1)


class Drawn(NamedTuple):
    """What a generator makes n showers of."""

    energy: NDArray[np.float32]  # (n,) GeV
    noise: NDArray[np.float32]  # (n, latent) standard normal


def checked_logits(
    path: str, bundle: Bundle, inputs: Any, noise: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Logits of prepared inputs, after checks that representation, model and classes fit together.

    Args:
        path: Of the bundle, for messages.
        bundle: With the model.
        inputs: What `Bundle.prepare` gave.
        noise: Random numbers of a generator, shape (n, latent); its showers take the place of logits.

    Raises:
        ValueError: If names, widths or number of classes do not fit, or a logit is not finite.
    """
    made, taken = type(bundle.representation).__name__, type(bundle.model).__name__
    expected = _shape_of_logits(bundle, inputs)
    if noise is not None:
        inputs = Drawn(inputs.energy, noise)
    wanted = tuple(inspect.signature(bundle.model.forward).parameters)
    if tuple(inputs._fields) != wanted:
        raise ValueError(f"{path}: {made} gives {inputs._fields} but {taken}.forward takes {wanted}")
    shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(inputs._fields, inputs))
    try:
        logits: NDArray[np.float32] = run(bundle.model, inputs).numpy()
    except (RuntimeError, IndexError, ValueError) as error:
        raise ValueError(f"{path}: {made} gives {shapes}, which does not fit {taken}: {error}") from error
    if logits.shape != expected:
        raise ValueError(
            f"{path}: {taken} gives logits of shape {logits.shape} for {shapes}, {expected} is needed for "
            + (f"the classes {', '.join(bundle.classes)}" if bundle.classes else f"the features of {made}")
        )
    if not np.isfinite(logits).all():
        raise ValueError(f"{path}: {np.count_nonzero(~np.isfinite(logits))} of the canary's logits are not finite")
    return logits


def _shape_of_logits(bundle: Bundle, inputs: Any) -> tuple[int, ...]:
    if bundle.task == "generation":
        return tuple(inputs.features.shape)
    if bundle.task == "pairing":
        return (*inputs[0].shape[:2], inputs[0].shape[1])
    return len(inputs[0]), len(bundle.classes)


def check_classes(path: str, bundle: Bundle) -> None:
    """Two or more different classes, the signal among them; a generator has none.

    Raises:
        ValueError: If not.
    """
    if bundle.task == "generation":
        if bundle.classes:
            raise ValueError(f"{path}: a generator has no classes, got {bundle.classes}")
        return
    if len(bundle.classes) < 2 or len(set(bundle.classes)) < len(bundle.classes):
        raise ValueError(f"{path}: needs two or more different classes, got {bundle.classes}")
    if bundle.signal not in bundle.classes:
        raise ValueError(f"{path}: signal {bundle.signal!r} is none of the classes {', '.join(bundle.classes)}")
