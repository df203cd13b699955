"""Shapes: distributions scaled to unit area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import hist
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cortado.histograms import project
from cortado.plotting.bins import Values, band, titles_of, unit_of, values_of, vertical_range
from cortado.plotting.style import CURVES, legend, style, subplots, write_label

__all__ = ["score_distributions"]


def score_distributions(
    histogram: hist.Hist,
    names: Sequence[str] | Mapping[str, str],
    *,
    by: str = "dataset",
    log: bool = True,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Shapes of a distribution, each scaled to unit area, with bands of the statistical error.

    Args:
        histogram: With the axis `by`, the axis to show, and perhaps `variation` (the nominal one is drawn).
        names: Categories of `by` to draw, or what the legend calls them by category.
        by: The axis that tells the curves from each other; "truth" for those of b, c and light jets, say.
        log: Logarithmic vertical axis.
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        KeyError: If the histogram has no such axis or category.
        ValueError: If a category is empty, or the histogram has further axes.
    """
    titles = titles_of(names)
    parts = {name: project(histogram, [name], by=by) for name in titles}
    shapes = {name: _unit_area(name, part) for name, part in parts.items()}
    axis = next(iter(parts.values())).axes[0]
    with style():
        figure, ax = subplots()
        for colour, (name, shape) in zip(cycle(CURVES), shapes.items()):
            mplhep.histplot(shape.value, axis.edges, yerr=False, color=colour, linewidth=2, label=titles[name], ax=ax)
            band(ax, axis.edges, shape.value - shape.error, shape.value + shape.error, color=colour, alpha=0.3)
        vertical_range(ax, np.concatenate([shape.value for shape in shapes.values()]), log=log)
        unit = unit_of(axis.label)
        ax.set(xlim=(axis.edges[0], axis.edges[-1]), xlabel=axis.label)
        ax.set_ylabel("Probability density" + (f" [1/{unit}]" if unit else ""))
        write_label(ax, right=right, experiment=experiment, label=label)
        legend(ax)
    return figure, ax


def _unit_area(name: str, part: hist.Hist) -> Values:
    """Density and its error; the norm, fixed to one, has none."""
    values = values_of(part)
    total = values.value.sum()
    if not total > 0:
        raise ValueError(f"{name!r} has no (or negative) weight within the axis range: no shape to draw")
    scale = total * part.axes[0].widths
    return Values(values.value / scale, values.error / scale)
