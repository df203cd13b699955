"""Objects reproduced by a network that knows the normal ones alone: what it cannot reproduce is strange.

Shapes: n objects, p constituents, q reproduced ones, f features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, get_args

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado import metrics
from cortado.tasks.checks import require
from cortado.tasks.classify import Mask, members
from cortado.tasks.reconstruction_losses import Loss, cell_losses, object_losses
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["NORMAL", "NormalTarget", "Reconstruct", "Reconstructed", "areas_of", "category_of", "merits_of"]

NORMAL = 0

_LEAST = 1e-12  # loss whose logarithm is taken


class NormalTarget(NamedTuple):
    """What is known of n objects."""

    category: Any  # (n,) int64: 0 for normal ones, from 1 on for the anomalies


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstructed:
    """The outputs are the first of the inputs as the network reproduces it, and how far off they are is the answer.

    Attributes:
        loss: As of `Reconstruct`.
        smearing: As of `Reconstruct`.
        particles: Number q of reproduced constituents of sets; None for arrays of one shape.
        cells: Whether to give the loss of each cell or feature, too.
    """

    loss: Loss = "squared"
    smearing: float = 0.0
    particles: int | None = None
    cells: bool = False

    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """The loss."""
        return self.loss, self.smearing

    def check(self, path: str) -> None:
        """A known loss.

        Raises:
            ValueError: If not.
        """
        if self.loss not in get_args(Loss):
            raise ValueError(f"{path}: loss must be {' or '.join(map(repr, get_args(Loss)))}, got {self.loss!r}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """That of the first input; (n, q, f) for sets."""
        shape: tuple[int, ...] = _reproduced(prepared).shape
        return shape if self.particles is None else (shape[0], self.particles, shape[2])

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """Loss of each object (n,), and what was reproduced."""
        anomaly = object_losses(self.loss, self.smearing, outputs, _reproduced(inputs), _mask(inputs))
        named = {"anomaly": anomaly, "reconstruction": outputs}
        if self.cells:
            named["cells"] = cell_losses(self.loss, self.smearing, outputs, _reproduced(inputs), _mask(inputs))
        return named

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """`anomaly` (n,), float32, the higher the stranger; with `cells`, `cell_loss` of the shape of the input."""
        columns = {"anomaly": ak.Array(answers["anomaly"].numpy())}
        if self.cells:
            columns["cell_loss"] = ak.from_regular(ak.Array(answers["cells"].numpy()), axis=None)
        return columns

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Mean loss."""
        names = ak.fields(members[0])
        return ak.zip({name: sum(one[name] for one in members) / len(members) for name in names}, depth_limit=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Learn to reproduce normal objects: the first array that the representation makes of them.

    Anomalies are never learned from. Where there are some, they say how well the loss tells them from normal objects.
    A network with the method `penalised(*inputs)`, which gives its outputs and a penalty (n,), is trained on the sum
    of the loss and the penalty: the divergence of a variational autoencoder.

    Attributes:
        loss: Sum of the squared differences ("squared"); deviance of counts from Poisson rates, whose logarithms are
            the outputs ("poisson"); or of sets the mean squared distance to the nearest ("chamfer"), both ways.
        normal: Function of the objects (n,) that gives the mask of the normal ones; None for all that are no anomaly,
            as in data without labels. Objects that are neither are left out.
        anomalies: The same of what is to be found, by name, for judging alone.
        smearing: Standard deviation [pixels] of a Gaussian by which images are smeared before the squared difference:
            a bright pixel that is reproduced beside its place is then a small error.
        noise: Standard deviation of what is added in training to the array that is to be reproduced (denoising).

    References:
        Heimel et al., QCD or What? (2019), arXiv:1808.08979.
        Farina, Nakai, Shih, Searching for New Physics with Deep Autoencoders (2018), arXiv:1808.08992.
        Finke et al., Autoencoders for unsupervised anomaly detection in high energy physics (2021), arXiv:2104.09051,
        section 4 (smearing).
    """

    loss: Loss = "squared"
    normal: Mask | None = None
    anomalies: Mapping[str, Mask] = dataclasses.field(default_factory=dict)
    smearing: float = 0.0
    noise: float = 0.0

    gives: ClassVar[type] = Reconstructed
    loss_title: ClassVar[str] = "Reconstruction loss"
    invertible: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(self.loss in get_args(Loss), self, "loss", " or ".join(map(repr, get_args(Loss))))
        require("normal" not in self.anomalies, self, "anomalies", "names other than 'normal'")
        for field in ("smearing", "noise"):
            require(0 <= getattr(self, field) < np.inf, self, field, "a number of at least 0")
        require(not self.smearing or self.loss == "squared", self, "smearing", "0 but for the loss 'squared' of images")

    @property
    def categories(self) -> tuple[str, ...]:
        """Normal objects and the anomalies."""
        return ("normal", *self.anomalies)

    @property
    def merits(self) -> Mapping[str, Merit]:
        """Area under the ROC curve of each anomaly against normal objects."""
        return {f"auc_{name}": Merit(f"AUC {name}", ".4f") for name in self.anomalies}

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """0 for normal objects, from 1 on for anomalies, -1 for neither, shape (n,).

        Raises:
            ValueError: If an object is two of these.
        """
        return category_of(self.normal, self.anomalies, objects)

    def learned(self, category: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Normal objects alone, shape (n,)."""
        normal: NDArray[np.bool_] = category == NORMAL
        return normal

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NormalTarget:
        """Which objects are normal."""
        return NormalTarget(category)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean weighted loss of the normal objects."""
        normal = batch.target.category == NORMAL
        inputs = type(batch.inputs)(*(array[normal] for array in batch.inputs))
        given = inputs
        if self.noise:
            clean = _reproduced(inputs)
            name = "features" if "features" in inputs._fields else inputs._fields[0]
            given = inputs._replace(**{name: clean + self.noise * torch.randn_like(clean)})
        outputs, penalty = _outputs(networks["model"], given)
        each = object_losses(self.loss, self.smearing, outputs, _reproduced(inputs), _mask(inputs)) + penalty
        yield Move("model", (batch.weight[normal] * each).sum() / len(batch.weight))

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Category, weight, loss with penalty, and loss without, shape (n, 4)."""
        outputs, penalty = _outputs(networks["model"], batch.inputs)
        each = object_losses(self.loss, self.smearing, outputs, _reproduced(batch.inputs), _mask(batch.inputs))
        columns = (batch.target.category, batch.weight, each + penalty, each)
        return torch.stack([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Mean weighted loss of normal objects, and AUC of each anomaly."""
        category, weight, loss, anomaly = rows.T.numpy()
        normal = category == NORMAL
        areas = areas_of(self.anomalies, category, anomaly, weight)
        named = {f"auc_{name}": area.value for name, area in areas.items()}
        return {"loss": float((weight * loss)[normal].sum() / weight[normal].sum()), **named}

    def seen(self, outputs: Tensor, inputs: Any) -> Tensor:
        """Logarithm of the loss, for an adversary, shape (n, 1)."""
        each = object_losses(self.loss, self.smearing, outputs, _reproduced(inputs), _mask(inputs))
        return each.clamp(min=_LEAST).log()[:, None]

    def use(self, representation: Any, model: nn.Module) -> Reconstructed:
        """The same loss."""
        particles = getattr(model, "particles", None) if self.loss == "chamfer" else None
        return Reconstructed(loss=self.loss, smearing=self.smearing, particles=particles)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """AUC of each anomaly with its error."""
        return merits_of(self.anomalies, evaluate())


def category_of(normal: Mask | None, anomalies: Mapping[str, Mask], objects: ak.Array) -> NDArray[np.int64]:
    """0 for normal objects, from 1 on for anomalies, -1 for neither, shape (n,).

    Args:
        normal: Mask of the normal objects; None for all that are no anomaly.
        anomalies: Masks of the others by name.
        objects: Shape (n,).
    Raises:
        ValueError: If an object is two of these.
    """
    if normal is not None:
        return members({"normal": normal, **anomalies}, objects)
    return members(anomalies, objects) + 1 if anomalies else np.zeros(len(objects), np.int64)


def areas_of(
    anomalies: Iterable[str], category: NDArray[Any], anomaly: NDArray[Any], weight: NDArray[Any]
) -> dict[str, metrics.Estimate]:
    """Area under the ROC curve of each kind of anomalies against normal objects.

    Args:
        anomalies: Names of the categories from 1 on.
        category: 0 for normal objects, shape (n,).
        anomaly: The higher the stranger, shape (n,).
        weight: Shape (n,).
    """
    areas = {}
    for index, name in enumerate(anomalies, start=1):
        chosen = (category == NORMAL) | (category == index)
        areas[name] = metrics.auc(category[chosen] == index, anomaly[chosen], weight[chosen])
    return areas


def merits_of(anomalies: Iterable[str], evaluation: Evaluation) -> Measured:
    """The same of evaluated objects, with errors, as a bundle keeps it."""
    anomaly = ak.to_numpy(evaluation.answers.anomaly)
    merits: dict[str, float | None] = {}
    for name, area in areas_of(anomalies, evaluation.category, anomaly, evaluation.weight).items():
        merits |= {f"auc_{name}": area.value, f"auc_{name}_error": area.error if np.isfinite(area.error) else None}
    return Measured(merits)


def _outputs(network: nn.Module, inputs: Any) -> tuple[Tensor, Tensor]:
    """What a network makes of its inputs, and its penalty (n,), 0 for most networks."""
    penalised: Any = getattr(network, "penalised", None)
    if penalised is not None:
        outputs, penalty = penalised(*inputs)
        return outputs.float(), penalty.float()
    outputs = network(*inputs).float()
    return outputs, outputs.new_zeros(len(outputs))


def _reproduced(inputs: Any) -> Any:
    """The array that is to be reproduced: the features where there are some, else the first."""
    return inputs.features if "features" in inputs._fields else inputs[0]


def _mask(inputs: Any) -> Any:
    return getattr(inputs, "mask", None)
