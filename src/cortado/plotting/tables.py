"""Figures of tables: the confusion matrix and the cutflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import hist
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cortado.histograms.names import require_names
from cortado.metrics import Counts, Estimate, proportion
from cortado.plotting.bins import titles_of
from cortado.plotting.style import CURVES, legend, style, subplots, write_label

__all__ = ["confusion_matrix", "cutflow"]


def confusion_matrix(
    counts: Counts, classes: Sequence[str], *, right: str = "", experiment: str = "cortado", label: str = "Simulation"
) -> tuple[Figure, Axes]:
    """For every true class the percentage that is taken for each class, with its error.

    Args:
        counts: From `metrics.confusion_counts`, shape (c, c) as (truth, prediction).
        classes: Names of the c classes.
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If the number of names is not that of the classes, or a true class has no events.
    """
    if counts.value.shape != (len(classes), len(classes)):
        raise ValueError(f"a matrix of shape {counts.value.shape} does not fit the classes {list(classes)}")
    if empty := [name for name, row in zip(classes, counts.value) if not row.sum() > 0]:
        raise ValueError(f"no events of the true classes {empty}: no percentages to show")
    share = counts.value / counts.value.sum(axis=1, keepdims=True)
    with style():
        figure, ax = subplots(figsize=(2.6 + 1.5 * len(classes), 1.9 + 1.3 * len(classes)))
        image = ax.imshow(100 * share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        figure.colorbar(image, ax=ax, label="Share of the true class [%]")
        for (row, column), value in np.ndenumerate(share):
            text = _percentage(_cell(counts, row, column))
            ax.text(column, row, text, ha="center", va="center", color="white" if value > 0.55 else "black")
        ax.set_xticks(range(len(classes)), classes)
        ax.set_yticks(range(len(classes)), classes, rotation=90, va="center")
        ax.tick_params(which="both", length=0)
        ax.minorticks_off()
        ax.set_xlabel("Predicted class", loc="center")
        ax.set_ylabel("True class", loc="center")
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def cutflow(
    histogram: hist.Hist,
    names: Sequence[str] | Mapping[str, str],
    *,
    by: str = "dataset",
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Part of the weight that is left after each cut, with its statistical error.

    Args:
        histogram: Weighted, with the axes `by` and `cut`; the first category of `cut` is before any cut, each
            further one is after that cut and all before.
        names: Categories of `by` to draw, or what the legend calls them by category.
        by: The axis that tells the curves from each other.
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        KeyError: If the histogram has not these axes and categories.
        ValueError: If a category has no events before the cuts.
    """
    titles = titles_of(names)
    require_names(histogram, "cut")
    require_names(histogram, by, list(titles))
    cuts = list(histogram.axes["cut"])
    left = {name: _efficiencies(histogram, name, by) for name in titles}
    with style():
        figure, ax = subplots()
        for colour, marker, (name, flow) in zip(cycle(CURVES), cycle("osD^v"), left.items()):
            values, errors = np.array([step[:2] for step in flow]).T
            ax.plot(range(len(cuts)), values, color=colour, drawstyle="steps-mid", linewidth=1.2)
            ax.errorbar(range(len(cuts)), values, errors, color=colour, fmt=marker, label=titles[name])
        lowest = min(step.value for flow in left.values() for step in flow)
        if 0 < lowest < 0.05:
            ax.set(yscale="log", ylim=(lowest / 2, 1.5))
        else:
            ax.set_ylim(0, 1.08)
        ax.set_xticks(range(len(cuts)), cuts, rotation=25, ha="right", rotation_mode="anchor")
        ax.tick_params(axis="x", which="minor", length=0)
        ax.set(xlim=(-0.5, len(cuts) - 0.5), ylabel="Fraction of events left")
        write_label(ax, right=right, experiment=experiment, label=label)
        legend(ax)
    return figure, ax


def _cell(counts: Counts, row: int, column: int) -> Estimate:
    value, variance = counts.value[row], counts.variance[row]
    others = np.arange(len(value)) != column
    return proportion(value[column], value[others].sum(), variance[column], variance[others].sum())


def _percentage(share: Estimate) -> str:
    return str(Estimate(100 * share.value, 100 * share.error)).replace(" ± ", "\n± ") + " %"


def _efficiencies(histogram: hist.Hist, name: str, by: str) -> list[Estimate]:
    flow = histogram[{by: name}].project("cut").view()
    first = flow[0]
    if not first["value"] > 0:
        raise ValueError(f"{name!r} has no events (of positive weight) before the cuts")
    return [
        proportion(
            step["value"],
            first["value"] - step["value"],
            step["variance"],
            max(first["variance"] - step["variance"], 0.0),
        )
        for step in flow
    ]
