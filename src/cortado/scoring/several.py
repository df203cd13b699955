"""The bundles of several trainings as one predictor: each object has the one of its fold, or the mean of all."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import ClassVar

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado import splits
from cortado.bundle.answering import in_order, numbered
from cortado.scoring.friends import friend
from cortado.scoring.nesting import flatten, restore
from cortado.scoring.predictor import Predictor
from cortado.tasks import Use

Predictors = tuple[Predictor, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByFold:
    """Each object is answered for by the predictor that was not trained on its event.

    Which one follows from `event_key` of the objects alone, in any processor, file order or skim.

    Attributes:
        seed: Of the folds.
    """

    seed: int

    has_folds: ClassVar[bool] = True

    def each(self, predictors: Predictors, objects: ak.Array) -> tuple[ak.Array, ...]:
        """Answers for objects (n,) by training: of one, that which has not seen the object."""
        fold = self.member(predictors, objects)
        places = [np.flatnonzero(fold == number) for number in range(len(predictors))]
        parts = []
        for predictor, place in zip(predictors, places):
            with numbered(place):
                parts.append(predictor.flat(objects[place]))
        return (in_order(ak.concatenate(parts), np.concatenate(places), len(objects)),)

    def member(self, predictors: Predictors, objects: ak.Array) -> NDArray[np.int64]:
        """Fold of each of the objects (n,).

        Raises:
            ValueError: If they have no `event_key`.
        """
        if "event_key" not in objects.fields:
            raise ValueError(f"scoring by folds needs event_key of the objects, they have {', '.join(objects.fields)}")
        fold = splits.fold(objects.event_key, len(predictors), self.seed)
        return np.asarray(fold).astype(np.int64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Together:
    """All predictors answer for each object; what they say is combined as their use says."""

    has_folds: ClassVar[bool] = False

    def each(self, predictors: Predictors, objects: ak.Array) -> tuple[ak.Array, ...]:
        """Answers for objects (n,) by training."""
        return tuple(predictor.flat(objects) for predictor in predictors)

    def member(self, predictors: Predictors, objects: ak.Array) -> NDArray[np.int64]:
        """Index of the bundles that answer for each of the objects (n,): 0, all do."""
        return np.zeros(len(objects), np.int64)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeveralPredictors:
    """Predictors of several trainings, used as one; made by `folds` and `ensemble`.

    Attributes:
        predictors: Of one use; with `ByFold` in the order of the folds that they were not trained on.
        rule: Which of them answer for an object.
    """

    predictors: Predictors
    rule: ByFold | Together

    tree: ClassVar[str] = "scores"

    @property
    def path(self) -> str:
        """The paths of all bundles."""
        return ", ".join(predictor.path for predictor in self.predictors)

    @property
    def use(self) -> Use:
        """What the answers are."""
        return self.predictors[0].use

    @property
    def has_folds(self) -> bool:
        """Whether one predictor alone answers for an object."""
        return self.rule.has_folds

    def __call__(self, objects: ak.Array) -> ak.Array:
        """Record of the answers, of the nesting of `objects`."""
        return restore(self.flat(flatten(objects)), objects)

    def flat(self, objects: ak.Array) -> ak.Array:
        """The same for objects of shape (n,)."""
        each = self.each(objects)
        return each[0] if self.has_folds else self.use.combined(each)

    def each(self, objects: ak.Array) -> tuple[ak.Array, ...]:
        """Answers for objects (n,) by training."""
        return self.rule.each(self.predictors, objects)

    def member(self, objects: ak.Array) -> NDArray[np.int64]:
        """Index of the training that answers for each of the objects (n,); 0 where all do."""
        return self.rule.member(self.predictors, objects)

    def events(self, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it; see `friend`."""
        return friend(self, record)

    def with_use(self, use: Use) -> SeveralPredictors:
        """The same with other answers."""
        return dataclasses.replace(self, predictors=tuple(each.with_use(use) for each in self.predictors))

    def bundle(self) -> bundles.Bundle:
        """The first bundle."""
        return self.predictors[0].bundle()

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """All bundles."""
        return tuple(predictor.bundle() for predictor in self.predictors)
