"""The bundles of a k-fold training as one function of objects that never scores what it was trained on."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado import splits
from cortado.bundle.answering import in_order, numbered
from cortado.scoring.friends import friend
from cortado.scoring.loading import with_verbs
from cortado.scoring.nesting import flatten, restore
from cortado.scoring.predictor import Predictor
from cortado.tasks import Use


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldPredictor:
    """k predictors of a k-fold training: each object is answered for by the one that was not trained on its event.

    Which one follows from `event_key` of the objects alone, in any processor, file order or skim.

    Attributes:
        predictors: In the order of the folds that they were not trained on.
        seed: Of the folds.
    """

    predictors: tuple[Predictor, ...]
    seed: int

    tree: ClassVar[str] = "scores"
    has_folds: ClassVar[bool] = True

    @property
    def path(self) -> str:
        """The paths of all bundles."""
        return ", ".join(predictor.path for predictor in self.predictors)

    @property
    def use(self) -> Use:
        """What the answers are."""
        return self.predictors[0].use

    def __call__(self, objects: ak.Array) -> ak.Array:
        """Record of the answers, of the nesting of `objects`."""
        return restore(self.flat(flatten(objects)), objects)

    def flat(self, objects: ak.Array) -> ak.Array:
        """The same for objects of shape (n,)."""
        fold = self.member(objects)
        places = [np.flatnonzero(fold == number) for number in range(len(self.predictors))]
        parts = []
        for predictor, place in zip(self.predictors, places):
            with numbered(place):
                parts.append(predictor.flat(objects[place]))
        return in_order(ak.concatenate(parts), np.concatenate(places), len(objects))

    def each(self, objects: ak.Array) -> tuple[ak.Array, ...]:
        """Answers for objects (n,) by training: of one, that which has not seen the object."""
        return (self.flat(objects),)

    def member(self, objects: ak.Array) -> NDArray[np.int64]:
        """Fold of each of the objects (n,).

        Raises:
            ValueError: If they have no `event_key`.
        """
        if "event_key" not in objects.fields:
            raise ValueError(f"scoring by folds needs event_key of the objects, they have {', '.join(objects.fields)}")
        fold = splits.fold(objects.event_key, len(self.predictors), self.seed)
        return np.asarray(fold).astype(np.int64)

    def events(self, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it; see `friend`."""
        return friend(self, record)

    def with_use(self, use: Use) -> "FoldPredictor":
        """The same with other answers."""
        return dataclasses.replace(self, predictors=tuple(each.with_use(use) for each in self.predictors))

    def bundle(self) -> bundles.Bundle:
        """The bundle of the first fold."""
        return self.predictors[0].bundle()

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """The bundles of all folds."""
        return tuple(predictor.bundle() for predictor in self.predictors)


def folds(paths: Iterable[str | os.PathLike[str]], **settings: Any) -> Any:
    """The k bundles of one `cortado.training.train_folds`, in any order, as `cortado.load` gives one of them.

    The provenance of each says which events it was not trained on: `{"fold": {"index", "folds", "seed"}}`.

    Args:
        paths: All k bundles.
        **settings: As `load`.
    Raises:
        ValueError: If a bundle has no fold rule, a fold is missing or there twice, or they do not belong
            together.
    """
    predictors, wrap = with_verbs(paths, **settings)
    rules = [_rule(predictor) for predictor in predictors]
    common = {(rule["folds"], rule["seed"], *each.use.meaning) for rule, each in zip(rules, predictors)}
    if len(common) != 1:
        raise ValueError(
            f"bundles of one k-fold training share folds, seed and what they answer; got {len(common)} kinds: "
            f"{sorted(common, key=str)}"
        )
    by_fold = {rule["index"]: predictor for rule, predictor in zip(rules, predictors)}
    wanted = list(range(rules[0]["folds"]))
    if sorted(rule["index"] for rule in rules) != wanted:
        raise ValueError(f"folds {wanted} are needed once each, got {[rule['index'] for rule in rules]}")
    return wrap(FoldPredictor(predictors=tuple(by_fold[number] for number in wanted), seed=rules[0]["seed"]))


def _rule(predictor: Predictor) -> dict[str, int]:
    rule = predictor.bundle().provenance.get("fold")
    if not isinstance(rule, dict) or not {"index", "folds", "seed"} <= set(rule):
        raise ValueError(
            f"{predictor.path}: its provenance has no fold rule (index, folds, seed), so it is not known "
            "which events it was trained on; make bundles with cortado.training.train_folds, or score with cortado.load"
        )
    return rule
