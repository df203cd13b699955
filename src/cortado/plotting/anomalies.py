"""What an autoencoder makes of images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from cortado.plotting.style import label, style, subplots

__all__ = ["reconstructions"]

_COLUMNS = ("Image", "Reproduced", "Squared difference")
_DECADES = 4


def reconstructions(
    given: Mapping[str, ArrayLike], made: Mapping[str, ArrayLike], *, half_width: tuple[float, float]
) -> tuple[Figure, NDArray[Any]]:
    """Single images beside what a network makes of them and the loss of each pixel, a row for each kind.

    Images and their reproductions have one logarithmic colour scale of four decades, the losses another; what is below
    is white.

    Args:
        given: One image by its title, shape (eta, phi).
        made: The same as reproduced.
        half_width: From the centre of an image to its edge, in pseudorapidity and azimuth [rad].
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
                figure.colorbar(mesh, ax=ax, pad=0.02)
                ax.set(xlabel=r"Transformed $\Delta\eta$", ylabel=r"Transformed $\Delta\phi$ [rad]", aspect="equal")
                ax.set_title(f"{name}: {title.lower()}", fontsize=13, loc="right")
        label(axes[0, 0])
    return figure, axes


def _colours(images: list[NDArray[np.float64]]) -> LogNorm:
    top = max(float(image.max()) for image in images)
    if not top > 0:
        raise ValueError("all pixels are empty: there is no image to draw")
    return LogNorm(top * 10.0**-_DECADES, top, clip=True)
