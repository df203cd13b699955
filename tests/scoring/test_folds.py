"""Bundles of folds: each jet is scored by the one that did not see its event."""

import awkward as ak
import numpy as np
import pytest
from coffea.analysis_tools import Weights
from toy_taggers import (
    OWN,
    fold_bundles,
    load_toy,
)
from toys import toy_event_jets, toy_jets

from cortado import scoring, splits


def test_each_jet_is_scored_by_the_fold_that_did_not_see_its_event(tmp_path):
    paths = fold_bundles(tmp_path)
    scorer = scoring.folds(reversed(paths), **OWN)
    jets = toy_event_jets(60)
    alone = [load_toy(path) for path in paths]
    fold = splits.fold(jets.event_key, 3, 11)
    scores, probabilities, passes = scorer(jets), scorer.probabilities(jets), scorer.passes(jets, "50%")
    assert set(ak.flatten(fold)) == {0, 1, 2}
    for number, single in enumerate(alone):
        here = fold == number
        np.testing.assert_allclose(ak.flatten(scores[here]), ak.flatten(single(jets)[here]), atol=1e-5)
        assert ak.all(probabilities.w[here] == scores[here], axis=None)
        assert ak.all(passes[here] == (scores[here] >= 0.4 + 0.05 * number), axis=None)
    assert str(scorer(ak.firsts(jets)[:0]).type) == "0 * ?float32"


def test_weights_of_folds_are_those_of_each_fold(tmp_path):
    paths = fold_bundles(tmp_path)
    scorer = scoring.folds(paths, **OWN)
    jets = toy_event_jets(60)
    fold = splits.fold(jets.event_key, 3, 11)
    given = {"signal": (0.9, 0.05), "background": (1.2, 0.1)}
    into, expected = Weights(60), np.ones(60)
    scorer.add_weight(into, jets, working_point="50%", scale_factors=given)
    for number, path in enumerate(paths):
        single = Weights(60)
        load_toy(path).add_weight(single, jets[fold == number], working_point="50%", scale_factors=given)
        expected *= single.weight("taggerUp")
    np.testing.assert_allclose(into.weight("taggerUp"), expected)
    known = Weights(60)
    scorer.add_weight(known, jets, working_point="50%", scale_factors=given, scores=scorer(jets))
    np.testing.assert_allclose(known.weight("taggerUp"), expected)


def test_folds_must_fit_together(tmp_path):
    paths = fold_bundles(tmp_path)
    with pytest.raises(ValueError, match=r"folds \[0, 1, 2\] are needed once each, got \[0, 1, 1\]"):
        scoring.folds([paths[0], paths[1], paths[1]], **OWN)
    (tmp_path / "more").mkdir()
    with pytest.raises(ValueError, match="share folds, seed and what they answer; got 2 kinds"):
        scoring.folds([*paths, *fold_bundles(tmp_path / "more", folds=2)], **OWN)


def test_a_bundle_without_fold_rule_is_no_fold(path):
    with pytest.raises(ValueError, match="its provenance has no fold rule"):
        scoring.folds([path], **OWN)


def test_folds_need_event_keys(tmp_path):
    scorer = scoring.folds(fold_bundles(tmp_path), **OWN)
    with pytest.raises(ValueError, match=r"scoring by folds needs event_key of the objects, they have pt"):
        scorer(toy_jets(3)[["pt", "eta", "phi", "constituents"]])
