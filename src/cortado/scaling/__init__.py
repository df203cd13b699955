"""Scalings of features: fitted once on the training sample, or published, and stored with the model."""

from __future__ import annotations

from cortado.scaling.published import DEEP_SETS_SCALING, PARTICLENET_SCALING, SET2GRAPH_SCALING
from cortado.scaling.quantile import QuantileScaling, fit_quantiles
from cortado.scaling.standard import Moments, Scaling, fit, merge, moments

__all__ = [
    "DEEP_SETS_SCALING",
    "PARTICLENET_SCALING",
    "SET2GRAPH_SCALING",
    "Moments",
    "QuantileScaling",
    "Scaling",
    "fit",
    "fit_quantiles",
    "merge",
    "moments",
]
