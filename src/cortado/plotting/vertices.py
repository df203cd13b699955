"""How well vertices are found or numbers are learned: rates, means and other estimates in bins of anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from cortado.metrics import BinnedRate
from cortado.plotting.bins import vertical_range
from cortado.plotting.style import CURVES, entry, legend, style, subplots, write_label
from cortado.statistics import Estimate

__all__ = ["binned_estimates", "binned_means", "binned_rates"]

Floats = NDArray[np.float64]


def binned_rates(
    rates: Mapping[str, BinnedRate],
    edges: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Efficiency or purity of vertices in bins, of all finders in one frame.

    Bars are one-sigma Wilson intervals, which stay between 0 and 1, and the widths of the bins; empty bins have no
    point. Points of different finders are moved apart within their bin.

    Args:
        rates: From `metrics.vertex_rate`, by the name that the legend shows.
        edges: Edges of the bins of all of them, ascending, shape (bins + 1,).
        xlabel: What the bins are of, "Flight distance [mm]".
        ylabel: Of what it is the part, "Vertex efficiency".
        log: Logarithmic horizontal axis.
        right: Text above the frame: the selection of the jets.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no rates, or all bins are empty; if rates and edges do not fit together, the edges do
            not ascend, or one is not above 0 on a logarithmic axis.
    """
    points = {name: _rate_points(rate) for name, rate in rates.items()}
    return _binned(
        points, edges, xlabel=xlabel, ylabel=ylabel, log=log, right=right, experiment=experiment, label=label
    )


