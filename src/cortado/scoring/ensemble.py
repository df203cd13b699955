"""Trainings that differ by their seed alone as one function of objects: their mean, and how far they disagree."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado.scoring.friends import friend
from cortado.scoring.loading import with_verbs
from cortado.scoring.nesting import flatten, restore
from cortado.scoring.predictor import Predictor
from cortado.tasks import Use


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnsemblePredictor:
    """Predictors of the same answers, which are combined as their use says.

    Attributes:
        predictors: Two or more.
    """

    predictors: tuple[Predictor, ...]

    tree: ClassVar[str] = "scores"
    has_folds: ClassVar[bool] = False

    def __post_init__(self) -> None:
        kinds = {(type(each.use).__name__, *each.use.meaning) for each in self.predictors}
        if len(self.predictors) < 2 or len(kinds) != 1:
            raise ValueError(
                f"an ensemble needs two or more bundles of the same answers, got {len(self.predictors)} with "
                f"{len(kinds)} kinds: {sorted(kinds, key=str)}"
            )

        prints = [each.sha256 for each in self.predictors]
        if len(set(prints)) < len(prints):
            raise ValueError(f"an ensemble needs different bundles, one is there twice: {self.path}")

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
        return self.use.combined(self.each(objects))

    def each(self, objects: ak.Array) -> tuple[ak.Array, ...]:
        """Answers for objects (n,) by training."""
        return tuple(predictor.flat(objects) for predictor in self.predictors)

    def member(self, objects: ak.Array) -> NDArray[np.int64]:
        """Index of the bundles that answer for each of the objects (n,): 0, all do."""
        return np.zeros(len(objects), np.int64)

    def events(self, record: ak.Array) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it; see `friend`."""
        return friend(self, record)

    def with_use(self, use: Use) -> EnsemblePredictor:
        """The same with other answers."""
        return dataclasses.replace(self, predictors=tuple(each.with_use(use) for each in self.predictors))

    def bundle(self) -> bundles.Bundle:
        """The first bundle."""
        return self.predictors[0].bundle()

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """All bundles."""
        return tuple(predictor.bundle() for predictor in self.predictors)


def ensemble(paths: Iterable[str | os.PathLike[str]], **settings: Any) -> Any:
    """Several bundles of one study with different seeds, as `cortado.load` gives one of them.

    Args:
        paths: The bundles.
        **settings: As `load`.
    Raises:
        ValueError: If there are fewer than two, or they differ in what they answer, or it cannot be combined.
    """
    predictors, wrap = with_verbs(paths, **settings)
    together = EnsemblePredictor(predictors=predictors)
    if len({str(bundle.provenance.get("fold")) for bundle in together.bundles()}) > 1:
        raise ValueError(f"bundles of different folds are no ensemble, scoring.folds joins them: {together.path}")
    together.flat(bundles.canary_objects(predictors[0].path)[:0])  # or ValueError, here and not in a worker
    return wrap(together)
