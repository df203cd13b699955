"""Showers to look at: averages of samples, layer by layer, and single ones beside their nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike, NDArray

from cortado.calorimeter import Geometry, layer_names
from cortado.calorimeter import layers as in_layers
from cortado.plotting.style import style, subplots, write_label

__all__ = ["average_showers", "shower_neighbours"]

Floats = NDArray[np.float64]
_DECADES = 5  # of the logarithmic colour scale
_MOST_LAYERS = 8  # that a figure can show
_ARC = np.pi / 36  # largest step in azimuth in which circles are drawn


def average_showers(
    averages: Mapping[str, ArrayLike],
    geometry: Geometry,
    *,
    layers: Sequence[int] | None = None,
    half_width: float | None = None,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[np.object_]]:
    """Average energy of each cell: a row of frames for each sample, a column for each layer.

    Each layer has one logarithmic colour scale, five decades at most, for all samples; what is below has the lowest
    colour, cells without energy are white.

    Args:
        averages: Mean energies of all cells [GeV], shape (cells,) in the order of `calorimeter.cells`, by the name that
            the figure shows.
        geometry: The calorimeter.
        layers: Positions of the layers to show; all of them if not given.
        half_width: From the centre of each frame to its edge [mm]; that of the layer if not given.
        right: Text above the frames: the particle and its energy.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (samples, layers).
    Raises:
        ValueError: If there are no averages, they are not of the calorimeter's cells, there is no such layer or more
            than eight, or no cell has energy or one is not finite.
    """
    cells = np.array([np.asarray(one, dtype=np.float64) for one in averages.values()])
    unit = "Mean energy per cell [MeV]"
    return _grid(
        cells[:, None],
        list(averages),
        ("",),
        geometry,
        layers,
        half_width,
        unit=unit,
        right=right,
        experiment=experiment,
        label=label,
    )


def shower_neighbours(
    generated: ArrayLike,
    simulated: ArrayLike,
    energy: ArrayLike,
    geometry: Geometry,
    *,
    layers: Sequence[int] | None = None,
    half_width: float | None = None,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[np.object_]]:
    """Single generated showers, one a row, each layer beside that of the simulated shower that is nearest.

    Colours as in `average_showers`, with one scale for each layer.

    Args:
        generated: Cells of a few generated showers [GeV], shape (n, cells).
        simulated: Cells of their nearest simulated showers [GeV], shape (n, cells); see `metrics.nearest_showers`.
        energy: Incident energies of the generated showers [GeV], shape (n,).
        geometry: The calorimeter.
        layers: Positions of the layers to show; all of them if not given.
        half_width: From the centre of each frame to its edge [mm]; that of the layer if not given.
        right: Text above the frames: the particle and the generator.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (n, 2 layers).
    Raises:
        ValueError: If there are not as many showers of each kind, or for the reasons of `average_showers`.
    """
    above, below = (np.asarray(cells, dtype=np.float64) for cells in (generated, simulated))
    energies = np.asarray(energy, dtype=np.float64)
    if above.shape != below.shape or energies.shape != above.shape[:1]:
        raise ValueError(
            f"generated {above.shape} and simulated showers {below.shape} and energies {energies.shape} "
            "do not fit together: needed are (n, cells) twice, and (n,)"
        )
    cells, titles = np.stack([above, below], axis=1), [f"{one:.3g} GeV" for one in energies]
    kinds = ("generated, ", "nearest sim., ")
    unit = "Energy per cell [MeV]"
    return _grid(
        cells, titles, kinds, geometry, layers, half_width, unit=unit, right=right, experiment=experiment, label=label
    )


def _grid(
    cells: Floats,
    titles: Sequence[str],
    kinds: Sequence[str],
    geometry: Geometry,
    layers: Sequence[int] | None,
    half_width: float | None,
    *,
    unit: str,
    right: str,
    experiment: str,
    label: str,
) -> tuple[Figure, NDArray[np.object_]]:
    """Frames of cells [GeV] of shape (rows, kinds, cells): a row for each title, columns of layers and their kinds."""
    if not titles:
        raise ValueError("no showers to draw")
    images = in_layers(1000.0 * cells.reshape(len(titles) * len(kinds), -1), geometry)  # MeV
    chosen = _chosen(layers, geometry)
    if (bad := int((~np.isfinite(cells)).sum())) or not (cells > 0).any():
        raise ValueError(f"no showers to draw: no cell has energy, or {bad} of {cells.size} are not finite")
    norms = {name: _log_colours(images[name]) for name in chosen}
    columns, width = len(chosen) * len(kinds), 3.4 if len(kinds) == 1 else 2.7
    size = (1.0 + width * columns, 1.6 + (width - 0.5) * len(titles))
    with style():
        figure, axes = subplots(len(titles), columns, squeeze=False, sharex="col", sharey="col", figsize=size)
        for number, (name, index) in enumerate(chosen.items()):
            block = axes[:, number * len(kinds) : (number + 1) * len(kinds)]
            for ax, image in zip(block.ravel(), images[name]):
                mesh = _draw(ax, image, geometry, index, norms[name], half_width)
            for ax, kind in zip(block[-1], kinds):
                ax.set_xlabel(f"$x$ [mm]\n{kind}layer {geometry.layers[index].number}", loc="center")
            for ax in block[:, 1:].ravel():
                ax.tick_params(labelleft=False)
            bar = figure.colorbar(mesh, ax=block, location="bottom", label=unit, aspect=22 * len(kinds), pad=0.02)
            bar.ax.xaxis.set_minor_formatter(NullFormatter())
        for ax, title in zip(axes[:, 0], titles):
            ax.set_ylabel(f"{title}\n$y$ [mm]", loc="center")
        axes[0, -1].set_title(right, fontsize=14, loc="right")
        write_label(axes[0, 0], experiment=experiment, label=label)
    return figure, axes


def _chosen(layers: Sequence[int] | None, geometry: Geometry) -> dict[str, int]:
    """Positions of the layers to draw, by name."""
    names = layer_names(geometry)
    positions = range(len(names)) if layers is None else layers
    if wrong := [index for index in positions if not 0 <= index < len(names)]:
        raise ValueError(f"{geometry.name} has no layer {wrong[0]}; its layers are 0 to {len(names) - 1}")
    if not 0 < len(positions) <= _MOST_LAYERS:
        raise ValueError(
            f"a figure can show 1 to {_MOST_LAYERS} layers, not {len(positions)}: choose, as layers=(0, 5)"
        )
    return {names[index]: index for index in positions}


def _log_colours(images: NDArray[np.floating]) -> LogNorm:
    """Those of 0.1 to 1 MeV where there is no energy at all."""
    seen = images[images > 0]
    top, lowest = (float(seen.max()), float(seen.min())) if seen.size else (1.0, 0.1)
    return LogNorm(min(max(lowest, top * 10.0**-_DECADES), top / 10), top)


def _draw(
    ax: Axes, image: NDArray[np.floating], geometry: Geometry, index: int, norm: LogNorm, half_width: float | None
) -> QuadMesh:
    rows, columns = geometry.layers[index].rows, geometry.layers[index].columns
    steps = np.ones(len(rows) - 1, dtype=int)
    if geometry.coordinates == "polar":
        steps = np.ceil(np.diff(rows) / _ARC).astype(int)
    places = np.concatenate([np.linspace(*pair, n, endpoint=False) for pair, n in zip(pairwise(rows), steps)])
    first, second = np.meshgrid(np.append(places, rows[-1]), columns, indexing="ij")
    x, y = (second * np.cos(first), second * np.sin(first)) if geometry.coordinates == "polar" else (first, second)
    filled = np.ma.masked_less_equal(np.repeat(image, steps, axis=0), 0)
    mesh = ax.pcolormesh(x, y, filled, norm=norm, cmap="viridis", rasterized=True)
    limits = (-half_width, half_width) if half_width else (None, None)
    ax.set(aspect="equal", xlim=limits, ylim=limits)
    return mesh
