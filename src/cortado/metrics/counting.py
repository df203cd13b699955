"""Confusion matrices of weighted events, and every figure of merit that is read off them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.extras import extra
from cortado.masks import unmasked
from cortado.metrics.inputs import binary_labels, event_weights
from cortado.statistics import Estimate, proportion

__all__ = ["ConfusionMatrix", "Count", "Counts", "confusion", "confusion_counts", "figures_of_merit"]

Floats = NDArray[np.float64]


class Count(NamedTuple):
    """Weighted number of events: sum of weights, and sum of squared weights, which is its variance."""

    value: float
    variance: float


class Counts(NamedTuple):
    """Confusion matrix of c classes: sums of weights and of their squares, (c, c) as (truth, prediction)."""

    value: Floats
    variance: Floats


@dataclass(frozen=True, kw_only=True)
class ConfusionMatrix:
    """Weighted events of two classes, counted by truth and prediction.

    Proportions have the errors of `statistics.proportion`, functions of them propagated errors. A figure whose
    denominator is empty is NaN with error NaN.
    """

    true_positive: Count
    false_positive: Count
    true_negative: Count
    false_negative: Count

    @property
    def true_positive_rate(self) -> Estimate:
        """TPR, signal efficiency, sensitivity, recall: TP / (TP + FN)."""
        return _part([self.true_positive], [self.false_negative])

    @property
    def true_negative_rate(self) -> Estimate:
        """TNR, specificity: TN / (TN + FP)."""
        return _part([self.true_negative], [self.false_positive])

    @property
    def positive_predictive_value(self) -> Estimate:
        """PPV, precision, purity: TP / (TP + FP)."""
        return _part([self.true_positive], [self.false_positive])

    @property
    def negative_predictive_value(self) -> Estimate:
        """NPV: TN / (TN + FN)."""
        return _part([self.true_negative], [self.false_negative])

    @property
    def false_negative_rate(self) -> Estimate:
        """FNR, miss rate: FN / (TP + FN)."""
        return _part([self.false_negative], [self.true_positive])

    @property
    def false_positive_rate(self) -> Estimate:
        """FPR, mistag rate, background efficiency: FP / (FP + TN)."""
        return _part([self.false_positive], [self.true_negative])

    @property
    def false_discovery_rate(self) -> Estimate:
        """FDR: FP / (TP + FP)."""
        return _part([self.false_positive], [self.true_positive])

    @property
    def false_omission_rate(self) -> Estimate:
        """FOR: FN / (TN + FN)."""
        return _part([self.false_negative], [self.true_negative])

    @property
    def positive_likelihood_ratio(self) -> Estimate:
        """LR+: TPR / FPR."""
        return _quotient(self.true_positive_rate, self.false_positive_rate)

    @property
    def negative_likelihood_ratio(self) -> Estimate:
        """LR-: FNR / TNR."""
        return _quotient(self.false_negative_rate, self.true_negative_rate)

    @property
    def prevalence_threshold(self) -> Estimate:
        """Prevalence below which the precision falls steeply: sqrt(FPR) / (sqrt(TPR) + sqrt(FPR)).

        References:
            Balayla, Prevalence threshold and the geometry of screening curves (2020), arXiv:2006.00398.
        """
        hit, miss = self.true_positive_rate, self.false_positive_rate
        root_hit, root_miss = math.sqrt(hit.value), math.sqrt(miss.value)
        if not root_hit + root_miss > 0:
            return Estimate(math.nan, math.nan)
        value = root_miss / (root_hit + root_miss)
        # The derivatives by TPR and FPR diverge where the rate vanishes.
        if root_hit * root_miss == 0:
            return Estimate(value, math.nan)
        return Estimate(value, value * (1 - value) / 2 * math.hypot(hit.error / hit.value, miss.error / miss.value))

    @property
    def threat_score(self) -> Estimate:
        """TS, critical success index: TP / (TP + FN + FP)."""
        return _part([self.true_positive], [self.false_negative, self.false_positive])

    @property
    def accuracy(self) -> Estimate:
        """ACC: (TP + TN) / all."""
        return _part([self.true_positive, self.true_negative], [self.false_positive, self.false_negative])

    @property
    def balanced_accuracy(self) -> Estimate:
        """BA: (TPR + TNR) / 2."""
        hit, reject = self.true_positive_rate, self.true_negative_rate
        return Estimate((hit.value + reject.value) / 2, math.hypot(hit.error, reject.error) / 2)

    @property
    def prevalence(self) -> Estimate:
        """Part of the events that is signal: (TP + FN) / all."""
        return _part([self.true_positive, self.false_negative], [self.false_positive, self.true_negative])

    @property
    def f1_score(self) -> Estimate:
        """F1, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
        threat = self.threat_score
        return Estimate(2 * threat.value / (1 + threat.value), 2 * threat.error / (1 + threat.value) ** 2)

    @property
    def matthews_correlation(self) -> Estimate:
        """MCC, phi coefficient: (TP TN - FP FN) / sqrt((TP + FP) (TP + FN) (TN + FP) (TN + FN))."""
        cells = (self.true_positive, self.false_positive, self.true_negative, self.false_negative)
        tp, fp, tn, fn = (cell.value for cell in cells)
        margins = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]])
        sums = margins @ [tp, fp, tn, fn]
        if not np.all(sums > 0):
            return Estimate(math.nan, math.nan)
        scale = math.sqrt(float(np.prod(sums)))
        value = (tp * tn - fp * fn) / scale
        slope = np.array([tn, -fn, tp, -fp]) / scale - value / 2 * (margins / sums[:, None]).sum(axis=0)
        return Estimate(value, math.sqrt(float(slope**2 @ [cell.variance for cell in cells])))


