"""One look for all figures: colours, fonts, labels, legends, and how a figure becomes a file.

Figures are made without pyplot, so no backend is chosen, no window opens and none stays in memory; but in
notebooks, and where pyplot is interactive, it shows them. The style holds only while a figure is being made or saved;
matplotlib's own settings are never changed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import mplhep
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path as MplPath

from cortado.files import replacing

__all__ = ["COLOURS", "CURVES", "GREY", "entry", "legend", "png", "save", "style", "subplots", "write_label"]

# Ten colours that people with any colour vision can tell apart: Petroff, arXiv:2107.02270
COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581",
    "#92dadd",
)  # fmt: skip
GREY = "#717581"
CURVES = tuple(COLOURS[i] for i in (0, 2, 1, 4, 5, 6, 8, 9, 7, 3))  # for lines: the strongest first

_STYLE: Any = {
    **mplhep.style.CMS,
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],  # named, so that it stays when the style is left
    "font.size": 15,
    "axes.labelsize": 16,
    "axes.linewidth": 1.2,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.formatter.use_mathtext": True,
    "figure.figsize": (7.0, 6.0),
    "figure.dpi": 100,
    "lines.linewidth": 2.0,
    "legend.fontsize": 13,
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "xtick.major.size": 8,
    "ytick.major.size": 8,
    "xtick.minor.size": 4,
    "ytick.minor.size": 4,
}


@contextmanager
def style() -> Iterator[None]:
    """The look of our figures in a `with` block: mplhep's CMS style, smaller, in colours for everybody."""
    with mpl.rc_context(_STYLE):
        yield


def subplots(rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Figure and its axes (a single one, or an array of them).

    Pyplot knows of the figure in a notebook, where it then shows at the end of the cell, or if it is interactive.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        options: `figsize`, or anything for `Figure.subplots`.
    """
    # In a notebook pyplot's backend is known by name, and becomes interactive with the first figure.
    shows = mpl.is_interactive() or "inline" in (mpl.get_backend(auto_select=False) or "")
    make = plt.figure if shows else Figure
    figure = make(layout="constrained", figsize=options.pop("figsize", None))
    return figure, figure.subplots(rows, columns, **options)


def write_label(
    ax: Axes, *, experiment: str = "cortado", label: str | None = None, right: str = "", simulation: bool = True
) -> None:
    """Write "cortado Simulation", or what else is wanted, above the axes on the left, and what is shown on the right.

    Args:
        ax: The axes.
        experiment: In bold.
        label: Beside it, such as "Preliminary"; None: "Simulation", unless data are shown.
        right: Luminosity, energy, jet selection; mathematics between dollars.
        simulation: False where recorded data are shown.
    """
    name = ax.annotate(experiment, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
                       fontsize=18, fontweight="bold", va="bottom")  # fmt: skip
    if beside := ("Simulation" * simulation if label is None else label):
        ax.annotate(beside, (1, 0), (6, 0), xycoords=name, textcoords="offset points",
                    fontsize=15, fontstyle="italic", va="bottom")  # fmt: skip
    if right:
        ax.annotate(right, (1, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
                    fontsize=14, ha="right", va="bottom")  # fmt: skip


def entry(name: str) -> str:
    """A name as a legend shows it: matplotlib takes labels that begin with "_" for those of artists without one."""
    return rf"$\_${name[1:]}" if name.startswith("_") else name


def legend(ax: Axes, *, first: str = "", **options: Any) -> None:
    """Legend at the upper right; the vertical axis is raised until nothing that is drawn lies behind it.

    Args:
        ax: The axes, with everything drawn and all labels set.
        first: Title of the entry to put first.
        options: For `Axes.legend`.
    """
    entries = sorted(zip(*ax.get_legend_handles_labels()), key=lambda entry: entry[1] != first)
    box = ax.legend(*zip(*entries), loc="upper right", **options)
    box.set_in_layout(False)  # it lies inside: a long name must not make the axes smaller
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    low, high = box.get_window_extent().transformed(ax.transAxes.inverted()).get_points()
    behind = _highest(ax, low[0], high[0])
    if behind > low[1] - 0.01:
        _raise(ax, behind / max(low[1] - 0.02, 0.2))


def _highest(ax: Axes, left: float, right: float) -> float:
    """Upper end, as a fraction of the axes, of what is drawn between two fractions of its width."""
    artists = [*ax.lines, *ax.patches, *ax.collections]
    paths = [path for artist in artists for path in _paths(artist)]
    ends = [0.0]
    for path in paths:
        x, y = ax.transAxes.inverted().transform(ax.transData.transform_path(path).interpolated(8).vertices).T
        within = (x >= left) & (x <= right) & np.isfinite(y)
        ends.append(float(np.max(y, where=within, initial=0.0)))
    return min(max(ends), 1.0)


def _paths(artist: Any) -> list[MplPath]:
    return list(artist.get_paths()) if hasattr(artist, "get_paths") else [artist.get_path()]


def _raise(ax: Axes, factor: float) -> None:
    """Lengthen the vertical axis upwards by a factor, on its own scale."""
    transform = ax.yaxis.get_transform()
    bottom, top = transform.transform(np.array(ax.get_ylim()))
    raised = transform.inverted().transform(np.array([bottom + factor * (top - bottom)]))
    ax.set_ylim(top=float(raised[0]))


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 150) -> Path:
    """Write a figure, whole or not at all, in the format of the suffix (png if there is none); say where.

    The same figure gives the same bytes. Missing folders are made.

    Args:
        figure: Any matplotlib figure; it is closed if pyplot made it.
        path: Where to.
        dpi: Pixels per inch.
    Raises:
        ValueError: If matplotlib cannot write the format of the suffix.
    """
    target = Path(path)
    target = target if target.suffix else target.with_suffix(".png")
    kind = target.suffix.removeprefix(".").lower()
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial, style():
        figure.savefig(partial, format=kind, dpi=dpi, metadata=_UNDATED.get(kind))
    plt.close(figure)
    return target


def png(figure: Figure, *, dpi: int = 90) -> bytes:
    """A figure as the content of a PNG file; the same figure gives the same bytes.

    Args:
        figure: Any matplotlib figure.
        dpi: Pixels per inch.
    """
    content = io.BytesIO()
    with style():
        figure.savefig(content, format="png", dpi=dpi, metadata=_UNDATED["png"])
    return content.getvalue()


_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}
