"""Arithmetic of filled histograms: luminosity, sums of data sets and their systematic uncertainties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import hist
import numpy as np
from numpy.typing import NDArray

from cortado.histograms.filling import NOMINAL
from cortado.histograms.names import require_names
from cortado.names import nearest

__all__ = ["project", "scale_to_luminosity", "systematic_of", "systematic_shifts"]

Floats = NDArray[np.float64]


def scale_to_luminosity(
    histogram: hist.Hist,
    cross_sections: Mapping[str, float],
    sum_of_weights: Mapping[str, float],
    luminosity: float,
) -> hist.Hist:
    """Simulated histogram scaled to the yield expected in collisions; the one given stays as it is.

    Args:
        histogram: With an axis `dataset`.
        cross_sections: Of every data set [pb].
        sum_of_weights: Of every data set, over all generated events, before any cut.
        luminosity: Integrated luminosity [1/fb].

    Raises:
        KeyError: If a data set has no cross section or no sum of weights.
        ValueError: If a sum of weights is zero.
    """
    datasets = list(histogram.axes["dataset"])
    for given, what in ((cross_sections, "cross section"), (sum_of_weights, "sum of weights")):
        for name in datasets:
            if name not in given:
                raise KeyError(f"no {what} for data set {name!r}; {nearest(name, given)}")
    if empty := [name for name in datasets if sum_of_weights[name] == 0]:
        raise ValueError(f"sum of weights is zero for {empty}: nothing to scale")
    scale = [1000.0 * luminosity * cross_sections[name] / sum_of_weights[name] for name in datasets]
    return _scaled(histogram, "dataset", np.array(scale))


def project(histogram: hist.Hist, names: Sequence[str], *, by: str = "dataset", variation: str = NOMINAL) -> hist.Hist:
    """One-dimensional sum of data sets (or of what `by` names) under one variation, flow bins included.

    A data set that was not filled under the variation (recorded data have none) enters with its nominal
    weights.

    Args:
        histogram: With the axis `by`, one axis to show, and perhaps `variation`. Others must be selected or
            summed
            before: nothing is summed silently, for jets may be in it once for every tagger.
        names: Categories of the axis `by` to add.
        by: The axis that tells the parts from each other.
        variation: Category of the axis `variation`.
    Raises:
        KeyError: If the histogram has no such axis or category.
        ValueError: If no names are given, or the histogram has further axes.
    """
    axis = _shown_axis(histogram, by)
    if not names:
        raise ValueError(f"no names on the axis {by!r} to add; there are {list(histogram.axes[by])}")
    varied = "variation" in histogram.axes.name
    require_names(histogram, by, names)
    if varied:
        require_names(histogram, "variation", [variation])
    total = hist.Hist(axis, storage=hist.storage.Weight())
    for name in names:
        part = histogram[{by: name}]
        total = total + (_under(part, variation) if varied else part)
    return total


def systematic_shifts(
    histogram: hist.Hist,
    names: Sequence[str],
    *,
    by: str = "dataset",
    systematics: Sequence[str] | None = None,
) -> tuple[Floats, Floats]:
    """Upward and downward shift of the sum of data sets, all systematic uncertainties added in quadrature.

    The data sets move together within one uncertainty; the uncertainties are taken as independent. If both
    variations of one move a bin to the same side, the larger counts.

    Args:
        histogram: As for `project`, its variations named as coffea names them: "taggerUp", "taggerDown"; a name
            without Up or Down is a variation to one side.
        names: Categories of the axis `by` to add.
        by: The axis that tells the parts from each other.
        systematics: Names without Up and Down; all that the histogram has if not given.
    Returns:
        Two arrays of shape (bins,), both positive.
    Raises:
        KeyError: If the histogram has no such axis, category or systematic uncertainty.
        ValueError: If no names are given, or the histogram has further axes.
    """
    nominal = project(histogram, names, by=by).values()
    known = list(histogram.axes["variation"]) if "variation" in histogram.axes.name else []
    chosen = _systematics(known) if systematics is None else systematics
    up, down = np.zeros_like(nominal), np.zeros_like(nominal)
    for systematic in chosen:
        pair = [systematic + side for side in ("Up", "Down", "") if systematic + side in known]
        if not pair:
            raise KeyError(f"no systematic uncertainty {systematic!r}; {nearest(systematic, _systematics(known))}")
        shifts = [project(histogram, names, by=by, variation=name).values() - nominal for name in pair]
        up += np.max([*shifts, np.zeros_like(nominal)], axis=0) ** 2
        down += np.min([*shifts, np.zeros_like(nominal)], axis=0) ** 2
    return np.sqrt(up), np.sqrt(down)


def _scaled(histogram: hist.Hist, axis: str, scale: NDArray[np.float64]) -> hist.Hist:
    position = histogram.axes.name.index(axis)
    result = histogram.copy()
    view = result.view(flow=True)
    extent = view.shape[position]
    if extent != len(scale) and np.any(view.take(range(len(scale), extent), axis=position)["variance"]):
        raise ValueError(f"axis {axis!r} has entries in its overflow bin, which belong to no {axis}")
    shape = [1] * view.ndim
    shape[position] = extent
    factor = np.append(scale, np.ones(extent - len(scale))).reshape(shape)
    view["value"] *= factor
    view["variance"] *= factor**2
    return result


def systematic_of(variation: str) -> str:
    """Systematic uncertainty that a variation belongs to: "tagger" for "taggerUp" and "taggerDown"."""
    return variation.removesuffix("Up").removesuffix("Down")


def _shown_axis(histogram: hist.Hist, by: str) -> hist.axis.AxesMixin:
    require_names(histogram, by)
    others = [name for name in histogram.axes.name if name not in (by, "variation")]
    if len(others) != 1:
        raise ValueError(
            f"needed are the axis {by!r} and one axis to show, but there are {others}: select or sum"
            ' first, as in histogram[{"region": "pass", "truth": sum}]'
        )
    return histogram.axes[others[0]]


def _under(part: hist.Hist, variation: str) -> hist.Hist:
    return part[{"variation": variation if is_varied(part, systematic_of(variation)) else NOMINAL}]


def is_varied(part: hist.Hist, systematic: str) -> bool:
    """Whether one data set was filled under a systematic: if up has events, none of them down is a result too."""
    names = {systematic + side for side in ("Up", "Down", "")} & set(part.axes["variation"])
    return any(part[{"variation": name}].view(flow=True)["variance"].any() for name in names)


def _systematics(variations: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(systematic_of(name) for name in variations if name != NOMINAL))
