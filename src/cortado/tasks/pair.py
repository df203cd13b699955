"""Constituents that belong together, such as tracks of one vertex: networks on pairs.

Shapes: n objects, p constituents of the object with most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from cortado import metrics
from cortado.names import choices
from cortado.reconstruction.partition import components
from cortado.tasks.checks import require
from cortado.tasks.classify import Mask, members
from cortado.tasks.task import Answers, Batch, Columns, Evaluation, Measured, Merit, Move

__all__ = ["NO_PARTITION", "Pair", "Pairs", "pair_loss", "total_loss"]

NO_PARTITION = -1


class PairTarget(NamedTuple):
    """What a network should say of n objects."""

    partition: Any  # (n, p) int64: constituents with the same number belong together; NO_PARTITION where there is none
    shown: Any  # (n,) bool: whether figures of merit count the object


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """The outputs are logits (n, p, p) that two constituents belong together.

    Attributes:
        collection: Field of the objects that is put together, "tracks".
        threshold: Probability above which a pair is joined.
        matrix: Whether the columns have the probabilities of all pairs, too.
    """

    collection: str
    threshold: float = 0.5
    matrix: bool = False

    of_constituents: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def meaning(self) -> tuple[Any, ...]:
        """What is put together."""
        return (self.collection,)

    def check(self, path: str) -> None:
        """A field, and a threshold between 0 and 1.

        Raises:
            ValueError: If not.
        """
        if not isinstance(self.collection, str):
            raise ValueError(f"{path}: collection must be a field such as 'tracks', got {self.collection!r}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"{path}: threshold must be a probability in (0, 1), got {self.threshold}")

    def inputs(self, prepared: Any, rng: np.random.Generator) -> Any:
        """What was prepared."""
        return prepared

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """(n, p, p)."""
        n, p = prepared.mask.shape
        return n, p, p

    def answers(self, outputs: Tensor, inputs: Any) -> Answers:
        """Logits, and probabilities of pairs in any order, with ones on the diagonal: (n, p, p), 0 where padded."""
        there, place = inputs.mask, torch.arange(inputs.mask.shape[1], device=outputs.device)
        both, same = there.unsqueeze(1) & there.unsqueeze(2), place.unsqueeze(0) == place.unsqueeze(1)
        probability = torch.sigmoid((outputs + outputs.transpose(1, 2)) / 2)
        return {
            "logits": torch.where(both & ~same, outputs, 0.0),
            "probabilities": torch.where(both, torch.where(same, 1.0, probability), 0.0),
        }

    def columns(self, answers: Answers, objects: ak.Array) -> Columns:
        """Number of its group for each constituent, (n, var) int32; with `matrix` also the probabilities (n, var, var).

        Pairs above the threshold are joined, and what they join; a constituent alone has a number of its own.
        """
        counts = ak.to_numpy(ak.num(objects[self.collection]))
        pairs = answers["probabilities"].numpy()
        inside = np.arange(pairs.shape[1]) < counts[:, None]
        partition = ak.unflatten(components(pairs, inside, self.threshold)[inside], counts)
        if not self.matrix:
            return {"partition": partition}
        known = pairs[inside[:, :, None] & inside[:, None, :]]
        rows = ak.unflatten(known, np.repeat(counts, counts))
        return {"partition": partition, "probabilities": ak.unflatten(rows, counts)}

    def combined(self, members: Sequence[ak.Array]) -> ak.Array:
        """Not defined.

        Raises:
            ValueError: Always.
        """
        raise ValueError("partitions of several trainings cannot be averaged: use one bundle, or folds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Learn which constituents of an object belong together; the network gives logits of pairs (n, p, p).

    The loss is the mean binary cross-entropy of ordered pairs minus their soft F1, over a batch.

    Attributes:
        partition: Field of the constituents, "tracks.vertex_index": those of an object with the same number belong
            together; negative where nothing is known.
        classes: As of `Classify`: objects that `Balance` makes alike; those in none are left out. Without classes all
            are used.
        shown: The class whose figures of merit are shown; None for those of all.
        threshold: Probability above which a bundle joins two constituents.

    References:
        Shlomi et al., Secondary vertex finding in jets with neural networks (2020), arXiv:2008.02831.
    """

    partition: str = "tracks.vertex_index"
    classes: Mapping[str, Mask] = dataclasses.field(default_factory=dict)
    shown: str | None = None
    threshold: float = 0.5

    gives: ClassVar[type] = Pairs
    merits: ClassVar[Mapping[str, Merit]] = {"f1": Merit("F1", ".4f"), "ari": Merit("ARI", ".4f")}
    loss_title: ClassVar[str] = "Cross entropy minus F1"
    invertible: ClassVar[bool] = False

    def __post_init__(self) -> None:
        is_nested = len(self.partition.split(".")) == 2
        require(is_nested, self, "partition", 'a field of constituents, such as "tracks.vertex_index"')
        known = self.shown is None or self.shown in self.classes
        require(known, self, "shown", choices(self.shown, (None, *self.classes)))
        require(0 < self.threshold < 1, self, "threshold", "a probability in (0, 1)")

    @property
    def fields(self) -> tuple[str, ...]:
        """The truth."""
        return (self.partition,)

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

    def target(self, objects: ak.Array, category: NDArray[np.int64], inputs: Any) -> PairTarget:
        """The partition, padded as the inputs are."""
        known = ak.pad_none(_column(objects, self.partition), inputs.mask.shape[1], clip=True)
        partition = ak.to_numpy(ak.fill_none(known, NO_PARTITION), allow_missing=False).astype(np.int64)
        return PairTarget(partition, self._is_shown(category))

    def moves(self, networks: Mapping[str, nn.Module], batch: Batch) -> Iterator[Move]:
        """One step."""
        logits = networks["model"](*batch.inputs).float()
        yield Move("model", total_loss(*pair_loss(logits, batch.target.partition, batch.weight)))

    def rows(self, networks: Mapping[str, nn.Module], batch: Batch) -> Tensor:
        """The four sums of `pair_loss`, F1, adjusted Rand index, and whether these count: shape (n, 7)."""
        logits = networks["model"](*batch.inputs).float()
        partition = batch.target.partition.cpu().numpy()
        # Of logits that are not finite the sums tell.
        known = logits.nan_to_num(0.0, 0.0, 0.0).cpu().numpy()
        joined = components(known, partition != NO_PARTITION, threshold=_logit(self.threshold))
        merits = torch.from_numpy(np.stack(metrics.partition_merits(partition, joined), axis=1)).to(logits.device)
        counts = batch.target.shown & ~merits.isnan().any(dim=1)
        sums = pair_loss(logits, batch.target.partition, batch.weight)
        columns = (*sums, merits.nan_to_num(0.0), counts[:, None])
        return torch.cat([column.double() for column in columns], dim=1)

    def judged(self, rows: Tensor) -> dict[str, float]:
        """Loss, and means over the objects that are shown and have two constituents or more."""
        f1, ari = rows[rows[:, 6] > 0, 4:6].mean(0).tolist()
        return {"loss": float(total_loss(rows[:, :2], rows[:, 2:4])), "f1": f1, "ari": ari}

    def use(self, representation: Any, model: nn.Module) -> Pairs:
        """Which constituents the network joins."""
        return Pairs(collection=self.partition.partition(".")[0], threshold=self.threshold)

    def measured(self, evaluate: Callable[[], Evaluation]) -> Measured:
        """Mean F1 and adjusted Rand index of what the bundle joins."""
        evaluation = evaluate()
        shown = self._is_shown(evaluation.category)
        truth, joined = _column(evaluation.objects, self.partition)[shown], evaluation.answers.partition[shown]
        is_known = truth >= 0
        f1, ari = np.nanmean(metrics.partition_merits(truth[is_known], joined[is_known]), axis=1).tolist()
        return Measured({"f1": f1, "ari": ari})

    def _is_shown(self, category: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self.shown is None:
            return np.ones(len(category), dtype=np.bool_)
        return np.equal(category, self.categories.index(self.shown))


def pair_loss(logits: Tensor, partition: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over the pairs of each object, of which `total_loss` makes the loss of a batch.

    Args:
        logits: Of ordered pairs of constituents, shape (n, p, p); the diagonal is not used.
        partition: Constituents with the same number belong together, shape (n, p); NO_PARTITION where there is none.
        weight: Of the objects, shape (n,).
    Returns:
        Weighted number of pairs and their binary cross-entropy, shape (n, 2); weighted true positives, and predicted
        plus true pairs, both by probability, shape (n, 2).
    References:
        Shlomi et al., Secondary vertex finding in jets with neural networks (2020), arXiv:2008.02831.
    """
    there = partition != NO_PARTITION
    pairs = there.unsqueeze(1) & there.unsqueeze(2)
    pairs &= ~torch.eye(partition.shape[1], dtype=torch.bool, device=partition.device)
    of_pair = pairs * weight[:, None, None]
    same = (partition.unsqueeze(1) == partition.unsqueeze(2)).to(logits.dtype)
    # Logits of padded pairs may be any number: they must not reach the sums.
    logits = torch.where(pairs, logits, 0.0)
    entropy = of_pair * binary_cross_entropy_with_logits(logits, same, reduction="none")
    probability = logits.sigmoid()
    overlap, size = of_pair * probability * same, of_pair * (probability + same)
    sums = [term.sum((1, 2)) for term in (of_pair, entropy, overlap, size)]
    return torch.stack(sums[:2], dim=1), torch.stack(sums[2:], dim=1)


def total_loss(entropies: Tensor, overlaps: Tensor) -> Tensor:
    """Mean binary cross-entropy minus soft F1 of all pairs, of the sums of `pair_loss`."""
    pairs, entropy = entropies.sum(0)
    overlap, size = overlaps.sum(0)
    loss: Tensor = entropy / pairs.clamp(min=1e-9) - 2 * overlap / size.clamp(min=1e-9)
    return loss


def _column(objects: ak.Array, field: str) -> ak.Array:
    outer, inner = field.split(".")
    return objects[outer][inner]


def _logit(probability: float) -> float:
    return float(np.log(probability) - np.log1p(-probability))
