"""One jet with its tracks, its true vertices, and those that were reconstructed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import awkward as ak
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from numpy.typing import ArrayLike, NDArray

from cortado.kinematics import momentum
from cortado.perigee import PARAMETERS, point
from cortado.plotting.style import GREY, entry, style, subplots, write_label
from cortado.plotting.vertex_groups import Group, reconstructed_groups, true_groups, true_positions

__all__ = ["vertex_display"]

Floats = NDArray[np.float64]

_FLAVOURS = {5: "b jet", 4: "c jet", 0: "light jet"}
_SHORTEST, _FARTHEST = 2.0, 30.0  # mm that a frame shows if nothing is asked for
_ARROW: dict[str, Any] = {"arrowstyle": "-|>", "color": "black", "linestyle": ":", "mutation_scale": 16, "shrinkA": 0}
_LEGEND: dict[str, Any] = {"ncols": 2, "fontsize": 11.5, "columnspacing": 1.0, "handlelength": 1.4}
_SIZES = {"*": 13, "o": 6}  # of markers
_SIGMAS = np.sqrt(-2 * np.log(1 - 0.68))  # of an ellipse that holds 68 % of the probability in the plane


def vertex_display(
    jet: Any,
    truth: ArrayLike,
    reconstructed: ArrayLike,
    vertices: Any = None,
    *,
    reach: float | None = None,
    stretch: float = 1.0,
    magnetic_field: float = 2.0,
    right: str = "",
    experiment: str = "cortado",
    label: str = "Simulation",
) -> tuple[Figure, tuple[Axes, Axes]]:
    """One jet with its true vertices beside the reconstructed ones, seen such that the jet axis points to the right.

    The plane holds the jet axis and the direction of azimuth: the transverse plane for a jet at eta = 0, and for any
    other jet, too, flights along its axis are seen at full length. The origin is the true primary vertex where it is
    known, else that of the perigee parameters. Tracks are drawn from their vertex on, from their perigee if its
    position is not known, and thinly where they are extended through the frame.

    Vertices of two tracks or more, and true decays of b and c hadrons, have a colour each; a reconstructed one that of
    the true one with which it shares most tracks, two at least. All other tracks are grey.

    Args:
        jet: One jet, with `pt eta phi`, perhaps `flavour`, and `tracks` that have `d0 z0 phi theta q_over_p` and
            perhaps `vertex_type`. Its `true_vertices` (`x y z vertex_index`), if any, become stars.
        truth: True vertex of each track, shape (p,), 0 the primary one: the indices of `true_vertices`.
        reconstructed: Reconstructed vertex of each track, shape (p,); negative: none.
        vertices: Those of the jet from `reconstruction.vertices`; drawn with ellipses that hold 68 %. Hollow stars
            show the true ones beside them.
        reach: How far along the jet axis the frame goes [mm]; if not given, to the farthest vertex within 30 mm.
            Vertices beyond it are named in the legend only.
        stretch: How many times larger lengths across the jet axis are drawn than those along it; the label of the axis
            says so. Tracks of a narrow jet are told apart at 4 or so.
        magnetic_field: Along z [T].
        right: Text above the frame; if not given, flavour, momentum and pseudorapidity of the jet.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary".
    Returns:
        The figure, and the axes of the true and of the reconstructed vertices.
    Raises:
        ValueError: If the jet has no tracks, their parameters are not finite, a partition is not one index per track,
            a vertex is of tracks that `reconstructed` does not put together, or the reach or the stretch is not above
            0.
    """
    for what, value in (("reach", reach), ("stretch", stretch)):
        if value is not None and not value > 0:
            raise ValueError(f"{what} must be above 0, got {value}")
    parameters = _parameters(jet["tracks"])
    true = true_groups(jet, truth)
    groups = reconstructed_groups(reconstructed, vertices, true)
    view = _View(true_positions(jet).get(0, np.zeros(3)), _axes(jet))
    frame = _frame(_seen(view, np.stack([group.position for group in (*true, *groups)])), reach, stretch)
    scene = _Scene(parameters, view, frame, stretch, magnetic_field)
    with style():
        figure, (left_ax, right_ax) = subplots(1, 2, figsize=(13.4, _height(scene, max(len(true), len(groups) + 1))))
        _panel(left_ax, true, scene, marker="*")
        _panel(right_ax, groups, scene, marker="o", stars=[group.position for group in true])
        write_label(left_ax, right="True vertices", experiment=experiment, label=label)
        right_ax.set_title("Found vertices", fontsize=14, loc="left")
        right_ax.set_title(right or _jet_label(jet), fontsize=14, loc="right")
    return figure, (left_ax, right_ax)


class _View(NamedTuple):
    """A plane: its origin, shape (3,), and unit vectors along and across the jet axis, shape (2, 3)."""

    origin: Floats
    axes: Floats


class _Scene(NamedTuple):
    """What both panels share; `frame` is the left, right, lower and upper end [mm]."""

    parameters: Floats
    view: _View
    frame: tuple[float, float, float, float]
    stretch: float
    magnetic_field: float


def _parameters(tracks: Any) -> Floats:
    """Perigee parameters, shape (p, 5)."""
    parameters = np.stack([ak.to_numpy(tracks[name]).astype(np.float64) for name in PARAMETERS], axis=-1)
    if not len(parameters):
        raise ValueError("the jet has no tracks to display")
    if len(wrong := np.flatnonzero(~np.isfinite(parameters).all(axis=1))):
        raise ValueError(f"perigee parameters of the tracks {wrong.tolist()} are NaN or infinite")
    return parameters


def _jet_label(jet: Any) -> str:
    flavour = _FLAVOURS.get(int(jet["flavour"]), "other jet") if "flavour" in ak.fields(jet) else "jet"
    return rf"{flavour}, $p_\mathrm{{T}}$ = {jet['pt']:.0f} GeV, $\eta$ = {jet['eta']:.1f}"


def _axes(jet: Any) -> Floats:
    eta, phi = float(jet["eta"]), float(jet["phi"])
    return np.array([momentum(1 / np.cosh(eta), eta, phi), (-np.sin(phi), np.cos(phi), 0.0)])


def _seen(view: _View, points: Floats) -> Floats:
    """Coordinates along and across the jet axis [mm], shape (..., 3) -> (..., 2)."""
    return (points - view.origin) @ view.axes.T


def _frame(places: Floats, reach: float | None, stretch: float) -> tuple[float, float, float, float]:
    distance = np.linalg.norm(places, axis=-1)
    farthest = np.max(distance, where=distance <= _FARTHEST, initial=_SHORTEST) if reach is None else reach
    within = places[distance <= farthest]
    left = np.min(1.2 * within[:, 0], initial=-0.25 * farthest)
    half = np.max(1.2 * np.abs(within[:, 1]), initial=0.6 * farthest / stretch)
    return float(left), 1.35 * float(farthest), -float(half), float(half)


def _height(scene: _Scene, entries: int) -> float:
    """Of a figure with panels 6.1 inches wide, and a legend of this many entries below [inches]."""
    left, right, bottom, top = scene.frame
    return 6.1 * scene.stretch * (top - bottom) / (right - left) + 1.5 + 0.28 * ((entries + 1) // 2)


def _panel(ax: Axes, groups: Sequence[Group], scene: _Scene, *, marker: str, stars: Sequence[Floats] = ()) -> None:
    left, right, bottom, top = scene.frame
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect=scene.stretch)
    drawn = "" if scene.stretch == 1 else rf", $\times$ {scene.stretch:g}"
    ax.set(xlabel="Along the jet axis [mm]", ylabel=f"Across the jet axis [mm]{drawn}")
    ax.annotate("", (right, 0), (left, 0), arrowprops=_ARROW)
    handles = [_draw(ax, group, scene, marker) for group in groups]
    if len(known := [_seen(scene.view, place) for place in stars if np.isfinite(place).all()]):
        hollow: dict[str, Any] = {"markersize": _SIZES["*"], "markerfacecolor": "none", "markeredgecolor": GREY}
        handles += ax.plot(*np.transpose(known), "*", label="true vertices", zorder=3, **hollow)
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=4.5, **_LEGEND)


def _draw(ax: Axes, group: Group, scene: _Scene, marker: str) -> Line2D:
    """Draw tracks, position and ellipse of a vertex; the line that the legend shows for it."""
    dashes: Literal["--", "-"] = "--" if group.colour == GREY else "-"
    _tracks(ax, group, scene, dashes)
    x, y = _seen(scene.view, group.position)
    left, right, bottom, top = scene.frame
    known = bool(np.isfinite(x))
    shape: dict[str, Any] = {"color": group.colour, "marker": marker if known else "", "markeredgecolor": "black"}
    shape["markersize"] = _SIZES[marker]
    ax.plot(x, y, linestyle="", zorder=5, **shape)
    if np.isfinite(group.covariance).all():
        ax.add_patch(_ellipse((x, y), group.covariance, scene.view, group.colour))
    outside = known and not (left <= x <= right and bottom <= y <= top)
    return Line2D([], [], linestyle=dashes, label=entry(group.name) + ", outside" * outside, **shape)


def _tracks(ax: Axes, group: Group, scene: _Scene, dashes: str) -> None:
    """Helices from the vertex on, and thinly all through the frame."""
    parameters, (left, right, bottom, top) = scene.parameters[group.tracks], scene.frame
    middle = _nearest(parameters, scene.view.origin)
    start = np.nan_to_num(_nearest(parameters, group.position))  # at the perigee if the position is not known
    end = np.maximum(middle, start) + 2 * np.hypot(right - left, top - bottom)
    for first, opacity, width in ((2 * middle - end, 0.3, 1.0), (start, 1.0, 1.8)):
        lengths = np.linspace(first, end, 200, axis=-1)
        helices = _seen(scene.view, _helices(parameters, lengths, scene.magnetic_field))
        lines = LineCollection(list(helices), colors=group.colour, alpha=opacity, linewidths=width, linestyles=dashes)
        ax.add_collection(lines, autolim=False)


def _nearest(parameters: Floats, place: Floats) -> Floats:
    """Length from the perigee to where tracks pass closest to a point [mm], as if straight; (p, 5), (3,) -> (p,)."""
    x, y, z = place
    _, z0, phi, theta, _ = parameters.T
    return np.asarray(np.sin(theta) * (x * np.cos(phi) + y * np.sin(phi)) + np.cos(theta) * (z - z0))


def _helices(parameters: Floats, lengths: Floats, magnetic_field: float) -> Floats:
    """Points of tracks at lengths from their perigees [mm], shapes (p, 5), (p, k) -> (p, k, 3)."""
    path = lengths * np.sin(parameters[:, 3:4])  # in the transverse plane
    return point(parameters[:, np.newaxis], path, magnetic_field)


def _ellipse(centre: tuple[float, float], covariance: Floats, view: _View, colour: str) -> Ellipse:
    variances, directions = np.linalg.eigh(view.axes @ covariance @ view.axes.T)
    width, height = 2 * _SIGMAS * np.sqrt(np.maximum(variances, 0))
    angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
    return Ellipse(centre, width, height, angle=angle, facecolor=colour, alpha=0.4, edgecolor="black", zorder=4)
