"""Scores to event weights with up and down variations, the working points they rest on, and thresholds of alarms."""

from __future__ import annotations

from cortado.weights.correction_files import (
    efficiency_correction,
    measured_efficiency,
    threshold_correction,
    write_corrections,
)
from cortado.weights.corrections import Correction
from cortado.weights.false_alarms import (
    AlarmThreshold,
    FalseAlarms,
    alarm_threshold,
    binomial_interval,
    false_alarms,
)
from cortado.weights.likelihood_ratios import clipped, likelihood_ratio_weights, ratio_weights, require_prior
from cortado.weights.planing import planing_weights
from cortado.weights.scale_factors import ScaleFactor, jet_weights, per_event, working_point_weights
from cortado.weights.score_cuts import ScoreCut, score_cuts
from cortado.weights.target_distributions import TargetDistribution
from cortado.weights.unfolding import Unfolding, boosted_trees, learned_ratio, unfold
from cortado.weights.variations import WeightVariations
from cortado.weights.working_points import WorkingPoint, efficiency, working_points

__all__ = [
    "AlarmThreshold",
    "Correction",
    "FalseAlarms",
    "ScaleFactor",
    "ScoreCut",
    "TargetDistribution",
    "Unfolding",
    "WeightVariations",
    "WorkingPoint",
    "alarm_threshold",
    "binomial_interval",
    "boosted_trees",
    "clipped",
    "efficiency",
    "efficiency_correction",
    "false_alarms",
    "jet_weights",
    "learned_ratio",
    "likelihood_ratio_weights",
    "measured_efficiency",
    "per_event",
    "planing_weights",
    "ratio_weights",
    "require_prior",
    "score_cuts",
    "threshold_correction",
    "unfold",
    "working_point_weights",
    "working_points",
    "write_corrections",
]
