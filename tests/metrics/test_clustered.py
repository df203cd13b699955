import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cortado import metrics
from cortado.statistics import multiplicities

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 2, 300)
SCORES = np.round(RNG.normal(LABELS, 1), 1)  # with ties


def test_the_area_is_the_usual_one():
    found = metrics.clustered_auc(LABELS, SCORES, np.arange(300) // 10)
    assert found.value == pytest.approx(metrics.auc(LABELS, SCORES).value)
    assert found.low < found.value < found.high


def test_the_interval_is_that_of_the_slow_twin():
    groups = np.arange(300) % 23
    areas = []
    for drawn in multiplicities(23, 200):
        chosen = np.concatenate([np.flatnonzero(groups == group) for group, n in enumerate(drawn) for _ in range(n)])
        areas.append(roc_auc_score(LABELS[chosen], SCORES[chosen]))
    found = metrics.clustered_auc(LABELS, SCORES, groups, toys=200)
    assert found.error == pytest.approx(np.std(areas))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])))


def test_groups_of_one_give_the_error_of_independent_objects():
    found = metrics.clustered_auc(LABELS, SCORES, np.arange(300), toys=5000)
    assert found.error == pytest.approx(metrics.auc(LABELS, SCORES).error, rel=0.08)


def test_objects_that_are_the_same_are_no_more_of_them():
    once = metrics.clustered_auc(LABELS, SCORES, np.arange(300))
    nine = metrics.clustered_auc(np.tile(LABELS, 9), np.tile(SCORES, 9), np.tile(np.arange(300), 9))
    assert nine == pytest.approx(once)
    assert metrics.auc(np.tile(LABELS, 9), np.tile(SCORES, 9)).error < 0.4 * nine.error


def test_runs_hold_the_truth_as_often_as_stated():
    """Runs of ten lumisections with one score each; labels by run: the true area is that of two normal ones."""
    truth, held, rng = 0.7602, 0, np.random.default_rng(11)
    for k in range(200):
        label = np.repeat(rng.integers(0, 2, 60), 10)
        score = np.repeat(rng.normal(size=60), 10) + label
        found = metrics.clustered_auc(label, score, np.arange(600) // 10, toys=400, seed=k)
        held += found.low <= truth <= found.high
    assert 0.88 * 200 <= held <= 0.99 * 200


def test_too_few_groups_are_refused():
    with pytest.raises(ValueError, match="objects of label 1 come from 1 group, required: 2 or more"):
        metrics.clustered_auc([0, 0, 1], [0.1, 0.2, 0.3], [0, 1, 1])
    with pytest.raises(ValueError, match="3 groups for 2 scores"):
        metrics.clustered_auc([0, 1], [0.1, 0.2], [0, 1, 2])
