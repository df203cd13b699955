"""A task learned such that an adversary cannot read something off the network: the mass of a jet, or where it is from.

Shapes: n objects, g groups that the adversary tries to tell apart.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cortado.names import choices, nearest
from cortado.tasks import optional
from cortado.tasks.checks import mask_of, require
from cortado.tasks.classify import Mask
from cortado.tasks.task import Batch, Evaluation, Measured, Merit, Move, Rival, Task

__all__ = ["Decorrelate"]

_UNLABELLED = "unlabelled"
_NOT_SEEN = -1


class PivotTarget(NamedTuple):
    """What the inner task wants to be said, and what the adversary should find out."""

    inner: Any  # target of the inner task; of unlabelled objects it means nothing
    labelled: Any  # (n,) bool
    group: Any  # (n,) int64, -1 for objects that the adversary does not see


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decorrelate:
    """Learn a task while an adversary learns to tell groups of objects apart by what the network says of them.

    The network is trained on the loss of the inner task minus `strength` times the cross-entropy of the adversary,
    which is gradient reversal. Two uses:

    * decorrelation: with `field` and `bins` the groups are bins of a field, such as the jet mass, so that a cut on the
      score does not sculpt its spectrum;
    * domain adaptation: with `unlabelled` the groups are the labelled objects (simulation) and further ones without
      labels (data), so that the network builds on what is the same in both. The adversary then mostly sees a hidden
      layer.

    The validation loss is that of the inner task plus `strength` times the information that the adversary has.

    Attributes:
        task: What is learned, such as `Classify`: a task without rivals of its own.
        adversary: `functools.partial(MLP, hidden=(64, 64))`: a network (n, features) -> logits (n, classes). `classes`
            is set to the number of groups, and `features` to that of the classes where it sees the outputs of
            `Classify`; else it must be given.
        strength: Of the adversary's cross-entropy in the loss of the network.
        field: Of the objects, "mass"; read from the file in training alone.
        bins: Edges of its bins; objects outside of them are not shown to the adversary.
        only: Categories of the inner task that the adversary sees: ("qcd",) where the background alone must not be
            sculpted. All if empty.
        unlabelled: Objects (n,) -> mask of those without labels, which belong to no category of the inner task.
        layer: Name of the part of the network whose output the adversary sees, "trunk.2"; None for the outputs: log
            probabilities of `Classify`, the logarithm of the loss of `Reconstruct`.
        adversary_rate: Learning rate of the adversary, over that of the recipe.
        adversary_steps: Steps of the adversary for each of the network.

    References:
        Ganin et al., Domain-Adversarial Training of Neural Networks (2016), arXiv:1505.07818, equation 1.
        Louppe, Kagan, Cranmer, Learning to Pivot with Adversarial Networks (2016), arXiv:1611.01046, algorithm 1.
        Shimmin et al., Decorrelated Jet Substructure Tagging using Adversarial Neural Networks (2017),
        arXiv:1703.03507: bins of the mass.
    """

    task: Task
    adversary: functools.partial[Any]
    strength: float = 1.0
    field: str | None = None
    bins: tuple[float, ...] = ()
    only: tuple[str, ...] = ()
    unlabelled: Mask | None = None
    layer: str | None = None
    adversary_rate: float = 1.0
    adversary_steps: int = 1

    def __post_init__(self) -> None:
        is_partial = isinstance(self.adversary, functools.partial) and not self.adversary.args
        require(is_partial, self, "adversary", "functools.partial(Network, **arguments)")
        require(0 <= self.strength < np.inf, self, "strength", "a number of at least 0")
        require((self.field is None) != (self.unlabelled is None), self, "field", "a name, or None with `unlabelled`")
        edges = np.asarray(self.bins, dtype=float)
        rising = edges.ndim == 1 and len(edges) >= 3 and bool((np.diff(edges) > 0).all())
        required = "three or more increasing edges" if self.field is not None else "() with `unlabelled`"
        require(rising if self.field is not None else not self.bins, self, "bins", required)
        require(not isinstance(self.only, str), self, "only", "a tuple of names, not one string")
        for name in self.only:
            require(name in self.task.categories, self, "only", choices(name, self.task.categories))
        require(not optional.rivals(self.task), self, "task", "a task of one network")
        labelled = self.unlabelled is None or bool(self.task.categories)
        require(labelled, self, "task", "a task with categories where there are unlabelled objects")
        seen = self._seen_features()
        given = "features" in self.adversary.keywords or seen is not None
        require(given, self, "adversary", "partial(Network, features=...): how many numbers it sees")
        require(self.adversary_rate > 0, self, "adversary_rate", "a positive number")
        require(self.adversary_steps >= 1, self, "adversary_steps", "at least 1")

    invertible: ClassVar[bool] = False

    def rivals(self) -> Mapping[str, Rival]:
        """The adversary, for the groups."""
        seen = self._seen_features()
        features = {} if seen is None else {"features": seen}
        keywords = {**features, **self.adversary.keywords, "classes": self._groups}
        return {"adversary": Rival(functools.partial(self.adversary.func, **keywords), self.adversary_rate)}

    @property
    def _groups(self) -> int:
        return 2 if self.field is None else len(self.bins) - 1

    def _seen_features(self) -> int | None:
        """Numbers that the adversary sees of each object, where this is known without the network."""
        classes: int | None = optional.arguments(self.task).get("classes")
        return classes if self.layer is None else None

    @property
    def gives(self) -> type:
        """Class of the use of the inner task."""
        return self.task.gives

    @property
    def merits(self) -> Mapping[str, Merit]:
        """Those of the inner task, and what the adversary knows: a lower bound of the mutual information [nats]."""
        of = self.field or "the domain"
        return {**self.task.merits, "information": Merit(f"nats of {of}", ".4f")}

    @property
    def loss_title(self) -> str:
        """Both parts."""
        return f"{self.task.loss_title}, and what the adversary knows"

    @property
    def fields(self) -> tuple[str, ...]:
        """Those of the inner task, and the one that is hidden."""
        return (*self.task.fields, *(() if self.field is None else (self.field,)))

    @property
    def categories(self) -> tuple[str, ...]:
        """Those of the inner task, and "unlabelled" where there are such objects."""
        return (*self.task.categories, *(() if self.unlabelled is None else (_UNLABELLED,)))

    def category(self, objects: ak.Array) -> NDArray[np.int64]:
        """As the inner task; after its categories that of unlabelled objects.

        Raises:
            ValueError: If an object is in two categories.
        """
        inner = optional.category(self.task, objects)
        if self.unlabelled is None:
            return inner
        without = mask_of("unlabelled", self.unlabelled, objects)
        if (both := without & (inner >= 0)).any():
            name = self.task.categories[inner[both][0]]
            raise ValueError(f"{both.sum()} objects are unlabelled, but also in a category, the first in {name}")
        return np.where(without, len(self.task.categories), inner)

    def learned(self, category: NDArray[np.int64]) -> NDArray[np.bool_]:
        """As the inner task; of unlabelled objects, too."""
        number = len(self.task.categories)
        unlabelled = np.zeros(len(category), bool) if self.unlabelled is None else category == number
        return unlabelled | optional.learned(self.task, np.where(unlabelled, _NOT_SEEN, category))

    def arguments(self) -> dict[str, Any]:
        """As the inner task."""
        return optional.arguments(self.task)

    def sums(self, objects: ak.Array, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """As the inner task."""
        return optional.sums(self.task, objects, weight)

    def fitted(self, sums: NDArray[np.float64]) -> Decorrelate:
        """With the inner task fitted."""
        return dataclasses.replace(self, task=optional.fitted(self.task, sums))

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> PivotTarget:
        """The target of the inner task, and the group."""
        number = len(self.task.categories)
        labelled = np.ones(len(objects), bool) if self.unlabelled is None else category < number
        if self.field is None:
            group = np.where(labelled, 0, 1)
        else:
            place = np.searchsorted(self.bins, ak.to_numpy(objects[self.field]), side="right") - 1
            group = np.where(place < self._groups, place, _NOT_SEEN)
        seen = [*map(self.task.categories.index, self.only), number]
        group = np.where(np.isin(category, seen), group, _NOT_SEEN) if self.only else group
        inner = self.task.target(objects, np.where(labelled, category, 0), inputs)
        return PivotTarget(inner, labelled, group.astype(np.int64))

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """Steps of the adversary, then one of the network against it."""
        for _ in range(self.adversary_steps):
            with torch.no_grad():
                seen = self._seen(networks["model"], batch.inputs)
            yield Move("adversary", self._cross_entropy(networks["adversary"], seen, batch).mean())
        given = self._inner(batch)
        for move in self.task.moves(networks, given):
            seen = self._seen(networks["model"], batch.inputs)
            against = self._cross_entropy(networks["adversary"], seen, batch).mean()
            yield Move("model", move.loss - self.strength * against)

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """Whether labelled, group, weight, cross-entropy of the adversary, and the rows of the inner task."""
        target = batch.target
        each = self._cross_entropy(networks["adversary"], self._seen(networks["model"], batch.inputs), batch)
        columns = (target.labelled, target.group, batch.weight, each)
        own = torch.stack([column.double() for column in columns], dim=1)
        return torch.cat([own, self.task.rows(networks, self._inner(batch)).double()], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """As the inner task, and the information: entropy of the groups minus the cross-entropy of the adversary."""
        labelled, group, weight, each = rows[:, :4].T
        inner = self.task.judged(rows[labelled == 1, 4:])
        seen = group >= 0
        shares = torch.bincount(group[seen].long(), weight[seen], self._groups) / weight[seen].sum()
        entropy = -torch.xlogy(shares, shares).sum()
        information = float(entropy - each.sum() / weight[seen].sum()) if seen.any() else 0.0
        loss = inner["loss"] + self.strength * max(information, 0.0)
        return {**inner, "loss": loss, "information": information}

    def use(self, representation: Any, model: nn.Module) -> Any:
        """That of the inner task: the adversary does not travel."""
        return self.task.use(representation, model)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """As the inner task, of the labelled objects."""
        return self.task.measured(lambda: _labelled(evaluate(), self.task.categories))

    def _inner(self, batch: Batch) -> Batch:
        """The batch of the inner task, in which unlabelled objects have no weight."""
        return Batch(batch.inputs, batch.target.inner, batch.weight * batch.target.labelled)

    def _seen(self, model: nn.Module, inputs: Any) -> Tensor:
        """What the adversary sees of each object, shape (n, features).

        Raises:
            ValueError: If the network has no such layer, or it gives no row for each object; names the nearest.
        """
        if self.layer is None:
            return optional.seen(self.task, model(*inputs).float(), inputs)
        parts = dict(model.named_modules())
        if self.layer not in parts:
            hint = nearest(self.layer, filter(None, parts))
            raise ValueError(f"Decorrelate: {type(model).__name__} has no layer {self.layer!r}; {hint}")
        caught: list[Tensor] = []
        listening = parts[self.layer].register_forward_hook(lambda module, given, output: caught.append(output))
        try:
            model(*inputs)
        finally:
            listening.remove()
        if not caught or len(caught[-1]) != len(inputs[0]):
            shapes = [tuple(each.shape) for each in caught]
            raise ValueError(
                f"Decorrelate: layer {self.layer!r} gives {shapes} for {len(inputs[0])} objects: no row each"
            )
        return caught[-1].float().flatten(1)

    def _cross_entropy(self, adversary: nn.Module, seen: Tensor, batch: Batch) -> Tensor:
        """Weighted cross-entropy of each object, shape (n,); 0 for those that the adversary does not see."""
        group = batch.target.group
        each = cross_entropy(adversary(seen).float(), group, reduction="none", ignore_index=_NOT_SEEN)
        return batch.weight * each


def _labelled(evaluation: Evaluation, categories: tuple[str, ...]) -> Evaluation:
    """The objects of the categories of the inner task, all if it has none."""
    if not categories:
        return evaluation
    kept = evaluation.category < len(categories)
    return Evaluation(
        answers=evaluation.answers[kept],
        objects=evaluation.objects[kept],
        category=evaluation.category[kept],
        weight=evaluation.weight[kept],
        categories=categories,
    )
