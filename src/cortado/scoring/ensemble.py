"""Trainings that differ by their seed alone as one function of objects: their mean, and how far they disagree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from cortado import bundle as bundles
from cortado.scoring.loading import with_verbs
from cortado.scoring.several import SeveralPredictors, Together


def ensemble(paths: Iterable[str | os.PathLike[str]], **settings: Any) -> Any:
    """Several bundles of one study with different seeds, as `cortado.load` gives one of them.

    Args:
        paths: The bundles.
        **settings: As `load`.
    Raises:
        ValueError: If there are fewer than two, or they differ in what they answer, or it cannot be combined.
    """
    predictors, wrap = with_verbs(paths, **settings)
    together = SeveralPredictors(predictors=predictors, rule=Together())
    _require_alike(together)
    if len({str(bundle.provenance.get("fold")) for bundle in together.bundles()}) > 1:
        raise ValueError(f"bundles of different folds are no ensemble, scoring.folds joins them: {together.path}")
    together.flat(
        bundles.canary_objects(predictors[0].path, lengths=predictors[0].own.lengths)[:0]
    )  # or ValueError, here and not in a worker
    return wrap(together)


def _require_alike(together: SeveralPredictors) -> None:
    kinds = {(type(each.use).__name__, *each.use.meaning) for each in together.predictors}
    if len(together.predictors) < 2 or len(kinds) != 1:
        raise ValueError(
            f"an ensemble needs two or more bundles of the same answers, got {len(together.predictors)} with "
            f"{len(kinds)} kinds: {sorted(kinds, key=str)}"
        )
    prints = {each.sha256 for each in together.predictors}
    if len(prints) < len(together.predictors):
        raise ValueError(f"an ensemble needs different bundles, one is there twice: {together.path}")
