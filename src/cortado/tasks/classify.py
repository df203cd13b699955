"""Classes of objects: a weighted cross-entropy, the area under the ROC curve, working points.

Shapes: n objects, c classes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cortado import metrics, weights
from cortado.names import choices
from cortado.tasks.checks import mask_of, require
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["Classes", "Classify", "Mask", "members", "of_sample"]

Mask = Callable[[ak.Array], Any]


class ClassTarget(NamedTuple):
    """What a network should say of n objects."""

    label: Any  # (n,) int64, index of the class


def of_sample(name: str) -> Mask:
    """Mask of the objects of a sample, for classes by file: ``classes={"tth": of_sample("tth"), ...}``.

    Args:
        name: Of the sample, in `training.Objects(samples=...)`.
    """
    return partial(_is_of_sample, name)


def _is_of_sample(name: str, objects: ak.Array) -> Any:
    if "sample" not in objects.fields:
        raise ValueError(f"of_sample({name!r}): objects have no field 'sample', required: Objects(samples=...)")
    return objects["sample"] == name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classes:
    """The outputs are logits (n, c) of classes that exclude each other.

    Attributes:
        classes: Their names, in order.
        signal: The class whose probability is the score.
    """

    classes: tuple[str, ...]
    signal: str

    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """Classes and signal."""
        return self.classes, self.signal

    def check(self, path: str) -> None:
        """Two or more different classes, the signal among them.

        Raises:
            ValueError: If not.
        """
        is_named = all(isinstance(name, str) for name in self.classes)
        if not is_named or len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"{path}: needs two or more different classes, got {self.classes}")
        if self.signal not in self.classes:
            raise ValueError(f"{path}: signal {self.signal!r} is none of the classes {', '.join(self.classes)}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, c)."""
        return len(prepared[0]), len(self.classes)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """Logits and probabilities, shape (n, c)."""
        return {"logits": outputs, "probabilities": outputs.softmax(dim=-1)}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """Probability of each class by its name, float32."""
        return dict(zip(self.classes, map(ak.Array, answers["probabilities"].numpy().T)))

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Geometric mean of the probabilities, scaled to a sum of 1, float64: the mean of all logarithmic ratios."""
        probabilities = np.array([[np.asarray(each[name], np.float64) for name in self.classes] for each in members])
        mean = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).mean(axis=0)
        shares = np.exp(mean - mean.max(axis=0))
        return ak.zip(dict(zip(self.classes, shares / shares.sum(axis=0))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classify:
    """Learn which class an object is of.

    Attributes:
        classes: Name -> function of the objects (n,) that gives the mask of its members. An object may be in one class
            or in none (then it is counted and left out), never in two.
        signal: The class whose probability is the score.
        label_smoothing: Part of each target that is spread evenly over the classes.
        working_points: Signal efficiencies at which thresholds are kept in the bundle.
        mistags: Mistag rates at which thresholds are kept in the bundle, too: 0.01 is "1% mistag".
        mistag_class: Class whose objects are mistagged there; None for all but the signal.
    """

    classes: Mapping[str, Mask]
    signal: str
    label_smoothing: float = 0.0
    working_points: tuple[float, ...] = (0.3, 0.5, 0.7)
    mistags: tuple[float, ...] = ()
    mistag_class: str | None = None

    gives: ClassVar[type] = Classes
    merits: ClassVar[Mapping[str, Merit]] = {"auc": Merit("AUC", ".4f"), "rejection": Merit("1/mistag at 50%", ".1f")}
    loss_title: ClassVar[str] = "Cross entropy"
    invertible: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(len(self.classes) >= 2, self, "classes", "two or more classes")
        require(self.signal in self.classes, self, "signal", choices(self.signal, self.classes))
        require(0 <= self.label_smoothing < 1, self, "label_smoothing", "in [0, 1)")
        for field, what in (("working_points", "signal efficiencies"), ("mistags", "mistag rates")):
            require(all(0 < rate < 1 for rate in getattr(self, field)), self, field, f"{what} in (0, 1)")
        others = [name for name in self.classes if name != self.signal]
        known = self.mistag_class is None or self.mistag_class in others
        require(known, self, "mistag_class", choices(self.mistag_class, others))

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.classes)

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """Index of the class, shape (n,).

        Raises:
            ValueError: If an object is in two classes.
        """
        return members(self.classes, objects)

    def arguments(self) -> dict[str, Any]:
        """As many outputs as classes."""
        return {"classes": len(self.classes)}

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> ClassTarget:
        """The class."""
        return ClassTarget(category)

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean weighted cross-entropy."""
        logits = networks["model"](*batch.inputs).float()
        each = cross_entropy(logits, batch.target.label, reduction="none", label_smoothing=self.label_smoothing)
        yield Move("model", (batch.weight * each).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Class, weight and logits, shape (n, 2 + c)."""
        columns = (batch.target.label[:, None], batch.weight[:, None], networks["model"](*batch.inputs).float())
        return torch.cat([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Weighted cross-entropy, AUC and rejection at a signal efficiency of 50 %."""
        label, weight, logits = rows[:, 0].long(), rows[:, 1], rows[:, 2:]
        loss = (weight * cross_entropy(logits, label, reduction="none")).sum() / weight.sum()
        signal = self.categories.index(self.signal)
        objects = (label == signal).numpy(), logits.softmax(dim=1)[:, signal].numpy()
        return {
            "loss": float(loss),
            "auc": metrics.auc(*objects, weight.numpy()).value,
            "rejection": metrics.rejection(*objects, 0.5, weight.numpy()).value,
        }

    def seen(self, outputs: Tensor, inputs: Any) -> Tensor:
        """Logarithms of the probabilities, for an adversary, shape (n, c)."""
        return outputs.log_softmax(dim=-1)

    def use(self, representation: Any, model: nn.Module) -> Classes:
        """Probabilities of the classes."""
        return Classes(classes=self.categories, signal=self.signal)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """AUC and rejection with their errors, and the working points."""
        evaluation = evaluate()
        score, is_signal = ak.to_numpy(evaluation.answers[self.signal]), evaluation.members(self.signal)
        area = metrics.auc(is_signal, score, evaluation.weight)
        rejection = metrics.rejection(is_signal, score, 0.5, evaluation.weight)
        merits = {
            "auc": area.value,
            "auc_error": _finite(area.error),
            "rejection": rejection.value,
            "rejection_error": _finite(rejection.error),
        }
        points = weights.working_points(score, is_signal, evaluation.weight, self.working_points)
        chosen = np.ones(len(score), dtype=bool)
        if self.mistag_class is not None:
            chosen = is_signal | evaluation.members(self.mistag_class)
        points += weights.working_points(
            score[chosen], is_signal[chosen], evaluation.weight[chosen], efficiencies=(), mistags=self.mistags
        )
        return Measured(merits, points)


def members(classes: Mapping[str, Mask], objects: ak.Array) -> NDArray[np.int64]:
    """Index of the class of each object, shape (n,); -1 for those in none, 0 for all where there are no classes.

    Raises:
        ValueError: If an object is in two of them.
    """
    if not classes:
        return np.zeros(len(objects), dtype=np.int64)
    inside = np.stack([mask_of(f"class {name!r}", mask, objects) for name, mask in classes.items()])
    twice = np.flatnonzero(inside.sum(axis=0) > 1)
    if len(twice):
        both = [name for name, mask in zip(classes, inside[:, twice[0]]) if mask]
        raise ValueError(
            f"{len(twice)} objects are in more than one class, the first in {' and '.join(both)}; "
            "the classes of a study must exclude each other"
        )
    return np.where(inside.any(axis=0), inside.argmax(axis=0), -1)


def _finite(value: float) -> float | None:
    """JSON has no NaN: an error that is not defined is None."""
    return value if math.isfinite(value) else None
