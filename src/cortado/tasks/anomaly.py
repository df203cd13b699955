"""Strange objects: one number for each, higher for what is less like the normal ones.

Shapes: n objects.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado import metrics
from cortado.tasks.checks import require
from cortado.tasks.classify import Mask, members
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Rival

__all__ = ["Anomaly", "FindAnomalies"]

_NORMAL = "normal"


class AnomalyTarget(NamedTuple):
    """What is known of n objects."""

    label: Any  # (n,) int64: 0 for the normal ones, which are learned; the others only judge


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anomaly:
    """The output is a number (n,): the higher, the stranger an object."""

    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """The same for all."""
        return ()

    def check(self, path: str) -> None:
        """Nothing to check."""

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n,)."""
        return (len(prepared[0]),)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """The anomaly, shape (n,)."""
        return {"anomaly": outputs}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """`anomaly`, float32."""
        return {"anomaly": ak.Array(answers["anomaly"].numpy())}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Mean of the anomalies, float64."""
        return ak.zip({"anomaly": np.mean([np.asarray(each.anomaly, np.float64) for each in members], axis=0)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class FindAnomalies:
    """Learn what objects are like, such that others stand out: without labels, or from the normal objects alone.

    The inner task of `Fit`: nothing here can be learned by gradient steps.

    Attributes:
        normal: Objects (n,) -> mask of those that are learned; None takes all that are in no class of anomalies, which
            is the way of data without labels.
        anomalies: Name -> mask of objects that are never learned, but tell how well they stand out.
    """

    normal: Mask | None = None
    anomalies: Mapping[str, Mask] = dataclasses.field(default_factory=dict)

    gives: ClassVar[type] = Anomaly
    loss_title: ClassVar[str] = "Mean anomaly of normal objects"
    invertible: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        require(_NORMAL not in self.anomalies, self, "anomalies", f"other names than {_NORMAL!r}")

    @property
    def merits(self) -> Mapping[str, Merit]:
        """The AUC of anomalies against normal objects, where there are some."""
        return {"auc": Merit("AUC", ".4f")} if self.anomalies else {}

    @property
    def categories(self) -> tuple[str, ...]:
        """ "normal" and the anomalies."""
        return (_NORMAL, *self.anomalies)

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """0 for normal objects, then the anomalies; -1 for those that are neither.

        Raises:
            ValueError: If an object is in two of them.
        """
        if self.normal is not None:
            return members({_NORMAL: self.normal, **self.anomalies}, objects)
        return members(self.anomalies, objects) + 1 if self.anomalies else np.zeros(len(objects), np.int64)

    def arguments(self) -> dict[str, Any]:
        """None."""
        return {}

    def rivals(self) -> Mapping[str, Rival]:
        """None."""
        return {}

    def sums(self, objects: ak.Array, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Nothing."""
        return np.zeros(0)

    def fitted(self, sums: NDArray[np.float64]) -> "FindAnomalies":
        """The same."""
        return self

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> AnomalyTarget:
        """Whether an object is normal."""
        return AnomalyTarget(category)

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Label, weight and anomaly, shape (n, 3)."""
        columns = (batch.target.label, batch.weight, networks["model"](*batch.inputs))
        return torch.stack([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Weighted mean of the anomaly of normal objects, and the AUC."""
        label, weight, anomaly = rows.numpy().T
        loss = float(np.average(anomaly[label == 0], weights=weight[label == 0]))
        merits = {"auc": metrics.auc(label > 0, anomaly, weight).value} if self.anomalies else {}
        return {"loss": loss, **merits}

    def use(self, representation: Any, model: nn.Module) -> Anomaly:
        """The anomaly."""
        return Anomaly()

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """The AUC with its error, of all anomalies and of each kind."""
        if not self.anomalies:
            return Measured({})
        evaluation = evaluate()
        anomaly, normal = ak.to_numpy(evaluation.answers.anomaly), evaluation.category == 0
        kinds = {"": ~normal} | {f"_{name}": evaluation.members(name) for name in self.anomalies}
        merits: dict[str, float | None] = {}
        for kind, strange in kinds.items():
            chosen = normal | strange
            area = metrics.auc(strange[chosen], anomaly[chosen], evaluation.weight[chosen])
            error = area.error if math.isfinite(area.error) else None
            merits |= {f"auc{kind}": area.value, f"auc{kind}_error": error}
        return Measured(merits)
