"""One pass over the files before a training: objects of each category, the weights and scaling they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado import scaling as scalings
from cortado.scaling import QuantileScaling, fit_quantiles
from cortado.splits import TRAIN, VALIDATION
from cortado.tasks import Task, optional
from cortado.training.loading import INVALID, NO_CATEGORY, Part, examples, parts_of
from cortado.training.mixing import Examples, joined
from cortado.training.study import Study

__all__ = ["Survey", "Weighting", "survey"]

Scaling = scalings.Scaling | QuantileScaling | None

_CANARY = 16  # objects


class Weighting(NamedTuple):
    """Factors for each category and bin of the balance, such that the training objects weigh 1 on average."""

    edges: np.ndarray  # (bins + 1,)
    factors: np.ndarray  # (categories, bins)

    def __call__(self, category: np.ndarray, balance: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weights in the loss, float32, shape (n,)."""
        index = np.searchsorted(self.edges, balance, side="right") - 1
        factors: np.ndarray = self.factors[category, index] * weight
        return factors.astype(np.float32)


class Survey(NamedTuple):
    """What the files of a study hold."""

    categories: tuple[str, ...]
    parts: tuple[Part, ...]
    counts: np.ndarray  # (parts, 3) objects of the categories in TRAIN, VALIDATION, TEST
    objects: np.ndarray  # (3, categories)
    weights: np.ndarray  # (categories,) sums over the training objects
    collection: str
    without_category: int
    without_constituents: int
    invalid: int
    nbytes: int  # of the decoded objects
    weighting: Weighting
    empty_bins: tuple[str, ...]
    scaling: Scaling
    task: Task  # with all that follows from the training objects
    canary: Examples

    def __str__(self) -> str:
        width = max(len(name) for name in ("class", *self.categories)) + 2
        weighted = not np.allclose(self.weights, self.objects[TRAIN])
        last = f"{'sum of weights':>18}" if weighted else ""
        lines = [f"{'class':<{width}}{'training':>12}{'validation':>12}{'test':>12}{last}"]
        for index, name in enumerate(self.categories):
            train, validation, test = self.objects[:, index]
            total = f"{self.weights[index]:18.6g}" if weighted else ""
            lines.append(f"{name:<{width}}{train:>12,}{validation:>12,}{test:>12,}{total}")
        if self.without_category:
            lines.append(f"{self.without_category:,} {self.collection} are in no class and are left out")
        if self.invalid:
            lines.append(f"{self.invalid:,} {self.collection} have numbers that the network cannot take, left out")
        if self.without_constituents:
            lines.append(f"{self.without_constituents:,} {self.collection} have no constituents and are kept")
        lines += [f"no training {self.collection} of {place}: not flat there" for place in self.empty_bins]
        return "\n".join(lines)


def survey(
    study: Study, *, held_out: int | None = None, advance: Callable[[int, int], None] = lambda done, of: None
) -> Survey:
    """Read all files of a study once.

    Args:
        study: What to read.
        held_out: The fold that is not trained on.
        advance: Called with the number of steps read, and of all steps.
    Raises:
        ValueError: If a category has no training or no validation objects, or one lies outside the bins of the balance.
    """
    parts = parts_of(study)
    tally = _Tally(study)

    def training_inputs() -> Iterator[Any]:
        for done, part in enumerate(parts, start=1):
            read = examples(study, part, held_out=held_out)
            tally.add(read, part)
            advance(done, len(parts))
            used = (read.subset == TRAIN) & (read.category != INVALID)
            objects = read.objects[used & optional.learned(study.task, np.maximum(read.category, NO_CATEGORY))]
            if isinstance(study.scaling, str) and len(objects):
                yield study.representation(objects)
        tally.require_objects()  # before a scaling is made of none

    scaling = _scaling(study, training_inputs())
    return tally.survey(parts, scaling)


def _scaling(study: Study, inputs: Iterator[Any]) -> Scaling:
    """The scaling that the study wants, fitted to the inputs if it says so; they are read to their end."""
    if not isinstance(study.scaling, str):
        for _ in inputs:
            pass
        return study.scaling
    names = study.representation.features  # type: ignore[attr-defined]
    if study.scaling == "quantiles":
        return fit_quantiles(inputs, names)
    clip = None if study.task.invertible else 5.0  # what is generated must be scaled back
    return scalings.fit(inputs, names, clip=clip, least_spread=getattr(study.representation, "least_spread", 0.0))


