"""Stacked samples with their uncertainties, over a ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import hist
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cortado.histograms import NOMINAL, project, systematic_of, systematic_shifts
from cortado.plotting.bins import Values, band, points, titles_of, values_of, vertical_range, yield_label
from cortado.plotting.style import COLOURS, CURVES, GREY, entry, legend, style, subplots, write_label

__all__ = ["stacked"]

Floats = NDArray[np.float64]


class _Model(NamedTuple):
    """Sum of samples, and its statistical and systematic uncertainty in quadrature, each of shape (bins,)."""

    value: Floats
    up: Floats
    down: Floats
    uncertainty: str  # what the legend calls it


def stacked(
    histogram: hist.Hist,
    names: Sequence[str] | Mapping[str, str],
    *,
    by: str = "dataset",
    data: str | None = None,
    signal: str | None = None,
    systematics: Sequence[str] | None = None,
    counted: str = "Jets",
    log: bool = False,
    right: str = "",
    experiment: str = "cortado",
    label: str | None = None,
) -> tuple[Figure, tuple[Axes, Axes]]:
    """Stacked samples with their uncertainty, and below them a ratio.

    The ratio is data over the sum; or, for a signal, the sum over the sum without it; or else every
    systematic variation over nominal. Its points carry the errors of the numerator, sqrt(sum w^2), the band
    those of the denominator, so that nothing is counted twice. For a signal only what the points do not share
    with the denominator is in their errors, the signal's own.

    Args:
        histogram: With the axis `by`, the axis to show, and perhaps `variation`.
        names: Categories of `by` to stack, bottom first, or what the legend calls them by category.
        by: The axis that tells the samples from each other.
        data: Category of `by` with the recorded data.
        signal: The one among the stacked categories that is looked for.
        systematics: Names of uncertainties without Up and Down; all that the histogram has if not given.
        counted: What is counted, for the vertical axis.
        log: Logarithmic vertical axis.
        right: Text above the frame: luminosity, region.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary"; None: "Simulation", unless data are shown.
    Returns:
        The figure, and the axes of the stack and of the ratio.
    Raises:
        KeyError: If the histogram has no such axis, category or uncertainty.
        ValueError: If all is empty, the signal is not in the stack or is all of it, both data and signal are
            given, or the histogram has further axes.
    """
    titles = titles_of(names)
    if data is not None and signal is not None:
        raise ValueError(f"one ratio at a time: to data ({data!r}) or of a signal ({signal!r})")
    if signal is not None and (signal not in titles or len(titles) == 1):
        raise ValueError(f"the signal {signal!r} must be stacked on something else; stacked are {list(titles)}")
    model = _model(histogram, list(titles), by, systematics)
    axis = project(histogram, list(titles), by=by).axes[0]
    if not np.any(model.value > 0):
        raise ValueError(f"nothing to stack: {list(titles)} are empty within the range of the axis {axis.name!r}")
    with style():
        figure, (ax, ratio_ax) = subplots(2, 1, sharex=True, height_ratios=(3, 1), figsize=(7.0, 7.0))
        _stack(ax, histogram, titles, by)
        hatch = {"facecolor": "none", "edgecolor": GREY, "hatch": "/////", "label": model.uncertainty}
        band(ax, axis.edges, model.value - model.down, model.value + model.up, **hatch)
        tops = model.value + model.up
        if data is not None:
            recorded = values_of(project(histogram, [data], by=by))
            points(ax, axis, recorded, label="Data")
            tops = np.concatenate([tops, recorded.value + recorded.error])
            _points_over(ratio_ax, axis, recorded, model, ylabel="Data / sim.")
        elif signal is not None:
            background = _model(histogram, [name for name in titles if name != signal], by, systematics)
            extra = values_of(project(histogram, [signal], by=by))
            above = Values(background.value + extra.value, extra.error)
            _points_over(ratio_ax, axis, above, background, ylabel="(S + B) / B")
        else:
            names = _variations(histogram, systematics)
            varied = {name: project(histogram, list(titles), by=by, variation=name).values() for name in names}
            _variations_over(ratio_ax, axis, varied, model)
        vertical_range(ax, tops, log=log)
        ax.set(xlim=(axis.edges[0], axis.edges[-1]), xlabel="", ylabel=yield_label(counted, axis))
        ratio_ax.set(xlabel=axis.label)
        figure.align_ylabels([ax, ratio_ax])
        write_label(ax, right=right, simulation=data is None, experiment=experiment, label=label)
        legend(ax, first="Data", ncols=2)
    return figure, (ax, ratio_ax)


def _model(histogram: hist.Hist, names: list[str], by: str, systematics: Sequence[str] | None) -> _Model:
    total = project(histogram, names, by=by)
    up, down = systematic_shifts(histogram, names, by=by, systematics=systematics)
    statistical = np.sqrt(total.variances())
    name = "Stat. + syst. unc." if np.any(up) or np.any(down) else "Stat. unc."
    return _Model(total.values(), np.hypot(statistical, up), np.hypot(statistical, down), name)


def _stack(ax: Axes, histogram: hist.Hist, titles: Mapping[str, str], by: str) -> None:
    mplhep.histplot(
        [project(histogram, [name], by=by) for name in titles],
        stack=True,
        histtype="fill",
        yerr=False,
        color=[COLOURS[i % len(COLOURS)] for i in range(len(titles))],
        label=list(titles.values()),
        flow="none",
        ax=ax,
    )


def _points_over(ax: Axes, axis: hist.axis.AxesMixin, above: Values, model: _Model, *, ylabel: str) -> None:
    nominal = _nonzero(model)
    values, errors = above.value / nominal, above.error / np.abs(nominal)
    points(ax, axis, Values(values, errors))
    _frame(ax, axis, model, values[errors < 0.3], ylabel)
    _mark_outside(ax, axis, values)


def _variations_over(ax: Axes, axis: hist.axis.AxesMixin, varied: Mapping[str, Floats], model: _Model) -> None:
    ratios = {name: values / _nonzero(model) for name, values in varied.items()}
    stems = list(dict.fromkeys(systematic_of(name) for name in varied))
    for name, values in ratios.items():
        stem, down = systematic_of(name), name.endswith("Down")
        ax.stairs(
            values,
            axis.edges,
            baseline=None,
            color=CURVES[stems.index(stem) % len(CURVES)],
            linestyle="--" if down else "-",
            linewidth=1.6,
            label=entry(stem) + (r" $\downarrow$" if down else r" $\uparrow$"),
        )
    _frame(ax, axis, model, np.concatenate([[1.0], *ratios.values()]), "Var. / nominal")
    if varied:
        longest = max(map(len, stems))
        legend(ax, ncols=max(1, min(4, _LETTERS // (longest + 8))), fontsize=11)


_LETTERS = 72  # that fit side by side in a legend


def _frame(ax: Axes, axis: hist.axis.AxesMixin, model: _Model, ratios: Floats, ylabel: str) -> None:
    """Band of the denominator, a line at one, and a range that holds the ratios and the typical band."""
    nominal = _nonzero(model)
    up, down = model.up / np.abs(nominal), model.down / np.abs(nominal)
    band(ax, axis.edges, 1 - down, 1 + up, color=GREY, alpha=0.35)
    ax.axhline(1.0, color="black", linewidth=0.8)
    low = np.nanmin([*ratios, 1 - 2 * np.nanmedian(down), 0.95])
    high = np.nanmax([*ratios, 1 + 2 * np.nanmedian(up), 1.05])
    margin = 0.12 * (high - low)
    ax.set_ylim(float(low - margin), float(high + margin))
    ax.set_ylabel(ylabel, loc="center")


def _mark_outside(ax: Axes, axis: hist.axis.AxesMixin, values: Floats) -> None:
    """Triangles at the edge of the frame for badly measured points beyond it."""
    low, high = ax.get_ylim()
    for beyond, edge, marker in ((values > high, 0.95, "^"), (values < low, 0.05, "v")):
        place = np.full(int(beyond.sum()), edge)
        ax.plot(axis.centers[beyond], place, marker, color="black", markersize=6, transform=ax.get_xaxis_transform())


def _nonzero(model: _Model) -> Floats:
    """The model's values, NaN where they are zero: nothing is drawn there."""
    return np.where(model.value != 0, model.value, np.nan)


def _variations(histogram: hist.Hist, systematics: Sequence[str] | None) -> list[str]:
    known = list(histogram.axes["variation"]) if "variation" in histogram.axes.name else []
    chosen = [name for name in known if name != NOMINAL]
    return [name for name in chosen if systematics is None or systematic_of(name) in systematics]
