"""Jets to look at: average images of classes, and one jet as a cloud and as an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from cortado.kinematics import delta_phi
from cortado.plotting.style import COLOURS, GREY, style, subplots, write_label

__all__ = ["average_images", "image_mesh", "jet_display", "log_colours"]

Floats = NDArray[np.float64]
_ETA, _PHI = r"$\Delta\eta$", r"$\Delta\phi$ [rad]"
_DECADES = 5  # of the logarithmic colour scale


def average_images(
    before: Mapping[str, ArrayLike],
    after: Mapping[str, ArrayLike],
    *,
    half_width: float | tuple[float, float] = 1.25,
    before_unit: str = r"$\langle p_\mathrm{T}\rangle$ per pixel [GeV]",
    after_unit: str = "Mean intensity per pixel (normalised)",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[np.object_]]:
    """Average jet images, a row for each class, before and after preprocessing, in logarithmic colours.

    Each column has one colour scale, five decades at most; what is below has the lowest colour, empty pixels
    are white.

    Args:
        before: Images by class, shape (n, eta, phi), or (n, c, eta, phi) of which the first channel is shown.
        after: Preprocessed images of the same classes.
        half_width: From the centre of the image to its edge, in pseudorapidity and azimuth [rad]; one for both,
            or one for each.
        before_unit: Label of the left colour bar.
        after_unit: Label of the right colour bar.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (classes, 2).
    Raises:
        ValueError: If the classes differ, there are no images of one, or all pixels of a column are empty.
    References:
        de Oliveira et al., Jet-images - deep learning edition (2016), arXiv:1511.05190, fig. 2.
    """
    if list(before) != list(after) or not before:
        raise ValueError(f"images before are of {list(before)}, after of {list(after)}; needed are the same classes")
    columns = [{name: _mean(name, images) for name, images in side.items()} for side in (before, after)]
    with style():
        figure, axes = subplots(len(before), 2, squeeze=False, figsize=(12.4, 0.6 + 4.4 * len(before)))
        stages = zip(axes.T, ("", ", preprocessed"), (before_unit, after_unit), columns)
        for column, state, unit, images in stages:
            norm = log_colours(np.concatenate([image.ravel() for image in images.values()]))
            for ax, (name, image) in zip(column, images.items()):
                mesh = image_mesh(ax, image, half_width, norm)
                ax.set_title(name + state, fontsize=14, loc="right")
            figure.colorbar(mesh, ax=column, label=unit, aspect=18 * len(before), pad=0.02)
        for ax in axes[:, 1]:
            ax.set(xlabel=f"Transformed {_ETA}", ylabel=f"Transformed {_PHI}")
        write_label(axes[0, 0], experiment=experiment, label=label)
    return figure, axes


def jet_display(
    jet: Any, *, radius: float = 0.8, pixels: int = 25, experiment: str = "cortado", label: str = ""
) -> tuple[Figure, tuple[Axes, Axes]]:
    """One jet as a cloud of constituents (area by pT, colour by charge), and as an image of its pT.

    All constituents are in the frame, which is centred on the jet axis.

    Args:
        jet: One jet, with `pt eta phi mass` and `constituents` that have `pt eta phi` and perhaps `charge`.
        radius: Radius of the jet, drawn as a circle.
        pixels: Pixels of the image along each side.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure, and the axes of the cloud and of the image.
    Raises:
        ValueError: If the jet has no constituents.
    """
    pt = ak.to_numpy(jet["constituents"]["pt"]).astype(np.float64)
    if len(pt) == 0:
        raise ValueError("the jet has no constituents to display")
    eta = ak.to_numpy(jet["constituents"]["eta"]) - jet["eta"]
    phi = np.asarray(delta_phi(ak.to_numpy(jet["constituents"]["phi"]), jet["phi"]))
    half_width = 1.25 * max(radius, float(np.abs(eta).max()), float(np.abs(phi).max()))
    edges = np.linspace(-half_width, half_width, pixels + 1)
    image, _, _ = np.histogram2d(eta, phi, bins=(edges, edges), weights=pt)
    with style():
        figure, (cloud, picture) = subplots(1, 2, figsize=(12.6, 5.6))
        _cloud(cloud, eta, phi, pt, jet["constituents"])
        mesh = image_mesh(picture, image, half_width, log_colours(image))
        figure.colorbar(mesh, ax=picture, label=r"$p_\mathrm{T}$ per pixel [GeV]")
        for ax in (cloud, picture):
            ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor=GREY, linestyle="--", linewidth=1.2))
            ax.set(xlim=(-half_width, half_width), ylim=(-half_width, half_width), aspect="equal")
            ax.set(xlabel=_ETA, ylabel=_PHI)
        write_label(cloud, experiment=experiment, label=label)
        properties = rf"$p_\mathrm{{T}}$ = {jet['pt']:.0f} GeV, $m$ = {jet['mass']:.0f} GeV"
        picture.set_title(properties, fontsize=14, loc="right")
    return figure, (cloud, picture)


def _cloud(ax: Axes, eta: Floats, phi: Floats, pt: Floats, constituents: Any) -> None:
    charge = ak.to_numpy(constituents["charge"]) if "charge" in ak.fields(constituents) else None
    kinds = [("constituent", np.ones(len(pt), bool), COLOURS[0])]
    if charge is not None:
        kinds = [
            ("positive", charge > 0, COLOURS[2]),
            ("negative", charge < 0, COLOURS[0]),
            ("neutral", charge == 0, COLOURS[1]),
        ]
    area = 6.0 + 900.0 * pt / pt.sum()
    marker: dict[str, Any] = {"alpha": 0.6, "edgecolor": "black", "linewidth": 0.4}
    for name, chosen, colour in kinds:
        ax.scatter(eta[chosen], phi[chosen], area[chosen], color=colour, **marker)
        ax.scatter([], [], 70, color=colour, label=name, **marker)
    ax.set_title(r"area $\propto p_\mathrm{T}$", fontsize=14, loc="right")
    ax.legend(loc="upper right", handletextpad=0.1, borderaxespad=0.1, fontsize=12)


def _mean(name: str, images: ArrayLike) -> Floats:
    array = np.asarray(images)
    if array.ndim not in (3, 4) or not len(array):
        raise ValueError(
            f"images of {name!r} have shape {array.shape}; needed is (n, eta, phi) or (n, c, eta, phi), n > 0"
        )
    mean: Floats = (array if array.ndim == 3 else array[:, 0]).mean(axis=0, dtype=np.float64)
    return mean


def log_colours(images: Floats) -> LogNorm:
    """Logarithmic colours of images, five decades at most.

    Raises:
        ValueError: If all pixels are empty.
    """
    top = float(images.max())
    if not top > 0:
        raise ValueError("all pixels are empty: there is no image to draw")
    lowest = float(images[images > 0].min())
    return LogNorm(min(max(lowest, top * 10.0**-_DECADES), top / 10), top)


def image_mesh(
    ax: Axes,
    image: Floats,
    half_width: float | tuple[float, float],
    norm: Normalize,
    *,
    cmap: str = "viridis",
    empty: bool = True,
) -> Any:
    """Draw an image (eta, phi).

    Args:
        ax: Where to.
        image: Of any unit.
        half_width: From the centre to the edge, one for both or one for each.
        norm: Of the colours.
        cmap: Colours.
        empty: Whether pixels that are not positive are left white.
    """
    halves = np.broadcast_to(half_width, 2)
    eta, phi = (np.linspace(-half, half, pixels + 1) for half, pixels in zip(halves, image.shape))
    filled = np.ma.masked_less_equal(image.T, 0) if empty else image.T
    mesh = ax.pcolormesh(eta, phi, filled, norm=norm, cmap=cmap, rasterized=True)
    ax.set(xlabel=_ETA, ylabel=_PHI, aspect="equal")
    return mesh
