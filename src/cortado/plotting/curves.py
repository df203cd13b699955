"""Curves: rejection against efficiency, training histories, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from cortado.metrics import Reliability, RocCurve, SignificanceImprovement, background_at
from cortado.plotting.style import COLOURS, CURVES, GREY, entry, legend, style, subplots, write_label

__all__ = ["calibration_curve", "learning_curves", "roc_curves", "significance_improvement"]

Floats = NDArray[np.float64]


def roc_curves(
    curves: Mapping[str, RocCurve], *, right: str = "", experiment: str = "cortado", label: str = "Simulation"
) -> tuple[Figure, Axes]:
    """Background rejection against signal efficiency of all models in one frame, with one-sigma bands.

    The band is the error of `metrics.background_at`, drawn as a factor so that it stays positive. A curve
    ends where no background passes any more.

    Args:
        curves: ROC curve by the name that the legend shows, with its area.
        right: Text above the frame: the selection of the jets.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no curves.
    """
    if not curves:
        raise ValueError("no ROC curves to draw")
    efficiency = np.linspace(0.02, 1.0, 491)
    with style():
        figure, ax = subplots()
        for colour, (name, curve) in zip(cycle(CURVES), curves.items()):
            rejection, low, high = _rejection_band(curve, efficiency)
            ax.plot(efficiency, rejection, color=colour, label=f"{entry(name)}  (AUC {_area(curve)})")
            ax.fill_between(efficiency, low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(efficiency, 1 / efficiency, color=GREY, linestyle=":", label="random")
        # A curve without any background has no point.
        top = max(np.max(line.get_ydata(), initial=1.0, where=np.isfinite(line.get_ydata())) for line in ax.get_lines())
        ax.set(xlim=(0, 1), ylim=(1, 3 * top), yscale="log")
        ax.set(xlabel=r"Signal efficiency $\varepsilon_S$", ylabel=r"Background rejection $1/\varepsilon_B$")
        legend(ax)
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def significance_improvement(
    curves: Mapping[str, SignificanceImprovement | Sequence[SignificanceImprovement]],
    *,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Significance improvement against background efficiency of all methods in one frame.

    Of several seeds the mean is drawn with their spread, of one its statistical error. A curve ends at its floor of
    background events.

    Args:
        curves: From `metrics.significance_improvement`, one or those of several seeds, by the name that the legend
            shows.
        right: Text above the frame: the sample.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no curves, or they have different floors.
    """
    seeds = {name: [c] if isinstance(c, SignificanceImprovement) else list(c) for name, c in curves.items()}
    floors = {curve.floor for each in seeds.values() for curve in each}
    if len(floors) != 1 or not all(seeds.values()):
        raise ValueError(f"curves of one floor of background events are needed, one or more of each name; got {floors}")
    with style():
        figure, ax = subplots()
        for colour, (name, each) in zip(cycle(CURVES), seeds.items()):
            background, mean, width = _over_seeds(each)
            ax.plot(background, mean, color=colour, label=entry(name))
            ax.fill_between(background, mean - width, mean + width, color=colour, alpha=0.25, linewidth=0)
        lowest = min(line.get_xdata()[0] for line in ax.get_lines())
        background = np.geomspace(lowest, 1, 200)
        ax.plot(background, np.sqrt(background), color=GREY, linestyle=":", label="random")
        top = max(np.max(line.get_ydata()) for line in ax.get_lines())
        ax.set(xlim=(lowest, 1), ylim=(0, 1.5 * top), xscale="log")
        ax.set(xlabel=r"Background efficiency $\varepsilon_B$", ylabel=_IMPROVEMENT)
        ax.legend(loc="upper right", title=f"at least {floors.pop():g} background events")
        write_label(ax, right=right, experiment=experiment, label=label)
    return figure, ax


