"""Histograms of weighted jets: axes, filling with every weight variation, luminosity, sums.

All histograms are `hist.Hist` with `Weight` storage (sum of weights and sum of squared weights), a `dataset`
axis and a `variation` axis that grow as they are filled, so that chunks may be merged in any order. Nothing
falls out: every axis needs its under- and overflow bins, and the sum over all bins, flow included, is the sum
of weights.
"""

from __future__ import annotations

from cortado.histograms.axes import (
    axis_category,
    axis_dataset,
    axis_mass,
    axis_pt,
    axis_score,
    axis_variation,
    book,
)
from cortado.histograms.filling import NOMINAL, VariedWeights, fill_variations, varied_weights
from cortado.histograms.sums import is_varied, project, scale_to_luminosity, systematic_of, systematic_shifts

__all__ = [
    "NOMINAL",
    "VariedWeights",
    "axis_category",
    "axis_dataset",
    "axis_mass",
    "axis_pt",
    "axis_score",
    "axis_variation",
    "book",
    "fill_variations",
    "is_varied",
    "project",
    "scale_to_luminosity",
    "systematic_of",
    "systematic_shifts",
    "varied_weights",
]
