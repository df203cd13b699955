"""What made a score: constituents or pixels of jets in the colour of what they add to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from cortado.kinematics import delta_phi
from cortado.plotting.jets import image_mesh, log_colours
from cortado.plotting.style import GREY, style, subplots, write_label

__all__ = ["constituent_contributions", "pixel_contributions"]

Floats = NDArray[np.float64]
_COLOURS = "RdBu_r"  # red for the signal


def constituent_contributions(
    jets: Mapping[str, Any],
    contributions: Mapping[str, ArrayLike],
    *,
    radius: float = 0.8,
    score: str = "score",
    experiment: str = "cortado",
    label: str = "",
) -> tuple[Figure, NDArray[np.object_]]:
    """Single jets beside each other: constituents with an area by pT, in the colour of what they add to the score.

    All frames have one colour scale, symmetric about 0, and says the sum of its contributions.

    Args:
        jets: One jet by its title, with `pt eta phi mass` and `constituents` that have `pt eta phi`.
        contributions: Of the constituents of each, as `scoring.contributions` gives them, shape (p,).
        radius: Of the jets, drawn as a circle.
        score: What the contributions add up to.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (jets,).
    Raises:
        ValueError: If titles or lengths differ, a jet has no constituents, or nothing contributes.
    """
    shares = _same_kinds(jets, contributions)
    norm = _symmetric(shares)
    places = {name: _placed(name, jet, shares[name]) for name, jet in jets.items()}
    half = 1.25 * max(radius, *(float(np.abs(each[:2]).max()) for each in places.values()))
    with style():
        figure, axes = subplots(1, len(jets), squeeze=False, figsize=(1.2 + 5.6 * len(jets), 5.6))
        for ax, (name, (eta, phi, pt)) in zip(axes[0], places.items()):
            marker: dict[str, Any] = {"norm": norm, "cmap": _COLOURS, "edgecolor": "black", "linewidth": 0.5}
            order = np.argsort(-pt)  # soft constituents in front
            points = ax.scatter(
                eta[order], phi[order], (8 + 1500 * pt / pt.sum())[order], c=shares[name][order], **marker
            )
            ax.add_patch(Circle((0, 0), radius, fill=False, edgecolor=GREY, linestyle="--", linewidth=1.2))
            ax.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
            ax.set(xlabel=r"$\Delta\eta$", ylabel=r"$\Delta\phi$ [rad]")
            momentum = rf"$p_\mathrm{{T}}$ = {jets[name]['pt']:.0f} GeV, $m$ = {jets[name]['mass']:.0f} GeV"
            ax.set_title(momentum, fontsize=14, loc="right")
            _write(ax, f"{name}, sum {shares[name].sum():+.2f}")
        figure.colorbar(
            points, ax=axes[0], label=rf"Contribution to the {score} (area $\propto p_\mathrm{{T}}$)", pad=0.02
        )
        write_label(axes[0, 0], experiment=experiment, label=label)
    return figure, axes[0]


def pixel_contributions(
    images: Mapping[str, ArrayLike],
    contributions: Mapping[str, ArrayLike],
    *,
    half_width: float | tuple[float, float] = 1.25,
    score: str = "score",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, NDArray[np.object_]]:
    """Mean images above the mean contributions of their pixels, a column for each kind; one image is its own mean.

    Images have one logarithmic colour scale, contributions another, linear and symmetric about 0, which ends where
    three pixels in a thousand are beyond it.

    Args:
        images: By kind, shape (n, eta, phi), or (n, c, eta, phi) of which the first channel is shown.
        contributions: Of their pixels, of the same shape; those of all channels are added.
        half_width: From the centre of an image to its edge, in pseudorapidity and azimuth [rad].
        score: What the contributions add up to.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure and its axes, shape (2, kinds).
    Raises:
        ValueError: If kinds or shapes differ, there are no images, all are empty, or nothing contributes.
    """
    given = _same_kinds(images, contributions)
    means, shares = {}, {}
    for name, share in given.items():
        image = np.asarray(images[name], np.float64)
        if image.ndim not in (3, 4) or image.shape != share.shape or not len(image):
            raise ValueError(
                f"{name}: images {image.shape} and contributions {share.shape}; needed is one shape (n, eta, phi) or "
                "(n, c, eta, phi), n > 0"
            )
        means[name] = (image if image.ndim == 3 else image[:, 0]).mean(axis=0)
        shares[name] = (share if share.ndim == 3 else share.sum(axis=1)).mean(axis=0)
    norms = log_colours(np.array(list(means.values()))), _symmetric(shares, beyond=3e-3)
    titles = "Mean intensity of a pixel", f"Mean contribution to the {score}"
    with style():
        figure, axes = subplots(2, len(means), squeeze=False, figsize=(2 + 4.4 * len(means), 10))
        for column, name in zip(axes.T, means):
            meshes = [image_mesh(column[0], means[name], half_width, norms[0])]
            meshes.append(image_mesh(column[1], shares[name], half_width, norms[1], cmap=_COLOURS, empty=False))
            for ax, text in zip(column, (name, f"{name}, sum {shares[name].sum():+.3g}")):
                _write(ax, text)
        for line, mesh, title, extend in zip(axes, meshes, titles, ("neither", "both")):
            figure.colorbar(mesh, ax=line, label=title, pad=0.02, extend=extend)
        write_label(axes[0, 0], experiment=experiment, label=label)
    return figure, axes


def _write(ax: Axes, text: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    ax.text(0.04, 0.96, text, transform=ax.transAxes, va="top", fontsize=13, bbox=box)


def _same_kinds(given: Mapping[str, Any], contributions: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    if list(given) != list(contributions) or not given:
        raise ValueError(f"given are {list(given)}, contributions of {list(contributions)}; needed are the same kinds")
    return {name: np.asarray(share, np.float64) for name, share in contributions.items()}


def _placed(name: str, jet: Any, share: Floats) -> Floats:
    """Angles from the axis of the jet, and pT, of its constituents, shape (3, p)."""
    own = jet["constituents"]
    eta, phi, pt = (ak.to_numpy(own[field]).astype(np.float64) for field in ("eta", "phi", "pt"))
    if not len(pt) or share.shape != pt.shape:
        raise ValueError(f"{name}: {len(pt)} constituents and contributions of shape {share.shape}; needed is one each")
    placed: Floats = np.stack([eta - jet["eta"], np.asarray(delta_phi(phi, jet["phi"])), pt])
    return placed


def _symmetric(shares: Mapping[str, Floats], *, beyond: float = 0.0) -> Normalize:
    """Colours that are white at 0, and end where a part of all values is beyond."""
    sizes = np.abs(np.concatenate([share.ravel() for share in shares.values()]))
    most = float(np.quantile(sizes, 1 - beyond)) if sizes.max(initial=0.0) > 0 else 0.0
    if not most > 0:
        raise ValueError("all contributions are 0: there is nothing to colour")
    return Normalize(-most, most)