def learning_curves(
    table: Mapping[str, ArrayLike],
    *,
    epoch: str = "epoch",
    titles: Mapping[str, str] | None = None,
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[np.object_]]:
    """Every quantity of a training against the epoch: a frame for each, training and validation together.

    Args:
        table: Columns by name, each of shape (rows,): "train_loss", "validation_loss", "validation_auc", ...
            NaN where a row has no entry.
        epoch: The column of the horizontal axis.
        titles: Of quantities, such as {"loss": study.task.loss_title}; others are called by their name.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (frames,).
    Raises:
        KeyError: If there is no such epoch column, or no other column of training or validation.
    """
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in table.items()}
    if epoch not in columns:
        raise KeyError(f"no column {epoch!r} to draw against; there are {list(columns)}")
    quantities = _quantities(columns)
    titles = _TITLES | dict(titles or {})
    if not quantities:
        raise KeyError(f"no column begins with {list(_STAGES)}; there are {list(columns)}")
    with style():
        figure, axes = subplots(1, len(quantities), squeeze=False, figsize=(6 * len(quantities), 4.8))
        for ax, (quantity, stages) in zip(axes[0], quantities.items()):
            _history(ax, columns[epoch], stages)
            ax.set(xlabel="Epoch", ylabel=titles.get(quantity, quantity.replace("_", " ").capitalize()))
        write_label(axes[0, 0], experiment=experiment, label=label)
    return figure, axes[0]


def calibration_curve(
    curves: Mapping[str, Reliability], *, experiment: str = "cortado", label: str = "Simulation"
) -> tuple[Figure, Axes]:
    """Signal fraction against mean score, with errors; a calibrated score lies on the diagonal.

    Args:
        curves: From `metrics.reliability`, by the name that the legend shows.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no curves.
    """
    if not curves:
        raise ValueError("no calibration curves to draw")
    with style():
        figure, ax = subplots()
        ax.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="calibrated")
        for colour, marker, (name, curve) in zip(cycle(CURVES), cycle("osD^vP*X<>"), curves.items()):
            ax.errorbar(
                curve.score,
                curve.fraction,
                curve.error,
                color=colour,
                marker=marker,
                linewidth=1.2,
                label=entry(name),
            )
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Mean score", ylabel="Signal fraction")
        ax.legend(loc="upper left")
        write_label(ax, experiment=experiment, label=label)
    return figure, ax


class _Stage(NamedTuple):
    name: str
    colour: str
    line: str


_STAGES = {
    "train": _Stage("training", COLOURS[0], "--"),
    "validation": _Stage("validation", COLOURS[2], "-"),
    "val": _Stage("validation", COLOURS[2], "-"),
}
_IMPROVEMENT = r"Significance improvement $\varepsilon_S\,/\,\varepsilon_B^{1/2}$"
_TITLES = {
    "auc": "Area under the ROC curve",
    "rejection": r"$1/\varepsilon_B$ at $\varepsilon_S = 50\,\%$",
}


def _quantities(columns: Mapping[str, Floats]) -> dict[str, list[tuple[_Stage, Floats]]]:
    quantities: dict[str, list[tuple[_Stage, Floats]]] = {}
    for name, column in columns.items():
        stage, _, quantity = name.partition("_")
        if stage in _STAGES and quantity:
            quantities.setdefault(quantity, []).append((_STAGES[stage], column))
    return quantities


def _history(ax: Axes, epoch: Floats, stages: list[tuple[_Stage, Floats]]) -> None:
    for stage, column in stages:
        known = np.isfinite(column)
        ax.plot(
            epoch[known], column[known], color=stage.colour, linestyle=stage.line, marker="o", markersize=4,
            label=stage.name,
        )  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.minorticks_off()
    ax.legend(loc="best")


def _area(curve: RocCurve) -> str:
    """A separation that is perfect but for one in ten thousand needs no more digits."""
    return "> 0.9999" if curve.auc.value > 0.9999 else str(curve.auc)


def _over_seeds(curves: list[SignificanceImprovement]) -> tuple[Floats, Floats, Floats]:
    """Background efficiency, improvement and its error, where all curves have a threshold; shape (200,) each."""
    background = np.geomspace(max(curve.background_efficiency[-1] for curve in curves), 1, 200)
    # Curves are steps: of each the loosest threshold that keeps no more background is read.
    allowed = background * (1 + 1e-12)
    index = [len(c.thresholds) - np.searchsorted(c.background_efficiency[::-1], allowed, "right") for c in curves]
    each = np.array([c.improvement[i] for c, i in zip(curves, index)])
    width = each.std(axis=0, ddof=1) if len(curves) > 1 else curves[0].error[index[0]]
    return background, each.mean(axis=0), width


def _rejection_band(curve: RocCurve, efficiency: Floats) -> tuple[Floats, Floats, Floats]:
    background, error = background_at(curve, efficiency)
    known = np.where(background > 0, background, np.nan)
    factor = np.exp(error / known)
    return 1 / known, 1 / (known * factor), factor / known
