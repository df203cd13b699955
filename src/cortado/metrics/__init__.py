"""Metrics: arrays in, numbers with uncertainties out."""

from cortado.metrics.binned import Chi2, chi2_test, separation_power
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
from cortado.metrics.discrimination import (
    Repeated,
    Separability,
    calibrate,
    jensen_shannon_divergence,
    repeated,
    separability,
)
from cortado.metrics.distributions import Discrepancy, ShapeDifference, shape_difference, wasserstein_distance
from cortado.metrics.regression import Residuals, coverage, residuals, weighted_quantiles
from cortado.metrics.showers import NearestShowers, nearest_showers
from cortado.metrics.two_samples import frechet_distance, frechet_physics_distance, kernel_physics_distance
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
from cortado.statistics import Estimate, proportion

__all__ = [
    "BinnedRate",
    "Chi2",
    "ConfusionMatrix",
    "Count",
    "Counts",
    "Discrepancy",
    "Estimate",
    "NearestShowers",
    "PairCounts",
    "PartitionMerits",
    "Reliability",
    "Repeated",
    "Residuals",
    "RocCurve",
    "Separability",
    "ShapeDifference",
    "VertexFinding",
    "Vertices",
    "adjusted_rand_index",
    "auc",
    "background_at",
    "calibrate",
    "chi2_test",
    "confusion",
    "confusion_counts",
    "count_pairs",
    "coverage",
    "expected_calibration_error",
    "figures_of_merit",
    "frechet_distance",
    "frechet_physics_distance",
    "jensen_shannon_divergence",
    "kernel_physics_distance",
    "match_vertices",
    "nearest_showers",
    "pairwise_f1",
    "partition_merits",
    "proportion",
    "rand_index",
    "rejection",
    "rejection_at",
    "reliability",
    "repeated",
    "residuals",
    "roc",
    "separability",
    "separation_power",
    "shape_difference",
    "values_at",
    "vertex_finding",
    "vertex_rate",
    "wasserstein_distance",
    "weighted_quantiles",
]
