"""Axes of the histograms, and empty histograms made of them."""

from __future__ import annotations

import hist
import numpy as np

__all__ = ["axis_category", "axis_dataset", "axis_mass", "axis_pt", "axis_score", "axis_variation", "book"]

PROTECTED = ("weight", "sample", "threads")  # keywords of `hist.Hist.fill`


def axis_dataset() -> hist.axis.StrCategory:
    """Axis of data sets, which grows as they come."""
    return axis_category("dataset", "Data set")


def axis_variation() -> hist.axis.StrCategory:
    """Axis of weight variations, which grows as they come; the first is called "nominal"."""
    return axis_category("variation", "Variation")


def axis_category(name: str, label: str = "") -> hist.axis.StrCategory:
    """Axis of names (regions, taggers, ...), which grows as they come."""
    return hist.axis.StrCategory([], growth=True, name=name, label=label)


def axis_mass(bins: int = 40, start: float = 0.0, stop: float = 200.0) -> hist.axis.Regular:
    """Axis of the jet mass [GeV]."""
    return hist.axis.Regular(bins, start, stop, name="mass", label="Jet mass [GeV]")


def axis_pt(bins: int = 40, start: float = 400.0, stop: float = 800.0) -> hist.axis.Regular:
    """Axis of the jet's transverse momentum [GeV]."""
    return hist.axis.Regular(bins, start, stop, name="pt", label=r"Jet $p_\mathrm{T}$ [GeV]")


def axis_score(bins: int = 50) -> hist.axis.Regular:
    """Axis of a tagger's score in [0, 1]; its last bin includes the score of exactly 1."""
    return hist.axis.Regular(bins, 0.0, np.nextafter(1.0, 2.0), name="score", label="Score")


def book(*axes: hist.axis.AxesMixin) -> hist.Hist:
    """Empty weighted histogram with the axes `dataset`, `variation` and those given.

    Raises:
        ValueError: If an axis has a name that hist keeps for itself, or drops what is out of its range.
    """
    for axis in axes:
        if axis.name in PROTECTED or not axis.name:
            raise ValueError(f"axis name {axis.name!r} cannot be filled: needed is a name, and none of {PROTECTED}")
        _require_lossless(axis)
    return hist.Hist(axis_dataset(), axis_variation(), *axes, storage=hist.storage.Weight())


def _require_lossless(axis: hist.axis.AxesMixin) -> None:
    traits = axis.traits
    below = traits.underflow or traits.circular or not traits.ordered
    if not (traits.growth or (below and traits.overflow) or isinstance(axis, hist.axis.Boolean)):
        raise ValueError(f"axis {axis.name!r} has no flow bins: entries out of its range would be lost")
