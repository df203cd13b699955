"""Accuracy and F1 of several classes, beside scikit-learn, and their errors beside those of counts."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from cortado.metrics import confusion, multiclass_merits, proportion


@pytest.fixture
def objects():
    """Labels, and predictions that are mostly right."""
    rng = np.random.default_rng(3)
    labels = rng.choice(3, size=3_000, p=(0.5, 0.3, 0.2))
    return labels, np.where(rng.random(3_000) < 0.7, labels, rng.integers(3, size=3_000))


def test_values_are_those_of_scikit_learn(objects):
    merits = multiclass_merits(*objects, classes=3)
    assert merits.accuracy.value == pytest.approx(accuracy_score(*objects))
    assert merits.mean_f1.value == pytest.approx(f1_score(*objects, average="macro"))
    np.testing.assert_allclose([each.value for each in merits.f1], f1_score(*objects, average=None))


def test_errors_are_those_of_counted_objects(objects):
    labels, predictions = objects
    merits = multiclass_merits(labels, predictions, classes=3, resamplings=1_000)
    right, wrong = (labels == predictions).sum(), (labels != predictions).sum()
    assert merits.accuracy.error == pytest.approx(proportion(right, wrong, right, wrong).error, rel=0.15)
    for index, each in enumerate(merits.f1):
        one_against_others = confusion(labels == index, predictions == index).f1_score
        assert each.error == pytest.approx(one_against_others.error, rel=0.15)


def test_names_of_classes_do_not_matter(objects):
    swap = np.array([2, 0, 1])
    merits, swapped = (multiclass_merits(*each, classes=3) for each in (objects, [swap[x] for x in objects]))
    assert swapped.accuracy == merits.accuracy
    assert [swapped.f1[index] for index in swap] == list(merits.f1)


def test_a_class_that_is_nowhere_has_no_f1(objects):
    merits = multiclass_merits(*objects, classes=4)
    assert np.isnan(merits.f1[3][:2]).all()
    assert np.isnan(merits.mean_f1.value)
    assert merits.f1[:3] == multiclass_merits(*objects, classes=3).f1


def test_what_is_no_class_is_refused():
    with pytest.raises(ValueError, match=r"class indices in \[0, 3\), but there are \[3\]"):
        multiclass_merits([0, 3], [0, 1], classes=3)
