"""What all figures of binned quantities need: titles, units, bands, points and vertical ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import hist
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cortado.plotting.style import entry

__all__ = ["Values", "band", "points", "titles_of", "unit_of", "values_of", "vertical_range", "yield_label"]

Floats = NDArray[np.float64]


class Values(NamedTuple):
    """Bin contents and their standard deviations, flow bins left out, both of shape (bins,)."""

    value: Floats
    error: Floats


def values_of(histogram: hist.Hist) -> Values:
    """Contents of a one-dimensional weighted histogram, with sqrt(sum w^2) as the errors."""
    return Values(histogram.values(), np.sqrt(histogram.variances()))


def titles_of(names: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Legend titles by category, as `entry` gives them; categories stand for themselves if none are given.

    Raises:
        ValueError: If nothing is named.
    """
    if not names:
        raise ValueError("nothing to draw: no names are given")
    titles = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
    return {name: entry(title) for name, title in titles.items()}


def unit_of(label: str) -> str:
    """Unit in an axis label, "GeV" of "Jet mass [GeV]"; empty if there is none."""
    match = re.search(r"\[([^\]]+)\]", label)
    return match[1] if match else ""


def yield_label(counted: str, axis: hist.axis.AxesMixin) -> str:
    """Label of a vertical axis, "Jets / 5 GeV", or "Jets / bin" where the bins differ in width."""
    if not np.allclose(axis.widths, axis.widths[0]):
        return f"{counted} / bin"
    return f"{counted} / {axis.widths[0]:.3g} {unit_of(axis.label)}".rstrip()


def band(ax: Axes, edges: Floats, low: Floats, high: Floats, **options: Any) -> None:
    """Fill between two step functions; `options` are those of `Axes.fill_between`."""
    lower, upper = (np.append(values, values[-1]) for values in (low, high))
    ax.fill_between(edges, lower, upper, step="post", linewidth=0, **options)


def points(ax: Axes, axis: hist.axis.AxesMixin, values: Values, **options: Any) -> None:
    """Points with vertical error bars at the centres of the bins; bins with NaN are left out."""
    known = np.isfinite(values.value)
    x, y, error = axis.centers[known], values.value[known], values.error[known]
    ax.errorbar(x, y, error, fmt="o", color="black", markersize=5, linewidth=1.3, **options)


def vertical_range(ax: Axes, values: Floats, *, log: bool) -> None:
    """From zero, or from half the smallest positive value (at most six decades down) when logarithmic."""
    top = float(np.nanmax(values))
    if log:
        lowest = float(np.min(values[values > 0]))
        ax.set(yscale="log", ylim=(max(lowest / 2, 1e-6 * top), 1.5 * top))
    else:
        ax.set_ylim(min(0.0, 1.1 * float(np.nanmin(values))), max(0.0, 1.08 * top))
