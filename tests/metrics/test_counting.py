"""Confusion matrices: reference values, scikit-learn, and errors by repeated experiments."""

import dataclasses
import math

import numpy as np
import pytest
from sklearn import metrics as reference

from cortado.metrics import ConfusionMatrix, Count, confusion, confusion_counts, figures_of_merit


def matrix(tp, fp, tn, fn):
    cells = (Count(float(n), float(n)) for n in (tp, fp, tn, fn))
    return ConfusionMatrix(**dict(zip(("true_positive", "false_positive", "true_negative", "false_negative"), cells)))


def toy(n=500, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    predictions = np.where(rng.random(n) < 0.8, labels, 1 - labels)
    return labels, predictions, rng.uniform(0.5, 2.0, n)


def test_figures_of_a_matrix_worked_by_hand():
    figures = {name: estimate.value for name, estimate in figures_of_merit(matrix(tp=40, fp=20, tn=180, fn=10)).items()}
    assert figures == pytest.approx(
        {
            "TPR": 0.8,
            "TNR": 0.9,
            "PPV": 2 / 3,
            "NPV": 180 / 190,
            "FNR": 0.2,
            "FPR": 0.1,
            "FDR": 1 / 3,
            "FOR": 10 / 190,
            "LR+": 8.0,
            "LR-": 2 / 9,
            "prevalence threshold": (math.sqrt(0.8 * 0.1) - 0.1) / (0.8 - 0.1),
            "threat score": 40 / 70,
            "accuracy": 220 / 250,
            "balanced accuracy": 0.85,
            "prevalence": 0.2,
            "F1": 80 / 110,
            "MCC": (40 * 180 - 20 * 10) / math.sqrt(60 * 50 * 200 * 190),
        }
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_those_of_scikit_learn(weighted):
    labels, predictions, weights = toy()
    weights = weights if weighted else None
    table = confusion(labels, predictions, weights)
    for ours, theirs in {
        table.true_positive_rate: reference.recall_score,
        table.positive_predictive_value: reference.precision_score,
        table.threat_score: reference.jaccard_score,
        table.accuracy: reference.accuracy_score,
        table.balanced_accuracy: reference.balanced_accuracy_score,
        table.f1_score: reference.f1_score,
        table.matthews_correlation: reference.matthews_corrcoef,
    }.items():
        assert ours.value == pytest.approx(theirs(labels, predictions, sample_weight=weights))
    likelihood_ratios = reference.class_likelihood_ratios(labels, predictions, sample_weight=weights)
    assert (table.positive_likelihood_ratio.value, table.negative_likelihood_ratio.value) == pytest.approx(
        likelihood_ratios
    )


def test_complementary_figures_sum_to_one_with_equal_errors():
    figures = figures_of_merit(confusion(*toy()))
    for one, other in (("TPR", "FNR"), ("TNR", "FPR"), ("PPV", "FDR"), ("NPV", "FOR")):
        assert figures[one].value + figures[other].value == pytest.approx(1)
        assert figures[one].error == pytest.approx(figures[other].error)


def test_errors_are_the_spread_of_repeated_experiments():
    rng = np.random.default_rng(5)
    mean = np.array([400, 150, 1200, 100])
    repeated = [figures_of_merit(matrix(*rng.poisson(mean))) for _ in range(600)]
    for name, estimate in figures_of_merit(matrix(*mean)).items():
        spread = np.std([figures[name].value for figures in repeated])
        assert estimate.error == pytest.approx(spread, rel=0.12), name


def test_whole_weights_are_repeated_events():
    labels, predictions, _ = toy(80)
    counts = np.random.default_rng(1).integers(0, 4, 80)
    weighted = figures_of_merit(confusion(labels, predictions, counts))
    repeated = figures_of_merit(confusion(np.repeat(labels, counts), np.repeat(predictions, counts)))
    for name, estimate in weighted.items():
        assert estimate.value == pytest.approx(repeated[name].value)
        assert estimate.error > repeated[name].error


def test_nothing_over_nothing_is_undefined():
    figures = figures_of_merit(matrix(tp=0, fp=0, tn=5, fn=0))
    undefined = {name for name, estimate in figures.items() if math.isnan(estimate.value)}
    assert undefined == {"TPR", "PPV", "FNR", "FDR", "LR+", "LR-", "prevalence threshold", "threat score",
                         "balanced accuracy", "F1", "MCC"}  # fmt: skip
    assert all(math.isnan(figures[name].error) for name in undefined)
    assert figures["accuracy"].value == 1


def test_perfect_tagger_has_an_infinite_likelihood_ratio():
    perfect = matrix(tp=10, fp=0, tn=10, fn=0)
    assert perfect.positive_likelihood_ratio.value == math.inf
    assert math.isnan(perfect.positive_likelihood_ratio.error)
    assert perfect.prevalence_threshold.value == 0
    assert math.isnan(perfect.prevalence_threshold.error)
    assert perfect.true_positive_rate.error > 0


def test_prevalence_threshold_needs_a_rate():
    assert math.isnan(matrix(tp=0, fp=0, tn=10, fn=10).prevalence_threshold.value)


def test_counts_of_three_classes():
    rng = np.random.default_rng(0)
    labels, predictions, weights = rng.integers(0, 3, 200), rng.integers(0, 2, 200), rng.normal(1, 0.5, 200)
    counts = confusion_counts(labels, predictions, classes=3, weights=weights)
    for row in range(3):
        for column in range(3):
            cell = weights[(labels == row) & (predictions == column)]
            assert counts.value[row, column] == pytest.approx(cell.sum())
            assert counts.variance[row, column] == pytest.approx((cell**2).sum())


def test_the_matrix_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        matrix(1, 1, 1, 1).true_positive = Count(0.0, 0.0)


@pytest.mark.parametrize(
    ("labels", "predictions", "weights", "message"),
    [
        ([0, 1, 2], [0, 1, 1], None, r"labels must be 0 or 1"),
        ([0, 1], [0, 0.7], None, r"predictions must be 0 or 1 .*0\.7"),
        ([0, 1], [0], None, r"labels \(2,\) and predictions \(1,\)"),
        ([], [], None, "n > 0"),
        ([0, 1], [0, 1], [1, np.inf], "1 of 2 weights are not finite"),
        ([0, 1, 1], [0, 1, 1], [1, 1, -3], r"negative weights outweigh .*-2"),
    ],
)
def test_unfit_events_are_refused(labels, predictions, weights, message):
    with pytest.raises(ValueError, match=message):
        confusion(labels, predictions, weights)


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match=r"predictions must be class indices in \[0, 3\), but there are \[3\]"):
        confusion_counts([0, 1], [0, 3], classes=3)
