"""The bundles of a k-fold training as one function of jets that never scores what it was trained on."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np

from cortado import splits
from cortado.scoring.loading import load
from cortado.scoring.nesting import flatten, flatten_values, restore
from cortado.scoring.scorer import Scorer, add_per_event, with_truth


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldScorer:
    """k scorers of a k-fold training: each jet is scored by the one that was not trained on its event.

    Which one follows from `jets.event_key` alone, in any processor, file order or skim.

    Attributes:
        scorers: In the order of the folds that they were not trained on.
        seed: Of the folds.
    """

    scorers: tuple[Scorer, ...]
    seed: int

    def __call__(self, jets: ak.Array) -> ak.Array:
        """Probability of the signal, float32, of the nesting of `jets`."""
        return restore(self._each(flatten(jets), lambda scorer, flat: scorer(flat)), jets)

    def probabilities(self, jets: ak.Array) -> ak.Array:
        """Record of the probabilities of all classes, float32, of the nesting of `jets`."""
        return restore(self._each(flatten(jets), lambda scorer, flat: scorer.probabilities(flat)), jets)

    def passes(self, jets: ak.Array, working_point: str) -> ak.Array:
        """Whether jets reach the threshold that the working point has in the fold of each."""
        return restore(self._each(flatten(jets), lambda scorer, flat: scorer.passes(flat, working_point)), jets)

    def add_weight(
        self,
        weights: Any,
        jets: ak.Array,
        *,
        working_point: str,
        scale_factors: Mapping[str, Any] | None = None,
        is_signal: ak.Array | None = None,
        scores: ak.Array | None = None,
        name: str = "tagger",
    ) -> None:
        """As `Scorer.add_weight`, with threshold and efficiencies of the fold of each jet."""
        flat = with_truth(jets, is_signal, self.scorers[0].signal)
        known = self(flat) if scores is None else flatten_values(scores)

        def weight(scorer: Scorer, rows: ak.Array) -> ak.Array:
            return scorer.jet_weights(
                rows.jet, working_point=working_point, scale_factors=scale_factors, scores=rows.score
            )

        rows = ak.zip({"event_key": _event_key(flat), "jet": flat, "score": known}, depth_limit=1)
        add_per_event(weights, name, restore(self._each(rows, weight), jets))

    def _each(self, flat: ak.Array, apply: Callable[[Scorer, ak.Array], ak.Array]) -> ak.Array:
        """`apply` for the jets of each fold, put together in the order of `flat`."""
        fold = ak.to_numpy(splits.fold(_event_key(flat), len(self.scorers), self.seed))
        members = [np.flatnonzero(fold == number) for number in range(len(self.scorers))]
        parts = [apply(scorer, flat[jets]) for scorer, jets in zip(self.scorers, members)]
        return ak.concatenate(parts)[np.argsort(np.concatenate(members))]


def _event_key(flat: ak.Array) -> ak.Array:
    if "event_key" not in flat.fields:
        raise ValueError(f"scoring by folds needs jets.event_key; the jets have {', '.join(flat.fields)}")
    return flat.event_key


def folds(paths: Iterable[str | os.PathLike[str]], **settings: Any) -> FoldScorer:
    """Scorer of the k bundles of one `cortado.training.train_folds`, in any order.

    The provenance of each says which events it was not trained on: `{"fold": {"index", "folds", "seed"}}`.

    Args:
        paths: All k bundles.
        **settings: As `load`.
    Raises:
        ValueError: If a bundle has no fold rule, a fold is missing or there twice, or they do not belong
            together.
    """
    scorers = [load(path, **settings) for path in paths]
    rules = [_rule(scorer) for scorer in scorers]
    common = {(rule["folds"], rule["seed"], scorer.classes, scorer.signal) for rule, scorer in zip(rules, scorers)}
    if len(common) != 1:
        raise ValueError(
            f"bundles of one k-fold training share folds, seed, classes and signal; got {len(common)} kinds: "
            f"{sorted(common, key=str)}"
        )
    by_fold = {rule["index"]: scorer for rule, scorer in zip(rules, scorers)}
    wanted = list(range(rules[0]["folds"]))
    if sorted(rule["index"] for rule in rules) != wanted:
        raise ValueError(f"folds {wanted} are needed once each, got {[rule['index'] for rule in rules]}")
    return FoldScorer(scorers=tuple(by_fold[number] for number in wanted), seed=rules[0]["seed"])


def _rule(scorer: Scorer) -> dict[str, int]:
    rule = scorer.bundle().provenance.get("fold")
    if not isinstance(rule, dict) or not {"index", "folds", "seed"} <= set(rule):
        raise ValueError(
            f"{scorer.path}: its provenance has no fold rule (index, folds, seed), so it is not known "
            "which events it was trained on; make bundles with cortado.training.train_folds, or score with cortado.load"
        )
    return rule
