"""Metrics: arrays in, numbers with uncertainties out."""

from __future__ import annotations

from cortado.metrics.agreement import Agreement, Closure, agreement, closure
from cortado.metrics.binned import Chi2, chi2_test, separation_power
from cortado.metrics.calibration import Reliability, expected_calibration_error, reliability
from cortado.metrics.classification import RocCurve, auc, background_at, rejection, rejection_at, roc
from cortado.metrics.clustered import clustered_auc
from cortado.metrics.counting import (
    ConfusionMatrix,
    Count,
    Counts,
    confusion,
    confusion_counts,
    figures_of_merit,
)
from cortado.metrics.decorrelation import distance_correlation, mass_sculpting
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
from cortado.metrics.significance import (
    SignificanceImprovement,
    significance_improvement,
    significance_improvement_at,
    significance_improvement_of,
)
from cortado.metrics.track_learning import (
    EdgeFinding,
    ParameterResiduals,
    edge_finding,
    hit_accuracy,
    parameter_residuals,
    track_pulls,
    track_residuals,
)
from cortado.metrics.track_matching import (
    Match,
    TrackMatches,
    acts_double_match,
    double_majority,
    lhc_match,
    match_tracks,
    perfect_match,
    trackml_scores,
)
from cortado.metrics.track_rates import ParticleKinematics, particle_kinematics, reconstructable, track_rate
from cortado.metrics.tracking import (
    TrackClasses,
    TrackFinding,
    classify_tracks,
    matched_particles,
    reconstructed_particles,
    sum_findings,
    track_finding,
)
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
from cortado.statistics import Estimate, Interval, clustered_proportion, proportion

__all__ = [
    "Agreement",
    "BinnedRate",
    "Chi2",
    "Closure",
    "ConfusionMatrix",
    "Count",
    "Counts",
    "Discrepancy",
    "EdgeFinding",
    "Estimate",
    "Interval",
    "Match",
    "NearestShowers",
    "PairCounts",
    "ParameterResiduals",
    "ParticleKinematics",
    "PartitionMerits",
    "Reliability",
    "Repeated",
    "Residuals",
    "RocCurve",
    "Separability",
    "ShapeDifference",
    "SignificanceImprovement",
    "TrackClasses",
    "TrackFinding",
    "TrackMatches",
    "VertexFinding",
    "Vertices",
    "acts_double_match",
    "adjusted_rand_index",
    "agreement",
    "auc",
    "background_at",
    "calibrate",
    "chi2_test",
    "classify_tracks",
    "closure",
    "clustered_auc",
    "clustered_proportion",
    "confusion",
    "confusion_counts",
    "count_pairs",
    "coverage",
    "distance_correlation",
    "double_majority",
    "edge_finding",
    "expected_calibration_error",
    "figures_of_merit",
    "frechet_distance",
    "frechet_physics_distance",
    "hit_accuracy",
    "jensen_shannon_divergence",
    "kernel_physics_distance",
    "lhc_match",
    "mass_sculpting",
    "match_tracks",
    "match_vertices",
    "matched_particles",
    "nearest_showers",
    "pairwise_f1",
    "parameter_residuals",
    "particle_kinematics",
    "partition_merits",
    "perfect_match",
    "proportion",
    "rand_index",
    "reconstructable",
    "reconstructed_particles",
    "rejection",
    "rejection_at",
    "reliability",
    "repeated",
    "residuals",
    "roc",
    "separability",
    "separation_power",
    "shape_difference",
    "significance_improvement",
    "significance_improvement_at",
    "significance_improvement_of",
    "sum_findings",
    "track_finding",
    "track_pulls",
    "track_rate",
    "track_residuals",
    "trackml_scores",
    "values_at",
    "vertex_finding",
    "vertex_rate",
    "wasserstein_distance",
    "weighted_quantiles",
]
