"""Metrics: arrays in, numbers with uncertainties out."""

from cortado.metrics.calibration import Reliability, expected_calibration_error, reliability
from cortado.metrics.classification import RocCurve, auc, background_at, rejection, rejection_at, roc
from cortado.metrics.counting import (
    ConfusionMatrix,
    Count,
    Counts,
    confusion,
    confusion_counts,
    figures_of_merit,
)
from cortado.metrics.estimates import Estimate, effective_number, proportion

__all__ = [
    "ConfusionMatrix",
    "Count",
    "Counts",
    "Estimate",
    "Reliability",
    "RocCurve",
    "auc",
    "background_at",
    "confusion",
    "confusion_counts",
    "effective_number",
    "expected_calibration_error",
    "figures_of_merit",
    "proportion",
    "rejection",
    "rejection_at",
    "reliability",
    "roc",
]