FIGURES = {
    "TPR": "true_positive_rate",
    "TNR": "true_negative_rate",
    "PPV": "positive_predictive_value",
    "NPV": "negative_predictive_value",
    "FNR": "false_negative_rate",
    "FPR": "false_positive_rate",
    "FDR": "false_discovery_rate",
    "FOR": "false_omission_rate",
    "LR+": "positive_likelihood_ratio",
    "LR-": "negative_likelihood_ratio",
    "prevalence threshold": "prevalence_threshold",
    "threat score": "threat_score",
    "accuracy": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "prevalence": "prevalence",
    "F1": "f1_score",
    "MCC": "matthews_correlation",
}


def figures_of_merit(matrix: ConfusionMatrix) -> dict[str, Estimate]:
    """Every figure of merit of the matrix by its usual short name, for tables."""
    return {short: getattr(matrix, name) for short, name in FIGURES.items()}


def confusion(labels: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> ConfusionMatrix:
    """Count weighted events of two classes by truth and prediction.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        predictions: 1 or True where the event is taken for signal, shape (n,).
        weights: Weight of each event, shape (n,); single ones may be negative, no count may.
    Raises:
        ValueError: If the input is not as above, or is empty.
    """
    truth, taken = binary_labels("labels", labels), binary_labels("predictions", predictions)
    counts = confusion_counts(truth.astype(int), taken.astype(int), classes=2, weights=weights)
    if np.any(counts.value < 0):
        raise ValueError(
            f"negative weights outweigh the others in a count: {counts.value.tolist()} (truth, prediction)"
        )
    (tn, fp), (fn, tp) = (
        [Count(float(value), float(variance)) for value, variance in zip(*row)] for row in zip(*counts)
    )
    return ConfusionMatrix(true_positive=tp, false_positive=fp, true_negative=tn, false_negative=fn)


def confusion_counts(
    labels: ArrayLike, predictions: ArrayLike, *, classes: int, weights: ArrayLike | None = None
) -> Counts:
    """Count weighted events of any number of classes by truth and prediction.

    Args:
        labels: Index of the true class, shape (n,).
        predictions: Index of the predicted class, shape (n,).
        classes: Number of classes.
        weights: Weight of each event, shape (n,).
    Raises:
        ValueError: If there are no events, the lengths differ, a class index is not in [0, classes), or a
            weight is NaN or infinite.
    """
    truth, taken = unmasked(labels), unmasked(predictions)
    if truth.ndim != 1 or truth.shape != taken.shape or not len(truth):
        raise ValueError(f"labels {truth.shape} and predictions {taken.shape} must have one shape (n,), n > 0")
    for what, index in (("labels", truth), ("predictions", taken)):
        if len(wrong := np.setdiff1d(index, np.arange(classes))):
            raise ValueError(f"{what} must be class indices in [0, {classes}), but there are {wrong[:5].tolist()}")
    weight = event_weights(weights, len(truth))
    with extra("train", "a confusion matrix"):
        from sklearn.metrics import confusion_matrix
    value, variance = (
        confusion_matrix(truth, taken, labels=np.arange(classes), sample_weight=w) for w in (weight, weight**2)
    )
    return Counts(value, variance)


def _part(inside: list[Count], outside: list[Count]) -> Estimate:
    values = (sum(count.value for count in counts) for counts in (inside, outside))
    variances = (sum(count.variance for count in counts) for counts in (inside, outside))
    return proportion(*values, *variances)


def _quotient(above: Estimate, below: Estimate) -> Estimate:
    """Ratio of two independent estimates; 0 / 0 is undefined, x / 0 infinite with undefined error."""
    if not below.value > 0:
        return Estimate(math.inf if above.value > 0 and below.value == 0 else math.nan, math.nan)
    value = above.value / below.value
    return Estimate(value, math.hypot(above.error, value * below.error) / below.value)
