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
from cortado.metrics.vertex_matching import BinnedRate, Vertices, match_vertices, values_at, vertex_rate
from cortado.metrics.vertexing import (
    PairCounts,
    PartitionMerits,
    VertexFinding,
    adjusted_rand_index,
    count_pairs,
    pairwise_f1,
    partition_merits,
    rand_index,
    vertex_finding,
)

__all__ = [
    "BinnedRate",
    "ConfusionMatrix",
    "Count",
    "Counts",
    "Estimate",
    "PairCounts",
    "PartitionMerits",
    "Reliability",
    "RocCurve",
    "VertexFinding",
    "Vertices",
    "adjusted_rand_index",
    "auc",
    "background_at",
    "confusion",
    "confusion_counts",
    "count_pairs",
    "effective_number",
    "expected_calibration_error",
    "figures_of_merit",
    "match_vertices",
    "pairwise_f1",
    "partition_merits",
    "proportion",
    "rand_index",
    "rejection",
    "rejection_at",
    "reliability",
    "roc",
    "values_at",
    "vertex_finding",
    "vertex_rate",
]
