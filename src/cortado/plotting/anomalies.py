"""What an autoencoder makes of images, and where it puts objects in the space of its latent numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.stats import gaussian_kde

from cortado.plotting.style import CURVES, entry, legend, style, subplots, write_label

__all__ = ["latent_space", "reconstructions"]

_COLUMNS = ("Image", "Reproduced", "Squared difference")
_DECADES = 4
_INSIDE = {0.5: "-", 0.9: "--"}  # share of the objects inside a contour, and its line
_SHOWN = 4_000  # objects of a kind that the density is made of
_GRID = 100  # points along each side


def reconstructions(
    given: Mapping[str, ArrayLike],
    made: Mapping[str, ArrayLike],
    *,
    half_width: tuple[float, float],
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[Any]]:
    """Single images beside what a network makes of them and the loss of each pixel, a row for each kind.

    Images and their reproductions have one logarithmic colour scale of four decades, the losses another; what is below
    is white.

    Args:
        given: One image by its title, shape (eta, phi).
        made: The same as reproduced.
        half_width: From the centre of an image to its edge, in pseudorapidity and azimuth [rad].
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (kinds, 3).
    Raises:
        ValueError: If there are no images, titles or shapes differ, or all pixels are empty.
    """
    if list(given) != list(made) or not given:
        raise ValueError(f"images are of {list(given)}, reproduced ones of {list(made)}; needed are the same kinds")
    rows = {name: (np.asarray(given[name], float), np.asarray(made[name], float)) for name in given}
    for name, (image, other) in rows.items():
        if image.ndim != 2 or image.shape != other.shape:
            raise ValueError(f"{name}: image {image.shape} and reproduced one {other.shape} must have one shape")
    panels = [[image, other, np.square(image - other)] for image, other in rows.values()]
    scales = [_colours([row[k] for row in panels for k in which]) for which in ((0, 1), (2,))]
    eta, phi = (np.linspace(-half, half, size + 1) for half, size in zip(half_width, panels[0][0].shape))
    with style():
        figure, axes = subplots(len(rows), 3, squeeze=False, figsize=(16, 0.6 + 4.6 * len(rows)))
        for line, name, row in zip(axes, rows, panels):
            for ax, title, values, norm in zip(line, _COLUMNS, row, (scales[0], scales[0], scales[1])):
                filled = np.ma.masked_less(values.T, float(norm.vmin or 0))
                mesh = ax.pcolormesh(eta, phi, filled, norm=norm, cmap="viridis", rasterized=True)
                figure.colorbar(mesh, ax=ax, pad=0.02, label="per pixel")
                ax.set(xlabel=r"Transformed $\Delta\eta$", ylabel=r"Transformed $\Delta\phi$ [rad]", aspect="equal")
                ax.set_title(f"{name}: {title.lower()}", fontsize=13, loc="right")
        write_label(axes[0, 0], experiment=experiment, label=label)
    return figure, axes


def latent_space(
    codes: Mapping[str, ArrayLike], *, right: str = "", experiment: str = "cortado", label: str = "Simulation"
) -> tuple[Figure, Axes]:
    """Where the kinds of objects lie in a latent space of two dimensions: contours with 50 % and 90 % of each inside.

    The contours are those of a kernel density estimate (Scott's width) of at most 4,000 objects of each kind.

    Args:
        codes: Latent numbers by the kind of objects, shape (n, 2).
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: If there are no kinds, other than two numbers, or fewer than three objects or no area to lie in.
    """
    points = {name: np.asarray(each, np.float64)[:_SHOWN] for name, each in codes.items()}
    if not points:
        raise ValueError("codes: no kinds of objects, required: at least one")
    for name, each in points.items():
        if each.ndim != 2 or each.shape[1] != 2 or len(each) < 3 or np.linalg.matrix_rank(np.cov(each.T)) < 2:
            raise ValueError(f"{name}: codes of shape {each.shape}, required: (n, 2), n > 2, not all on one line")
    every = np.concatenate(list(points.values()))
    low, high = np.quantile(every, (0.003, 0.997), axis=0)
    margin = 0.25 * (high - low)
    sides = [np.linspace(*ends, _GRID) for ends in zip(low - margin, high + margin)]
    grid = np.stack(np.meshgrid(*sides)).reshape(2, -1)
    with style():
        figure, ax = subplots()
        for colour, (name, each) in zip(cycle(CURVES), points.items()):
            density = gaussian_kde(each.T)
            levels = np.quantile(density(each.T), [1 - inside for inside in _INSIDE])
            order = np.argsort(levels)
            lines = [list(_INSIDE.values())[i] for i in order]
            ax.contour(*sides, density(grid).reshape(_GRID, _GRID), levels[order], colors=colour, linestyles=lines)
            ax.scatter(*each[:300].T, s=4, color=colour, alpha=0.35, linewidth=0)
            ax.plot([], [], color=colour, label=entry(name))
        for inside, line in _INSIDE.items():
            ax.plot([], [], color="black", linestyle=line, label=f"{inside:.0%} inside")
        ax.set(xlabel="First latent number", ylabel="Second latent number")
        ax.set(xlim=(sides[0][0], sides[0][-1]), ylim=(sides[1][0], sides[1][-1]))
        write_label(ax, right=right, experiment=experiment, label=label)
        legend(ax)
    return figure, ax


def _colours(images: list[NDArray[np.float64]]) -> LogNorm:
    top = max(float(image.max()) for image in images)
    if not top > 0:
        raise ValueError("all pixels are empty: there is no image to draw")
    return LogNorm(top * 10.0**-_DECADES, top, clip=True)
