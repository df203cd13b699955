"""One event with tracks found, missed and fake; and efficiencies of many events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from cortado.metrics import (
    BinnedRate,
    Match,
    acts_double_match,
    classify_tracks,
    match_tracks,
    reconstructed_particles,
    residuals,
)
from cortado.plotting.style import COLOURS, GREY, entry, style, subplots, write_label
from cortado.plotting.vertices import binned_rates

__all__ = ["parameter_pulls", "track_display", "track_rates"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_RECONSTRUCTED, _MISSED, _FAKE = COLOURS[0], COLOURS[2], COLOURS[1]
_PULLS = 5.0  # largest that is shown
_FRAME = 1.04  # of the farthest hit
_SOLID: tuple[float, tuple[float, ...]] = (0, ())


class _Kind(NamedTuple):
    """What tracks are drawn: groups of hits, each ordered along its path."""

    name: str
    colour: str
    dashes: tuple[float, tuple[float, ...]]
    width: float
    opacity: float
    tracks: list[Floats]


def track_display(
    event: Any,
    track: ArrayLike,
    selected: ArrayLike,
    *,
    match: Match = acts_double_match,
    reach: tuple[float, float] | None = None,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, tuple[Axes, Axes]]:
    """One event in the transverse plane and in radius against z: hits, and tracks found, missed and fake.

    Found tracks are drawn through the hits that were put together, missed ones through the hits of the particle, fakes
    through theirs. Tracks of particles outside of the selection are drawn thinly, as they are neither. A line joins
    hits in the order of their distance from the origin; it is no fit.

    Args:
        event: One event, with `hits` (x, y, z [mm], particle_id) and `particles` (particle_id).
        track: Track of each hit, negative for none, shape (hits,).
        selected: Whether a particle is one to be found (`metrics.reconstructable`), shape (particles,).
        match: The definition by which a particle is found.
        reach: Radius and z that the frames show [mm]; if not given, all hits.
        right: Text above the right frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure, and the axes of x-y and of r-z.
    Raises:
        ValueError: If the event has no hits, a position is not finite, there are not as many tracks as hits or as many
            booleans as particles, or the reach is not above 0.
    """
    if reach is not None and not min(reach) > 0:
        raise ValueError(f"reach must be above 0, got {reach}")
    points = _points(event["hits"])
    kinds = _kinds(event, np.asarray(track), np.asarray(selected), points, match)
    radius = np.hypot(points[:, 0], points[:, 1])
    across, along = reach or (_FRAME * float(radius.max()), _FRAME * float(np.abs(points[:, 2]).max()))
    with style():
        figure, (left_ax, right_ax) = subplots(1, 2, figsize=(15.6, 7.4), width_ratios=(1, 1.25))
        _panel(left_ax, points[:, 0], points[:, 1], kinds, lambda line: line[:, :2])
        _panel(right_ax, points[:, 2], radius, kinds, _in_r_z)
        left_ax.set(xlabel="x [mm]", ylabel="y [mm]", aspect="equal", xlim=(-across, across), ylim=(-across, across))
        right_ax.set(xlabel="z [mm]", ylabel="r [mm]", xlim=(-along, along), ylim=(0, across))
        figure.legend(handles=_handles(kinds), loc="outside lower center", ncols=len(kinds) + 1, fontsize=13)
        write_label(left_ax, right="", experiment=experiment, label=label)
        label_right = right or f"{len(points)} hits"
        right_ax.set_title(label_right, fontsize=14, loc="right")
    return figure, (left_ax, right_ax)


def track_rates(
    rates: Mapping[str, BinnedRate],
    edges: ArrayLike,
    *,
    xlabel: str,
    ylabel: str = "Track efficiency",
    low: float = 0.0,
    log: bool = False,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, Axes]:
    """Efficiency, or rate of fake or double tracks, of several finders in bins of pt, eta, or anything else.

    As `binned_rates`, with an axis that can begin at a higher value, so that finders of high efficiency are told apart.

    Args:
        rates: From `metrics.track_rate`, by the name that the legend shows.
        edges: Edges of the bins of all of them, ascending, shape (bins + 1,).
        xlabel: What the bins are of, "True pT [GeV]".
        ylabel: The rate, with its definition if it is not an efficiency.
        low: Lower end of the vertical axis, below 1; above 0, the axis ends where the legend fits above 1.
        log: Logarithmic horizontal axis.
        right: Text above the frame: the selection of the particles.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Raises:
        ValueError: As `binned_rates`, or if `low` is not in [0, 1).
    """
    if not 0 <= low < 1:
        raise ValueError(f"low must be in [0, 1), got {low}")
    figure, ax = binned_rates(
        rates, edges, xlabel=xlabel, ylabel=ylabel, log=log, right=right, experiment=experiment, label=label
    )
    if low:
        with style():
            ax.set_ylim(low, 1 + (1 - low) * (0.12 + 0.09 * len(rates)))
            ax.axhline(1, color=GREY, linestyle=":", linewidth=1)
    return figure, ax


def parameter_pulls(
    pulls: Mapping[str, ArrayLike], *, right: str = "", experiment: str = "cortado", label: str = "Simulation"
) -> tuple[Figure, NDArray[Any]]:
    """Pulls of track parameters beside the Gaussian of width 1 that a fit with the right errors has.

    Bias and width are those of `metrics.residuals`: median, and half of the central 68 %.

    Args:
        pulls: Of all tracks, by the title of the parameter, shape (t,) each.
        right: Text above the last frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure, and one axes for each parameter.
    Raises:
        ValueError: If there is no parameter, or there are no pulls, or not finite ones.
    """
    if not pulls:
        raise ValueError("parameter_pulls needs the pulls of one parameter or more")
    edges = np.linspace(-_PULLS, _PULLS, 51)
    fine = np.linspace(-_PULLS, _PULLS, 201)
    with style():
        figure, axes = subplots(1, len(pulls), figsize=(4.4 * len(pulls), 4.6), sharey=True, squeeze=False)
        for ax, (name, column) in zip(axes[0], pulls.items()):
            values = np.asarray(column, np.float64)
            measured, counts = residuals(values), np.histogram(values, edges)[0]
            scale = len(values) * (edges[1] - edges[0])
            ax.plot(fine, np.exp(-(fine**2) / 2) / np.sqrt(2 * np.pi), color=GREY, label="Gaussian, width 1")
            ax.errorbar(
                (edges[1:] + edges[:-1]) / 2, counts / scale, np.sqrt(counts) / scale, fmt="o", color=COLOURS[0],
                markersize=4, label="Matched tracks",
            )  # fmt: skip
            ax.text(
                0.96, 0.96, f"bias {measured.bias.value:.2f}\nwidth {measured.resolution.value:.2f}",
                transform=ax.transAxes, ha="right", va="top", fontsize=13,
            )  # fmt: skip
            ax.set(xlabel=f"Pull of {name}", xlim=(-_PULLS, _PULLS))
        axes[0, 0].set(ylabel="Probability density", ylim=(0, 0.62))
        axes[0, 0].legend(loc="upper left", fontsize=11)
        write_label(axes[0, 0], experiment=experiment, label=label)
        axes[0, -1].set_title(right, fontsize=14, loc="right")
    return figure, axes[0]


def _points(hits: Any) -> Floats:
    points = np.stack([ak.to_numpy(hits[name]).astype(np.float64) for name in "xyz"], axis=-1)
    if not len(points):
        raise ValueError("the event has no hits to display")
    if len(bad := np.flatnonzero(~np.isfinite(points).all(axis=1))):
        raise ValueError(f"the position of hit {bad[0]} is {points[bad[0]].tolist()}, must be finite")
    return points


def _kinds(event: Any, track: NDArray[Any], selected: NDArray[Any], points: Floats, match: Match) -> tuple[_Kind, ...]:
    """Tracks by what they are, the least important first."""
    identity = ak.to_numpy(event["hits"]["particle_id"])
    particles = event["particles"][np.newaxis]
    if track.shape != identity.shape:
        raise ValueError(f"track has shape {track.shape}, needed is {identity.shape}, one for each hit")
    tracks = match_tracks(track[np.newaxis], identity[np.newaxis])
    classes = classify_tracks(tracks, particles, selected[np.newaxis], match)
    is_reconstructed = ak.to_numpy(reconstructed_particles(tracks, particles, match)[0])
    missed = ak.to_numpy(particles["particle_id"][0])[selected.astype(bool) & ~is_reconstructed]
    lines = [
        _lines(points, track, tracks.label[chosen])
        for chosen in (classes.outside, classes.matched | classes.duplicate, classes.fake)
    ]
    outside, reconstructed, fake = lines
    return (
        _Kind("Outside of the selection", GREY, _SOLID, 0.8, 0.7, outside),
        _Kind("Found", _RECONSTRUCTED, _SOLID, 1.3, 0.8, reconstructed),
        _Kind("Missed", _MISSED, (0, (4, 1.5)), 1.9, 1.0, _lines(points, identity, missed)),
        _Kind("Fake", _FAKE, _SOLID, 2.2, 1.0, fake),
    )


def _lines(points: Floats, group: NDArray[Any], wanted: NDArray[Any]) -> list[Floats]:
    """Hits of each wanted group, by distance from the origin, shape (k, 3) each."""
    on = np.flatnonzero(np.isin(group, wanted))
    order = on[np.lexsort((np.linalg.norm(points[on], axis=1), group[on]))]
    return np.split(points[order], np.flatnonzero(np.diff(group[order])) + 1) if len(order) else []


def _in_r_z(line: Floats) -> Floats:
    return np.stack([line[:, 2], np.hypot(line[:, 0], line[:, 1])], axis=-1)


def _panel(ax: Axes, x: Floats, y: Floats, kinds: Sequence[_Kind], seen: Callable[[Floats], Floats]) -> None:
    size = float(np.clip(160 / np.sqrt(len(x)), 1.5, 5.0))  # a crowded event in smaller dots
    ax.plot(x, y, ".", markersize=size, color="black", alpha=0.6, markeredgewidth=0, zorder=1.5, rasterized=True)
    for place, kind in enumerate(kinds):
        lines = LineCollection(
            [seen(line) for line in kind.tracks], colors=kind.colour, linewidths=kind.width, alpha=kind.opacity,
            linestyles=kind.dashes, zorder=2 + place,
        )  # fmt: skip
        ax.add_collection(lines, autolim=False)


def _handles(kinds: Sequence[_Kind]) -> list[Line2D]:
    hits = Line2D([], [], linestyle="", marker=".", color="black", label="Hits")
    lines = [
        Line2D([], [], color=kind.colour, linestyle=kind.dashes, linewidth=max(kind.width, 1.2),
               label=f"{entry(kind.name)}: {len(kind.tracks)}")
        for kind in (kinds[1], kinds[2], kinds[3], kinds[0])
    ]  # fmt: skip
    return [hits, *lines]