class _Tally:
    """Sums over the steps of a survey."""

    def __init__(self, study: Study) -> None:
        self.study = study
        balance = study.objects.balance
        self.edges = np.array((-np.inf, np.inf) if balance is None else balance.bins, dtype=float)
        self.counts: list[np.ndarray] = []
        self.objects = np.zeros((3, len(study.labels)), dtype=int)
        self.weights = np.zeros((len(study.labels), len(self.edges) - 1))
        self.filled = np.zeros(self.weights.shape, dtype=bool)
        self.without_category = self.without_constituents = self.invalid = self.nbytes = 0
        self.sums: Any = 0.0
        self.canary: Examples | None = None

    def add(self, read: Examples, part: Part) -> None:
        inside = read.category >= 0
        self.without_category += int(np.sum(read.category == NO_CATEGORY))
        self.invalid += int(np.sum(read.category == INVALID))
        read = read.take(inside)
        self._require_in_bins(read.balance, part)
        self.counts.append(np.bincount(read.subset, minlength=3))
        np.add.at(self.objects, (read.subset, read.category), 1)
        train = read.subset == TRAIN
        index = np.searchsorted(self.edges, read.balance, side="right") - 1
        np.add.at(self.weights, (read.category[train], index[train]), read.weight[train])
        self.filled[read.category[train], index[train]] = True
        self.sums = self.sums + optional.sums(self.study.task, read.objects[train], read.weight[train])
        if "constituents" in ak.fields(read.objects):
            self.without_constituents += int(ak.sum(ak.num(read.objects.constituents) == 0))
        self.nbytes += read.objects.nbytes
        if self.canary is None or len(self.canary.category) < _CANARY:
            first = read.take(slice(_CANARY))
            self.canary = first if self.canary is None else joined([self.canary, first])

    def _require_in_bins(self, values: np.ndarray, part: Part) -> None:
        outside = (values < self.edges[0]) | (values >= self.edges[-1])
        if outside.any():
            assert self.study.objects.balance is not None
            raise ValueError(
                f"{part.step.path}: {outside.sum()} of {len(values)} {self.study.objects.collection}, one of "
                f"{self.study.objects.balance.field} = {values[outside][0]:g}, lie outside the bins of the balance, "
                f"{self.edges[0]:g} to {self.edges[-1]:g} (they go from {values.min():g} to {values.max():g}); "
                "choose them by the mask or widen the bins"
            )

    def require_objects(self) -> None:
        study, chosen = self.study, self.study.objects
        for subset, name in ((TRAIN, "training"), (VALIDATION, "validation")):
            empty = [label for label, number in zip(study.labels, self.objects[subset]) if number == 0]
            if empty:
                of_class = f" of class {', '.join(empty)}" if study.task.categories else ""
                raise ValueError(
                    f"study {study.name!r}: no {name} {chosen.collection}{of_class} in "
                    f"{', '.join((*chosen.files, *chosen.validation_files))}, split by {chosen.split}; "
                    f"{self.without_category} {chosen.collection} are in no class"
                )

    def survey(self, parts: list[Part], scaling: Scaling) -> Survey:
        study, chosen = self.study, self.study.objects
        assert self.canary is not None
        weighting, empty_bins = self._weighting()
        return Survey(
            categories=study.labels,
            parts=tuple(parts),
            counts=np.array(self.counts),
            objects=self.objects,
            weights=self.weights.sum(axis=1),
            collection=chosen.collection,
            without_category=self.without_category,
            without_constituents=self.without_constituents,
            invalid=self.invalid,
            nbytes=self.nbytes,
            weighting=weighting,
            empty_bins=empty_bins,
            scaling=scaling,
            task=optional.fitted(study.task, self.sums),
            canary=self.canary,
        )

    def _weighting(self) -> tuple[Weighting, tuple[str, ...]]:
        total, sums = int(self.objects[TRAIN].sum()), self.weights
        chosen = self.study.objects
        learned = optional.learned(self.study.task, np.arange(len(sums)))
        self._require_positive(learned)
        if chosen.balance is None:
            if chosen.class_weights == "equal" and learned.all():
                return Weighting(self.edges, total / len(sums) / sums), ()
            return Weighting(self.edges, np.full_like(sums, total / sums.sum())), ()
        # Each category has the same total, each of its filled bins the same share per unit of the field.
        width = np.where(self.filled, np.diff(self.edges), 0.0)
        share = total / len(sums) * width / width.sum(axis=1, keepdims=True)
        factors = np.divide(share, sums, out=np.zeros_like(sums), where=self.filled)
        empty = tuple(self._place(c, b) for c, b in np.argwhere(~self.filled))
        return Weighting(self.edges, factors), empty

    def _require_positive(self, learned: np.ndarray) -> None:
        """Refuse categories, and bins of the balance, that negative weights outweigh."""
        for c, b in np.argwhere(self.filled & (self.weights <= 0)):
            if learned[c]:
                raise ValueError(
                    f"study {self.study.name!r}: the event weights of {self._place(c, b)} sum up to "
                    f"{self.weights[c, b]:g} in the training objects, required: more than 0; event_weight=False "
                    "ignores them, wider bins of the balance may help"
                )

    def _place(self, category: int, index: int) -> str:
        """A category and a bin of the balance, in words."""
        name, balance = self.study.labels[category], self.study.objects.balance
        if balance is None:
            return name
        return f"{name} with {self.edges[index]:g} <= {balance.field} < {self.edges[index + 1]:g}"
