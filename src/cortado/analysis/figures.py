"""Figures of a study, and the histograms that they show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hist
from numpy.typing import ArrayLike

from cortado import plotting
from cortado.histograms import axis_category

__all__ = ["histogram_of", "save_figures"]


def histogram_of(axis: hist.axis.AxesMixin, columns: Mapping[str, ArrayLike], *, by: str = "kind") -> hist.Hist:
    """One quantity of several kinds of objects, as a histogram.

    Args:
        axis: Of the quantity, with a name.
        columns: Its values by kind, each of shape (n,).
        by: Name of the axis of kinds.
    """
    histogram = hist.Hist(axis_category(by), axis, storage=hist.storage.Weight())
    for kind, values in columns.items():
        histogram.fill(**{by: kind, axis.name: values})
    return histogram


def save_figures(figures: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Write figures as PNG.

    Args:
        figures: By name of the file: what a function of `plotting` returns, a figure and its axes.
        folder: Where they go.
    Returns:
        The files.
    """
    return [plotting.save(figure, Path(folder) / f"{name}.png") for name, (figure, *_) in figures.items()]
