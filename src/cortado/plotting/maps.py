"""Monitoring maps to look at: what was counted, what was expected, and where they differ."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from cortado.plotting.style import COLOURS, style, subplots, write_label

__all__ = ["fault_map"]

Floats = NDArray[np.float64]

_MOST = 8.0  # pulls at which the colour scale ends
_NO_HITS = 1.0


def fault_map(
    counts: ArrayLike,
    expected: ArrayLike,
    pulls: ArrayLike,
    region: ArrayLike,
    *,
    right: str = "",
    simulation: bool = True,
    axes: tuple[str, str] = ("Column", "Row"),
    experiment: str = "cortado",
    label: str | None = None,
) -> tuple[Figure, NDArray[np.object_]]:
    """One map: counts, expected counts with the same colours, pulls with the outline of the regions that were found.

    Maps of one row are drawn as histograms: counts and expected counts above each other, pulls below.

    Args:
        counts: What was counted, shape (h, w).
        expected: What was expected, shape (h, w).
        pulls: How far apart they are, shape (h, w).
        region: Number of the region of each cell, 0 for none, shape (h, w).
        right: Text above the frames: run, lumisection, element.
        simulation: False where recorded data are shown.
        axes: Titles of columns and rows; of histograms there is none.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary"; None: "Simulation", unless data are shown.
    Returns:
        The figure and its axes, shape (3,), or (2,) for histograms.
    Raises:
        ValueError: If the four are not of one shape of rows and columns.
    """
    given = [np.asarray(each, np.float64) for each in (counts, expected, pulls, region)]
    if given[0].ndim != 2 or len({each.shape for each in given}) > 1:
        raise ValueError(
            f"a map has rows and columns, all the same, got {', '.join(str(each.shape) for each in given)}"
        )
    with style():
        if len(given[0]) == 1:
            return _histogram(
                *(each[0] for each in given), right=right, simulation=simulation, experiment=experiment, label=label
            )
        return _map(*given, right=right, simulation=simulation, titles=axes, experiment=experiment, label=label)


def _map(
    counts: Floats,
    expected: Floats,
    pulls: Floats,
    region: Floats,
    *,
    right: str,
    simulation: bool,
    titles: tuple[str, str],
    experiment: str,
    label: str | None,
) -> tuple[Figure, NDArray[np.object_]]:
    figure, axes = subplots(1, 3, figsize=(17, 5.2))
    # A noisy cell must not make the rest dark.
    most = max(1.4 * float(np.quantile(expected, 0.99)), _NO_HITS)
    for ax, values, title in zip(axes, (counts, expected), ("Hits", "Expected hits")):
        image = ax.imshow(values, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=most)
        figure.colorbar(image, ax=ax, label=title, extend="max" if values.max() > most else "neither", pad=0.02)
    image = axes[2].imshow(pulls, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-_MOST, vmax=_MOST)
    figure.colorbar(image, ax=axes[2], label="Pull", extend="both", pad=0.02)
    _outline(axes[2], region > 0)
    for ax in axes:
        ax.set_xlabel(titles[0])
        ax.set_ylabel(titles[1])
    write_label(axes[0], simulation=simulation, experiment=experiment, label=label)
    axes[2].set_title(right, fontsize=14, loc="right")
    return figure, axes


def _outline(ax: Axes, inside: NDArray[np.bool_]) -> None:
    """Lines around cells."""
    padded = np.pad(inside, 1)
    # Between a cell and its right, and its upper, neighbour; -1 is the edge of the map.
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    flat = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    ax.vlines(upright[:, 1] - 0.5, upright[:, 0] - 0.5, upright[:, 0] + 0.5, color="black", linewidth=1.8)
    ax.hlines(flat[:, 0] - 0.5, flat[:, 1] - 0.5, flat[:, 1] + 0.5, color="black", linewidth=1.8)


def _histogram(
    counts: Floats,
    expected: Floats,
    pulls: Floats,
    region: Floats,
    *,
    right: str,
    simulation: bool,
    experiment: str,
    label: str | None,
) -> tuple[Figure, NDArray[np.object_]]:
    figure, axes = subplots(2, 1, figsize=(8, 6.5), sharex=True, height_ratios=(2, 1))
    edges = np.arange(len(counts) + 1) - 0.5
    axes[0].stairs(counts, edges, color=COLOURS[0], linewidth=2, label="counted")
    axes[0].stairs(expected, edges, color=COLOURS[2], linewidth=1.5, linestyle="--", label="expected")
    axes[0].set_ylabel("Entries")
    axes[0].legend()
    axes[1].stairs(pulls, edges, color=COLOURS[0], fill=True)
    for bin_ in np.flatnonzero(region):
        axes[1].axvspan(bin_ - 0.5, bin_ + 0.5, color=COLOURS[1], alpha=0.4, linewidth=0)
    axes[1].axhline(0, color="black", linewidth=1)
    axes[1].set_ylabel("Pull")
    axes[1].set_xlabel("Bin")
    axes[0].yaxis.get_offset_text().set_x(-0.12)  # beside the label above the axes
    write_label(axes[0], right=right, simulation=simulation, experiment=experiment, label=label)
    return figure, axes
