"""Shapes of generated and of reweighted showers over those of simulated ones, with ratios."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import hist
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cortado.histograms import project, systematic_shifts
from cortado.plotting.bins import band, titles_of, values_of, vertical_range, yield_label
from cortado.plotting.style import CURVES, GREY, legend, style, subplots, write_label

__all__ = ["shape_histograms"]

Floats = NDArray[np.float64]
_COLUMNS = 3  # of panels
_WELL_MEASURED = 0.1  # relative error of bins that set the range of the ratio


class _Shape(NamedTuple):
    """Shares of the showers in bins, and both of their uncertainties, each of shape (bins,)."""

    value: Floats
    up: Floats
    down: Floats


def shape_histograms(
    histograms: Sequence[hist.Hist],
    names: Sequence[str] | Mapping[str, str],
    *,
    reference: str = "simulated",
    by: str = "origin",
    log: Collection[str] = (),
    counted: str = "showers",
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[np.object_]]:
    """Shapes of samples as lines over that of the reference, and their ratio to it; a panel for each histogram.

    Samples are scaled to one, with what is out of range. Bands are statistical and systematic uncertainties in
    quadrature (those of a reweighting, for instance), in the ratio those of the sample alone; the reference has its own
    around one. Ratios beyond the frame are marked by triangles. Axes of bins that rise by a factor are logarithmic.

    Args:
        histograms: Each with the axis `by`, one to show, and perhaps `variation`.
        names: Categories of `by` to draw, the reference among them, or what the legend calls them by category.
        reference: The category that is drawn as an area, and divided by.
        by: The axis that tells the samples from each other.
        log: Names of the shown axes whose panels have a logarithmic vertical axis.
        counted: What is counted.
        right: Text above the frames: the particle and its energy.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure, and the axes of shapes and of ratios, shape (histograms, 2).
    Raises:
        KeyError: If a histogram has no such axis or category.
        ValueError: If there are no histograms, the reference is not among the names, a sample is empty, a histogram has
            further axes, or there is no panel of a name in `log`.
    """
    titles = titles_of(names)
    if reference not in titles:
        raise ValueError(f"the reference {reference!r} must be among the samples to draw; they are {list(titles)}")
    scaled = [_scaled_to_one(histogram, list(titles), by) for histogram in histograms]
    shown = [project(histogram, [reference], by=by).axes[0] for histogram in scaled]
    if not shown:
        raise ValueError("no histograms to draw")
    if unknown := set(log) - {axis.name for axis in shown}:
        raise ValueError(f"no panel of {sorted(unknown)} to draw logarithmically; there are {[a.name for a in shown]}")
    with style():
        figure, axes = _panels(len(shown))
        for pair, histogram, axis in zip(axes, scaled, shown):
            shapes = {name: _shape(histogram, name, by) for name in titles}
            _draw_shapes(pair[0], axis, shapes, titles, reference, log=axis.name in log)
            pair[0].set_ylabel(yield_label(f"Share of {counted}", axis))
            _draw_ratios(pair[1], axis, shapes, reference)
        figure.align_ylabels()
        legend(axes[0, 0], first=titles[reference])
        write_label(axes[0, 0], right=right if len(shown) == 1 else "", experiment=experiment, label=label)
        if len(shown) > 1:
            axes[min(len(shown), _COLUMNS) - 1, 0].set_title(right, fontsize=14, loc="right")
    return figure, axes


def _scaled_to_one(histogram: hist.Hist, names: list[str], by: str) -> hist.Hist:
    """Every sample under every variation divided by its sum, flow bins included."""
    for name in names:
        if not project(histogram, [name], by=by).sum(flow=True).value > 0:
            raise ValueError(f"{name!r} has no (or negative) weight: no shape of it to draw")
    position = histogram.axes.name.index(project(histogram, names[:1], by=by).axes[0].name)
    result = histogram.copy()
    view = result.view(flow=True)
    total = view["value"].sum(axis=position, keepdims=True)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total != 0)
    view["value"] *= scale
    view["variance"] *= scale**2
    return result


def _shape(histogram: hist.Hist, name: str, by: str) -> _Shape:
    values = values_of(project(histogram, [name], by=by))
    up, down = systematic_shifts(histogram, [name], by=by)
    return _Shape(values.value, np.hypot(values.error, up), np.hypot(values.error, down))


def _panels(number: int) -> tuple[Figure, NDArray[np.object_]]:
    """Figure of panels, and their upper and lower frames, shape (number, 2)."""
    columns = min(number, _COLUMNS)
    rows = math.ceil(number / columns)
    size = (7.0, 7.0) if number == 1 else (5.2 * columns, 5.4 * rows)
    figure, grid = subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 1] * rows, figsize=size)
    pairs = np.array([grid[2 * row : 2 * row + 2, column] for row in range(rows) for column in range(columns)])
    for ax in pairs[number:].ravel():
        ax.remove()
    for upper, lower in pairs[:number]:
        upper.sharex(lower)
        upper.tick_params(labelbottom=False)
    return figure, pairs[:number]


def _draw_shapes(
    ax: Axes,
    axis: hist.axis.AxesMixin,
    shapes: Mapping[str, _Shape],
    titles: Mapping[str, str],
    reference: str,
    *,
    log: bool,
) -> None:
    known = shapes[reference]
    ax.stairs(known.value, axis.edges, fill=True, color=GREY, alpha=0.35, label=titles[reference])
    hatch = {"facecolor": "none", "edgecolor": GREY, "hatch": "/////"}
    band(ax, axis.edges, known.value - known.down, known.value + known.up, **hatch)
    for colour, (name, shape) in zip(cycle(CURVES), _others(shapes, reference)):
        ax.stairs(shape.value, axis.edges, baseline=None, color=colour, linewidth=1.8, label=titles[name])
        band(ax, axis.edges, shape.value - shape.down, shape.value + shape.up, color=colour, alpha=0.3)
    vertical_range(ax, np.concatenate([shape.value for shape in shapes.values()]), log=log)


def _draw_ratios(ax: Axes, axis: hist.axis.AxesMixin, shapes: Mapping[str, _Shape], reference: str) -> None:
    below = shapes[reference]
    over = np.where(below.value > 0, below.value, np.nan)
    band(ax, axis.edges, 1 - below.down / over, 1 + below.up / over, color=GREY, alpha=0.35)
    ax.axhline(1.0, color="black", linewidth=0.8)
    ratios = [_Shape(*(column / over for column in shape)) for _, shape in _others(shapes, reference)]
    half = _half_range(ratios, below.up / over)
    for colour, ratio in zip(cycle(CURVES), ratios):
        known = np.isfinite(ratio.value)
        bars = np.stack([ratio.down, ratio.up])[:, known]
        ax.errorbar(axis.centers[known], ratio.value[known], bars, fmt="o", color=colour, markersize=3, linewidth=1.2)
        for beyond, place, marker in ((ratio.value > 1 + half, 0.93, "^"), (ratio.value < 1 - half, 0.07, "v")):
            height = np.full(int(beyond.sum()), place)
            ax.plot(
                axis.centers[beyond], height, marker, color=colour, markersize=5, transform=ax.get_xaxis_transform()
            )
    rising = axis.edges[0] > 0 and not np.allclose(axis.widths, axis.widths[0])
    factors = axis.edges[1:] / axis.edges[:-1] if rising else np.arange(2.0)
    ax.set(xscale="log" if np.allclose(factors, factors[0]) else "linear", xlim=(axis.edges[0], axis.edges[-1]))
    ax.set(xlabel=axis.label, ylim=(1 - half, 1 + half))
    ax.set_ylabel("Ratio", loc="center")


def _others(shapes: Mapping[str, _Shape], reference: str) -> list[tuple[str, _Shape]]:
    return [(name, shape) for name, shape in shapes.items() if name != reference]


def _half_range(ratios: Sequence[_Shape], error: Floats) -> float:
    """Half the height of the ratio's frame, between 0.1 and 1, that holds the well measured bins."""
    measured = error < _WELL_MEASURED
    largest = [float(np.max(np.abs(ratio.value[measured] - 1), initial=0.0)) for ratio in ratios]
    return min(max(1.2 * max(largest, default=0.0), 0.1), 1.0)
