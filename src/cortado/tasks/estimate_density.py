"""Density of a few numbers of an object, given others: to be evaluated, and to sample objects that look like the real.

Shapes: n objects, f features.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["Density", "EstimateDensity"]


class NoTarget(NamedTuple):
    """The density is of what is shown: nothing else is to be learned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Density:
    """The output is the logarithm of a density (n,), whose features may have been scaled.

    Attributes:
        log_scale: Sum of the logarithms of the factors of the scaling, which are part of the density.
    """

    log_scale: float = 0.0

    of_constituents: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """The same for all: the scaling of a training is taken out."""
        return ()

    def scaled(self, scaling: Any) -> Density:
        """The same for features that a `Scaling` standardises; None leaves them as they are."""
        factors = () if scaling is None else scaling.scale
        return dataclasses.replace(self, log_scale=float(np.log(factors).sum()))

    def check(self, path: str) -> None:
        """A number.

        Raises:
            ValueError: If not.
        """
        if not math.isfinite(self.log_scale):
            raise ValueError(f"{path}: log_scale must be a number, got {self.log_scale!r}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n,)."""
        return (len(prepared[0]),)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """Logarithm of the density (n,) of the features in their own units."""
        return {"log_probability": outputs + self.log_scale}

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """`log_probability`, float32."""
        return {"log_probability": ak.Array(answers["log_probability"].numpy())}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Logarithm of the mean density, float64."""
        every = np.array([np.asarray(each.log_probability, np.float64) for each in members])
        return ak.zip({"log_probability": np.logaddexp.reduce(every, axis=0) - np.log(len(every))})


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimateDensity:
    """Learn the density of features given a condition: representation `ConditionalColumns`, model `ConditionalFlow`.

    The loss is minus the logarithm of the likelihood of the standardised features. `scoring.EventSampler` evaluates the
    density and samples events.

    References:
        Hallin et al., Classifying anomalies through outer density estimation (2021), arXiv:2109.00546.
    """

    gives: ClassVar[type] = Density
    merits: ClassVar[Mapping[str, Merit]] = {}
    loss_title: ClassVar[str] = "Negative log-likelihood"
    invertible: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ()
    categories: ClassVar[tuple[str, ...]] = ()

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NoTarget:
        """Nothing."""
        return NoTarget()

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Minus the mean weighted log-likelihood."""
        yield Move("model", -(batch.weight * networks["model"](*batch.inputs).float()).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Log-likelihood and weight, shape (n, 2)."""
        return torch.stack([networks["model"](*batch.inputs).double(), batch.weight.double()], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Minus the mean weighted log-likelihood."""
        logarithm, weight = rows.T
        return {"loss": -float((logarithm * weight).sum() / weight.sum())}

    def use(self, representation: Any, model: nn.Module) -> Density:
        """The density, before any scaling."""
        return Density()

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Nothing but the loss, which the training knows."""
        return Measured({})
