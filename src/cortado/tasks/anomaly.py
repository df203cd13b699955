"""Strange objects: one number for each, higher for what is less like the normal ones.

Shapes: n objects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado.tasks.checks import require
from cortado.tasks.classify import Mask
from cortado.tasks.reconstruct import NORMAL, NormalTarget, areas_of, category_of, merits_of
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit

__all__ = ["Anomaly", "FindAnomalies"]


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
        require("normal" not in self.anomalies, self, "anomalies", "other names than 'normal'")

    @property
    def merits(self) -> Mapping[str, Merit]:
        """Area under the ROC curve of each anomaly against normal objects."""
        return {f"auc_{name}": Merit(f"AUC {name}", ".4f") for name in self.anomalies}

    @property
    def categories(self) -> tuple[str, ...]:
        """ "normal" and the anomalies."""
        return ("normal", *self.anomalies)

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """0 for normal objects, then the anomalies; -1 for those that are neither.

        Raises:
            ValueError: If an object is in two of them.
        """
        return category_of(self.normal, self.anomalies, objects)

    def learned(self, category: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Normal objects alone, shape (n,)."""
        normal: NDArray[np.bool_] = category == NORMAL
        return normal

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NormalTarget:
        """Whether an object is normal."""
        return NormalTarget(category)

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Category, weight and anomaly, shape (n, 3)."""
        columns = (batch.target.category, batch.weight, networks["model"](*batch.inputs))
        return torch.stack([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Mean weighted anomaly of normal objects, and AUC of each anomaly."""
        category, weight, anomaly = rows.T.numpy()
        normal = category == NORMAL
        areas = areas_of(self.anomalies, category, anomaly, weight)
        named = {f"auc_{name}": area.value for name, area in areas.items()}
        return {"loss": float(np.average(anomaly[normal], weights=weight[normal])), **named}

    def use(self, representation: Any, model: nn.Module) -> Anomaly:
        """The anomaly."""
        return Anomaly()

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """AUC of each anomaly with its error."""
        return merits_of(self.anomalies, evaluate()) if self.anomalies else Measured({})