def binned_means(
    means: Mapping[str, tuple[ArrayLike, ArrayLike]],
    edges: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Mean of a figure of merit of jets, with its error, in bins of a property of the jets; all finders in one frame.

    A bin has a point if it holds two jets or more, since the mean of one has no error.

    Args:
        means: By the name that the legend shows: figure of merit and property of each jet, both of shape (n,). Jets
            where either is NaN (such as the F1 of a jet of one track) are left out.
        edges: Edges of the bins, ascending, shape (bins + 1,); an upper edge belongs to the next bin. Jets outside of
            them are not shown.
        xlabel: What the bins are of, "Number of tracks".
        ylabel: The figure of merit, "Mean F1".
        log: Logarithmic horizontal axis.
        right: Text above the frame: the selection of the jets.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no means, or no bin has two jets; if shapes differ, the edges do not ascend, or one is
            not above 0 on a logarithmic axis.
    """
    bounds = _ascending(edges, log=log)
    points = {name: _mean_points(name, values, x, bounds) for name, (values, x) in means.items()}
    return _binned(
        points, bounds, xlabel=xlabel, ylabel=ylabel, log=log, right=right, experiment=experiment, label=label
    )


def binned_estimates(
    estimates: Mapping[str, Sequence[Estimate]],
    edges: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Numbers with their errors in bins, such as the resolution in bins of the true mass; all series in one frame.

    Args:
        estimates: One for each bin, by the name that the legend shows; NaN where there is none.
        edges: Edges of the bins, ascending, shape (bins + 1,).
        xlabel: What the bins are of, "True mass [GeV]".
        ylabel: What is estimated, "Resolution [%]".
        log: Logarithmic horizontal axis.
        right: Text above the frame: the selection of the objects.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no estimates, or all are NaN; if their number is not that of the bins, the edges do not
            ascend, or one is not above 0 on a logarithmic axis.
    """
    points = {name: _estimated_points(series) for name, series in estimates.items()}
    return _binned(
        points,
        _ascending(edges, log=log),
        xlabel=xlabel,
        ylabel=ylabel,
        log=log,
        right=right,
        experiment=experiment,
        label=label,
    )


class _Points(NamedTuple):
    """Values and both ends of their bars, each of shape (bins,); NaN where there is no point."""

    value: Floats
    low: Floats
    high: Floats


def _rate_points(rate: BinnedRate) -> _Points:
    """The Wilson interval is not centred on the rate; `rate.error` is half its width."""
    filled = np.where(rate.entries > 0, rate.entries, np.nan)
    centre = (rate.value + 0.5 / filled) / (1 + 1 / filled)
    return _Points(rate.value, centre - rate.error, centre + rate.error)


def _estimated_points(series: Sequence[Estimate]) -> _Points:
    value, error = (np.array([getattr(one, name) for one in series], float) for name in ("value", "error"))
    return _Points(value, value - error, value + error)


def _mean_points(name: str, values: ArrayLike, x: ArrayLike, bounds: Floats) -> _Points:
    merit, at = np.asarray(values, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if merit.shape != at.shape or merit.ndim != 1:
        raise ValueError(f"values {merit.shape} and x {at.shape} of {name!r} must have one shape (n,)")
    used = np.isfinite(merit) & (at >= bounds[0]) & (at < bounds[-1])
    merit, bin_of = merit[used], np.searchsorted(bounds, at[used], side="right") - 1
    entries = np.bincount(bin_of, minlength=len(bounds) - 1)
    enough = np.where(entries > 1, entries, np.nan)
    mean = np.bincount(bin_of, merit, minlength=len(enough)) / enough
    squares = np.bincount(bin_of, (merit - mean[bin_of]) ** 2, minlength=len(enough))
    error = np.sqrt(squares / (enough - 1) / enough)
    return _Points(mean, mean - error, mean + error)


def _ascending(edges: ArrayLike, *, log: bool) -> Floats:
    bounds = np.asarray(edges, dtype=np.float64)
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"edges must be two or more ascending numbers, got {bounds.tolist()}")
    if log and bounds[0] <= 0:
        raise ValueError(f"edges must be above 0 on a logarithmic axis, the first is {bounds[0]:g}")
    return bounds


def _binned(
    series: Mapping[str, _Points],
    edges: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    log: bool,
    right: str,
    experiment: str,
    label: str,
) -> tuple[Figure, Axes]:
    bounds = _ascending(edges, log=log)
    if wrong := {name: len(points.value) for name, points in series.items() if len(points.value) != len(bounds) - 1}:
        raise ValueError(f"the edges are of {len(bounds) - 1} bins, but there are other numbers of them: {wrong}")
    ends = np.concatenate([np.empty(0), *(end for points in series.values() for end in (points.low, points.high))])
    if not np.isfinite(ends).any():
        raise ValueError(f"nothing to draw: no bin of {list(series)} is filled")
    with style():
        figure, ax = subplots()
        ax.set(xlim=(bounds[0], bounds[-1]), xlabel=xlabel, ylabel=ylabel, xscale="log" if log else "linear")
        places = 0.5 + (np.arange(len(series)) - (len(series) - 1) / 2) * min(0.08, 0.7 / len(series))
        for colour, marker, place, (name, points) in zip(cycle(CURVES), cycle("osD^vP*X"), places, series.items()):
            _series(ax, bounds, _within(bounds, place, log=log), points, color=colour, marker=marker, label=entry(name))
        vertical_range(ax, ends, log=False)
        legend(ax)
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def _within(bounds: Floats, place: float, *, log: bool) -> Floats:
    """Points at a fraction of the width of each bin, as it looks on the axis."""
    if log:
        return np.asarray(np.exp(_within(np.log(bounds), place, log=False)))
    return bounds[:-1] + place * np.diff(bounds)


def _series(ax: Axes, bounds: Floats, x: Floats, points: _Points, **options: Any) -> None:
    known = np.isfinite(points.value)
    sides = ([x - bounds[:-1], bounds[1:] - x], [points.value - points.low, points.high - points.value])
    across, up = (np.maximum(side, 0)[:, known] for side in sides)
    ax.errorbar(x[known], points.value[known], up, across, linestyle="", markersize=6, linewidth=1.3, **options)
