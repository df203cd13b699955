"""Numbers of objects, such as the mass of a jet: with a robust loss, with their own uncertainty, or as quantiles.

Shapes: n objects, k targets, q quantiles, o outputs of each target (1, 2 or q).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import huber_loss, softplus

from cortado import metrics
from cortado.tasks.checks import require
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["Numbers", "Regress", "regression_loss"]

Loss = Literal["huber", "gaussian"] | tuple[float, ...]

_NARROWEST = 1e-3  # width in units of the spread: a few exact targets must not pull it to zero
_MEDIAN = 0.5


class NumberTarget(NamedTuple):
    """What a network should say of n objects."""

    values: Any  # (n, k) float32: (value / relative_to - centre) / scale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers:
    """The outputs are numbers (n, k o), still centred and scaled.

    Attributes:
        names: Of the numbers.
        loss: As of `Regress`: what the outputs of each are.
        centre: Of each.
        scale: Of each.
        relative_to: Field by which answers are to be multiplied; None for none.
    """

    names: tuple[str, ...]
    loss: Loss
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    relative_to: str | None = None

    of_constituents: ClassVar[bool] = False

    @property
    def fields(self) -> tuple[str, ...]:
        """What answers are relative to."""
        return (self.relative_to,) if self.relative_to else ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """Names and kind of the numbers; centre and scale follow from the training objects."""
        return self.names, self.loss, self.relative_to

    def check(self, path: str) -> None:
        """As many different names as centres and scales.

        Raises:
            ValueError: If not.
        """
        if not self.names or not len(set(self.names)) == len(self.names) == len(self.centre) == len(self.scale):
            raise ValueError(f"{path}: one name, centre and scale is needed for each number, got {self}")
        try:
            _require_loss(self)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, k o)."""
        return len(prepared[0]), len(self.names) * _outputs(self.loss)

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """`mass`, and `mass_width` or `mass_q16`, `mass_q84`, ...: shape (n,), before `relative_to`."""
        each = torch.unflatten(outputs, 1, (len(self.names), _outputs(self.loss)))
        answers = {}
        for i, (name, centre, scale) in enumerate(zip(self.names, self.centre, self.scale)):
            for suffix, column in _named(each[:, i], self.loss).items():
                answers[name + suffix] = column * scale + (0.0 if suffix == "_width" else centre)
        return answers

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """The same in the units of the targets, float32."""
        per = _relative(objects, self.relative_to).astype(np.float32)
        return {name: ak.Array(column.numpy() * per) for name, column in answers.items()}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Means of all numbers; a width has the spread of the values added in quadrature."""
        mean = {name: np.mean([np.asarray(each[name]) for each in members], axis=0) for name in members[0].fields}
        for name in self.names:
            if f"{name}_width" in mean:
                values, widths = (np.array([each[name + suffix] for each in members]) for suffix in ("", "_width"))
                mean[f"{name}_width"] = np.sqrt((widths**2).mean(axis=0) + values.var(axis=0))
        return ak.zip(mean)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regress:
    """Learn numbers of an object.

    The network learns (target - centre) / scale, of targets that are divided by `relative_to` first. It has one output
    for each target with the loss "huber", two with "gaussian" (value and width), else one a quantile.

    Attributes:
        targets: Name of a number -> field of the objects with its true value: {"mass": "true_mass"}.
        loss: "huber": quadratic below one spread, linear above; "gaussian": negative logarithm of a likelihood with a
            width of its own for each object, which wants `gradient_clip=1.0` of the recipe, as first widths may be far
            too small; quantiles, such as (0.16, 0.5, 0.84), the median among them: pinball loss.
        relative_to: Field by which targets are divided before they are learned, "pt"; answers are multiplied by it.
        centre: Of the targets, one each; None takes the mean of the training objects.
        scale: Likewise; None takes the standard deviation.

    References:
        Huber, Robust estimation of a location parameter (1964), doi:10.1214/aoms/1177703732.
        Nix, Weigend, Estimating the mean and variance of the target probability distribution (1994),
        doi:10.1109/ICNN.1994.374138.
        Koenker, Bassett, Regression quantiles (1978), doi:10.2307/1913643.
    """

    targets: Mapping[str, str]
    loss: Loss = "huber"
    relative_to: str | None = None
    centre: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None

    gives: ClassVar[type] = Numbers
    invertible: ClassVar[bool] = False
    categories: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        is_named = isinstance(self.targets, Mapping) and len(self.targets) > 0
        require(is_named, self, "targets", 'at least one target, {"mass": "true_mass"}')
        _require_loss(self)
        columns = [name + suffix for name in self.targets for suffix in _suffixes(self.loss)]
        require(len(set(columns)) == len(columns), self, "targets", f"names whose columns differ, they are {columns}")
        for field in ("centre", "scale"):
            given = getattr(self, field)
            require(given is None or len(given) == len(self.targets), self, field, "None or one number for each target")
        require(self.scale is None or min(self.scale) > 0, self, "scale", "positive numbers")

    @property
    def merits(self) -> Mapping[str, Merit]:
        """Bias and resolution of each target, and how well its uncertainty is known."""
        kinds = {"bias": ".4f", "resolution": ".4f"} | _uncertainty_merit(self.loss)
        return {
            self._key(target, kind): Merit(self._key(target, kind).replace("_", " "), form)
            for target in self.targets
            for kind, form in kinds.items()
        }

    @property
    def loss_title(self) -> str:
        """Name of the loss."""
        if isinstance(self.loss, tuple):
            return "Pinball loss"
        return {"huber": "Huber loss", "gaussian": "Negative log-likelihood"}[self.loss]

    @property
    def fields(self) -> tuple[str, ...]:
        """The truth, and what it is relative to."""
        return (*self.targets.values(), *([self.relative_to] if self.relative_to else []))

    def arguments(self) -> dict[str, Any]:
        """The number of outputs, which networks call classes."""
        return {"classes": len(self.targets) * _outputs(self.loss)}

    def sums(self, objects: ak.Array, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of the weights, of weight times target and of weight times its square, shape (3, k)."""
        values = self._values(objects)
        return np.stack([weight @ values**power for power in range(3)])

    def fitted(self, sums: NDArray[np.float64]) -> Regress:
        """With centre and scale.

        Raises:
            ValueError: If a target is the same number for all training objects.
        """
        mean, square = sums[1:] / sums[0]
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        if (same := spread <= 1e-6 * np.abs(mean)).any() and self.scale is None:
            names = ", ".join(np.asarray(list(self.targets))[same])
            raise ValueError(f"{names}: the same for all training objects ({mean[same][0]:g}): nothing can be learned")
        centre, scale = tuple(mean.tolist()), tuple(spread.tolist())
        return dataclasses.replace(self, centre=self.centre or centre, scale=self.scale or scale)

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> NumberTarget:
        """Standardised targets."""
        values = (self._values(objects) - np.array(self.centre)) / np.array(self.scale)
        return NumberTarget(values.astype(np.float32))

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Mean weighted loss, of all targets together."""
        loss = regression_loss(networks["model"](*batch.inputs).float(), batch.target.values, self.loss)
        yield Move("model", (batch.weight * loss).mean())

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Loss, weight, targets and outputs, shape (n, 2 + k + k o)."""
        outputs, values = networks["model"](*batch.inputs).float(), batch.target.values
        loss = regression_loss(outputs, values, self.loss)
        columns = (loss[:, None], batch.weight[:, None], values, outputs)
        return torch.cat([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Mean weighted loss, and the merits of each target in its own units, or in those of `relative_to`."""
        k = len(self.targets)
        loss, weight = rows[:, 0], rows[:, 1].numpy()
        values, outputs = rows[:, 2 : 2 + k].numpy(), rows[:, 2 + k :].reshape(len(rows), k, -1)
        merits = {"loss": float((loss * rows[:, 1]).sum() / rows[:, 1].sum())}
        for i, (target, scale) in enumerate(zip(self.targets, self.scale or ())):
            given = _named(outputs[:, i], self.loss)
            columns = {name: scale * column.numpy() for name, column in given.items()}
            for kind, estimate in _merits(columns, scale * values[:, i], weight).items():
                merits[self._key(target, kind)] = estimate.value
        return merits

    def use(self, representation: Any, model: nn.Module) -> Numbers:
        """Numbers in their own units; before `fitted`, in those of the network."""
        return Numbers(
            names=tuple(self.targets),
            loss=self.loss,
            centre=self.centre or (0.0,) * len(self.targets),
            scale=self.scale or (1.0,) * len(self.targets),
            relative_to=self.relative_to,
        )

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """The merits with their errors."""
        evaluation, merits = evaluate(), dict[str, float | None]()
        per = _relative(evaluation.objects, self.relative_to)
        for target, field in self.targets.items():
            columns = {
                suffix: ak.to_numpy(evaluation.answers[target + suffix]) / per for suffix in _suffixes(self.loss)
            }
            truth = ak.to_numpy(evaluation.objects[field]) / per
            for kind, estimate in _merits(columns, truth, evaluation.weight).items():
                key = self._key(target, kind)
                merits |= {key: estimate.value, f"{key}_error": estimate.error}
        return Measured(merits)

    def _values(self, objects: ak.Array) -> NDArray[np.float64]:
        """Targets over what they are relative to, shape (n, k)."""
        columns = [ak.to_numpy(objects[field]).astype(np.float64) for field in self.targets.values()]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.stack(columns, axis=1) / _relative(objects, self.relative_to)[:, None]
        if bad := int(np.sum(~np.isfinite(values))):
            raise ValueError(
                f"{bad} of {values.size} targets are not finite over {self.relative_to}; deselect such objects"
            )
        return values

    def _key(self, target: str, kind: str) -> str:
        return kind if len(self.targets) == 1 else f"{target}_{kind}"


def regression_loss(outputs: Tensor, values: Tensor, loss: Loss) -> Tensor:
    """Loss of each object, the mean over its targets, shape (n,).

    Args:
        outputs: Shape (n, k o).
        values: Standardised targets, shape (n, k).
        loss: As of `Regress`.
    """
    each = torch.unflatten(outputs, 1, (values.shape[1], _outputs(loss)))
    if loss == "huber":
        return huber_loss(each[..., 0], values, reduction="none").mean(1)
    if loss == "gaussian":
        width = _width(each[..., 1])
        return (((values - each[..., 0]) / width).square() / 2 + width.log()).mean(1)
    above = values.unsqueeze(-1) - each
    level = torch.tensor(loss, dtype=each.dtype, device=each.device)
    return torch.maximum(level * above, (level - 1) * above).mean((1, 2))


def _named(outputs: Tensor, loss: Loss) -> Answers:
    """Outputs (n, o) of one target by the suffix of their column: "", "_width", "_q84"."""
    if loss == "huber":
        return {"": outputs[:, 0]}
    if loss == "gaussian":
        return {"": outputs[:, 0], "_width": _width(outputs[:, 1])}
    # Quantiles that cross are put in order: Chernozhukov et al. (2010), doi:10.3982/ECTA7880.
    return dict(zip(_suffixes(loss), outputs.sort(dim=1).values.unbind(1)))


def _width(output: Tensor) -> Tensor:
    """A positive number that grows with the output no faster than it: an exponential makes trainings diverge."""
    return _NARROWEST + softplus(output)


def _suffixes(loss: Loss) -> tuple[str, ...]:
    if isinstance(loss, tuple):
        return tuple("" if level == _MEDIAN else f"_q{100 * level:g}".replace(".", "p") for level in loss)
    return ("",) if loss == "huber" else ("", "_width")


def _outputs(loss: Loss) -> int:
    return len(_suffixes(loss))


def _uncertainty_merit(loss: Loss) -> dict[str, str]:
    if isinstance(loss, tuple):
        return {"coverage": ".4f"}
    return {"pull": ".3f"} if loss == "gaussian" else {}


def _merits(
    columns: Mapping[str, NDArray[Any]], truth: NDArray[Any], weight: NDArray[Any]
) -> dict[str, metrics.Estimate]:
    """Bias, resolution, and width of the pulls or coverage of the outermost quantiles."""
    difference = columns[""] - truth
    bias, resolution = metrics.residuals(difference, weight)
    merits = {"bias": bias, "resolution": resolution}
    if "_width" in columns:
        merits["pull"] = metrics.residuals(difference / columns["_width"], weight).resolution
    elif len(columns) > 1:
        lowest, highest = (list(columns.values())[place] for place in (0, -1))
        merits["coverage"] = metrics.coverage((lowest <= truth) & (truth <= highest), weight)
    return merits


def _relative(objects: ak.Array, field: str | None) -> NDArray[np.float64]:
    return np.ones(len(objects)) if field is None else ak.to_numpy(objects[field]).astype(np.float64)


def _require_loss(owner: Any) -> None:
    loss = owner.loss
    is_quantiles = isinstance(loss, tuple) and _MEDIAN in loss and list(loss) == sorted(set(loss))
    in_range = is_quantiles and all(0 < level < 1 and math.isfinite(level) for level in loss)
    required = '"huber", "gaussian" or rising quantiles in (0, 1) with the median, such as (0.16, 0.5, 0.84)'
    require(loss in ("huber", "gaussian") or in_range, owner, "loss", required)
