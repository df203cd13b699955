"""The bundles of a k-fold training as one function of objects that never scores what it was trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from cortado.scoring.loading import with_verbs
from cortado.scoring.predictor import Predictor
from cortado.scoring.several import ByFold, SeveralPredictors


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
    in_order = tuple(by_fold[number] for number in wanted)
    return wrap(SeveralPredictors(predictors=in_order, rule=ByFold(seed=rules[0]["seed"])))


def _rule(predictor: Predictor) -> dict[str, int]:
    rule = predictor.bundle().provenance.get("fold")
    if not isinstance(rule, dict) or not {"index", "folds", "seed"} <= set(rule):
        raise ValueError(
            f"{predictor.path}: its provenance has no fold rule (index, folds, seed), so it is not known "
            "which events it was trained on; make bundles with cortado.training.train_folds, or score with cortado.load"
        )
    return rule
