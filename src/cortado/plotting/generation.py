"""What generators cost and what they are worth: time per shower, fidelity against training time, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from cortado.plotting.style import CURVES, GREY, entry, legend, style, subplots, write_label
from cortado.statistics import Estimate, effective_sample_size

__all__ = ["auc_against_time", "time_against_size", "weight_distribution"]

Floats = NDArray[np.float64]
_MARKERS = "osD^vP*X"
_DASHES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))


def time_against_size(
    times: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    references: Mapping[str, float] | None = None,
    xlabel: str = "Batch size",
    ylabel: str = "Time per shower [ms]",
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Time against size, both logarithmic, with other times as horizontal lines: of showers against their batch size.

    Args:
        times: Sizes and times [ms], shape (points,) both, by the name that the legend shows.
        references: Times [ms] that do not depend on the size, by name.
        xlabel: What is counted.
        ylabel: What takes the time.
        right: Text above the frame: the processor.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no times, shapes differ, or a number is not positive.
    """
    series = {name: _positive_pair(name, *pair) for name, pair in times.items()}
    lines = {name: float(value) for name, value in (references or {}).items()}
    if not series:
        raise ValueError("no times to draw")
    if wrong := {name: value for name, value in lines.items() if not value > 0}:
        raise ValueError(f"times per shower must be positive, those of the references are {wrong}")
    with style():
        figure, ax = subplots(figsize=(7.6, 6.0))
        ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        for colour, marker, (name, (sizes, values)) in zip(cycle(CURVES), cycle(_MARKERS), series.items()):
            ax.plot(sizes, values, color=colour, marker=marker, markersize=6, label=entry(name))
        _reference_lines(ax, lines)
        everything = np.concatenate([*(values for _, values in series.values()), list(lines.values())])
        ax.set_ylim(everything.min() / 2, 2 * everything.max())
        legend(ax, fontsize=11)
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def auc_against_time(
    curves: Mapping[str, tuple[ArrayLike, Sequence[Estimate]]],
    *,
    references: Mapping[str, float] | None = None,
    unit: str = "min",
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Area under the ROC curve of classifiers of generated showers, against the time that the generator was trained.

    Args:
        curves: Times of training and areas with their errors, (points,) each, by the name that the legend shows.
        references: Areas that others published, by name.
        unit: Of the time.
        right: Text above the frame: the particle and the classifier.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no curves, or the lengths differ, or a time is not positive.
    """
    series = {name: _positive_pair(name, x, [1.0] * len(areas))[0] for name, (x, areas) in curves.items()}
    if not series:
        raise ValueError("no areas to draw")
    with style():
        figure, ax = subplots(figsize=(7.6, 6.0))
        ax.set(xscale="log", xlabel=f"Time of training [{unit}]", ylabel="AUC, generated against simulated")
        for colour, marker, (name, x) in zip(cycle(CURVES), cycle(_MARKERS), series.items()):
            areas = curves[name][1]
            y, error = ([getattr(area, field) for area in areas] for field in ("value", "error"))
            ax.plot(x, y, color=colour, marker=marker, markersize=6, linewidth=1.6, label=entry(name))
            ax.errorbar(x, y, error, fmt="none", color=colour, linewidth=1.6)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # a training rarely spans decades
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        _reference_lines(ax, references or {})
        ax.axhline(0.5, color="black", linewidth=0.8)
        ax.set_ylim(0.48, 1.02)
        legend(ax, fontsize=11)
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def weight_distribution(
    weights: Mapping[str, ArrayLike],
    *,
    bins: int = 60,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Weights of reweighted showers over their mean, both axes logarithmic; the legend has their effective number.

    Args:
        weights: Weights of all showers, shape (n,), by the name that the legend shows.
        bins: Number of bins between the smallest and the largest weight.
        right: Text above the frame: the particle and its energy.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no weights, or one is not positive.
    """
    series = {name: _positive(name, np.asarray(values, dtype=np.float64)) for name, values in weights.items()}
    if not series:
        raise ValueError("no weights to draw")
    relative = {name: values / values.mean() for name, values in series.items()}
    ends = np.array([end for values in relative.values() for end in (values.min(), values.max())])
    edges = np.geomspace(ends.min() / 1.1, 1.1 * ends.max(), bins + 1)
    with style():
        figure, ax = subplots()
        for colour, (name, values) in zip(cycle(CURVES), relative.items()):
            share = effective_sample_size(values) / len(values)
            counts = np.histogram(values, edges)[0] / len(values)
            ax.stairs(
                counts, edges, color=colour, linewidth=2, label=rf"{entry(name)}  ($n_\mathrm{{eff}}/n$ = {share:.3f})"
            )
        ax.set(xscale="log", yscale="log", xlim=(edges[0], edges[-1]))
        ax.set(xlabel="Weight / mean weight", ylabel="Share of showers / bin")
        legend(ax)
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def _positive_pair(name: str, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    first, second = (_positive(name, np.asarray(values, dtype=np.float64)) for values in (x, y))
    if first.shape != second.shape:
        raise ValueError(f"points of {name!r} have {len(first)} places and {len(second)} values")
    return first, second


def _positive(name: str, values: Floats) -> Floats:
    wrong = values[~((values > 0) & np.isfinite(values))]
    if values.ndim != 1 or len(wrong) or not len(values):
        raise ValueError(
            f"{name!r} must be positive numbers of shape (n,) on a logarithmic axis, got {values.shape}, "
            f"{len(wrong)} of them not positive: {wrong[:3].tolist()}"
        )
    return values


def _reference_lines(ax: Axes, references: Mapping[str, float]) -> None:
    ends = ax.get_xlim()
    for dashes, (name, value) in zip(cycle(_DASHES), references.items()):
        ax.plot(ends, (value, value), color=GREY, linestyle=dashes, linewidth=1.6, label=entry(name))
    ax.set_xlim(ends)
