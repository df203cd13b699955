"""What a display of a jet shows of its vertices: their tracks, names, colours and positions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from cortado.plotting.style import COLOURS, CURVES, GREY

__all__ = ["Group", "reconstructed_groups", "true_groups", "true_positions"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_PRIMARY, *_SECONDARY = (colour for colour in CURVES if colour not in (GREY, COLOURS[3]))
_AXES = "xyz"
_KINDS = ("primary", "b decay", "c decay (from b)", "c decay", "other decay", "pile-up", "fake")
_HEAVY = (1, 2, 3)  # of these kinds


class Group(NamedTuple):
    """Tracks of one vertex, or all single ones in grey; position (3,) and covariance (3, 3) are NaN if not known."""

    tracks: Integers  # indices in the jet
    name: str
    colour: str
    position: Floats = np.full(3, np.nan)
    covariance: Floats = np.full((3, 3), np.nan)


def true_positions(jet: Any) -> dict[int, Floats]:
    """Positions of the true vertices [mm] by index; none where the file has none."""
    if "true_vertices" not in ak.fields(jet):
        return {}
    vertices = jet["true_vertices"]
    positions = np.stack([ak.to_numpy(vertices[axis]).astype(np.float64) for axis in _AXES], axis=-1)
    return dict(zip(ak.to_list(vertices["vertex_index"]), positions))


def true_groups(jet: Any, truth: ArrayLike) -> list[Group]:
    """True vertices of two tracks or more and true decays of b and c hadrons, then the tracks of no such vertex.

    Args:
        jet: One jet, as in `vertex_display`.
        truth: True vertex of each track, shape (p,).
    Raises:
        ValueError: If the partition is not one index per track.
    """
    indices, positions = _indices("truth", truth, len(jet["tracks"])), true_positions(jet)
    kinds = ak.to_numpy(jet["tracks"]["vertex_type"]) if "vertex_type" in ak.fields(jet["tracks"]) else None
    colours, groups = cycle(_SECONDARY), []
    for index, tracks in _members(indices).items():
        kind = None if kinds is None else kinds[tracks[0]]
        if len(tracks) > 1 or kind in _HEAVY:
            name = _KINDS[kind] if kind is not None else "primary" if index == 0 else f"vertex {index}"
            colour = _PRIMARY if index == 0 else next(colours)
            position = positions.get(index, np.full(3, np.nan))
            groups.append(Group(tracks, f"{name}, {_counted(len(tracks))}", colour, position))
    return [*groups, *_others(groups, len(indices))]


def reconstructed_groups(reconstructed: ArrayLike, vertices: Any, true: Sequence[Group]) -> list[Group]:
    """Reconstructed vertices of two tracks or more, in the colours of the true ones they match, then all other tracks.

    Args:
        reconstructed: Reconstructed vertex of each track, shape (p,); negative: none.
        vertices: The fitted ones of the jet, or None.
        true: From `true_groups`.
    Raises:
        ValueError: If the partition is not one index per track, or a fitted vertex is not of tracks that it puts
            together.
    """
    indices = _indices("reconstructed", reconstructed, sum(len(group.tracks) for group in true))
    members = {index: tracks for index, tracks in _members(indices).items() if len(tracks) > 1}
    fits = {} if vertices is None else {_index_of(fit, indices): fit for fit in vertices}
    known = [group for group in true if group.colour != GREY]
    partners = _partners([group.tracks for group in known], list(members.values()))
    unused = cycle([colour for colour in _SECONDARY if colour not in {group.colour for group in known}] or _SECONDARY)
    groups = []
    for number, (index, tracks) in enumerate(members.items()):
        colour = known[partners[number]].colour if number in partners else next(unused)
        groups.append(_measured(Group(tracks, _counted(len(tracks)), colour), fits.get(index)))
    return [*groups, *_others(groups, len(indices))]


def _indices(what: str, partition: ArrayLike, count: int) -> Integers:
    indices = np.asarray(partition)
    if indices.shape != (count,) or indices.dtype.kind not in "iu":
        got = f"{indices.dtype} of shape {indices.shape}"
        raise ValueError(f"{what} must be one vertex index for each of the {count} tracks, got {got}")
    return indices.astype(np.int64)


def _members(indices: Integers) -> dict[int, Integers]:
    """Tracks of each vertex."""
    return {int(index): np.flatnonzero(indices == index) for index in np.unique(indices[indices >= 0])}


def _index_of(fit: Any, indices: Integers) -> int:
    """Index of a fitted vertex in the partition."""
    index = np.unique(indices[ak.to_numpy(fit["tracks"])])
    if len(index) != 1 or index[0] < 0:
        together = ak.to_list(fit["tracks"])
        raise ValueError(f"a fitted vertex has the tracks {together}, which are not of one vertex in reconstructed")
    return int(index[0])


def _measured(group: Group, fit: Any) -> Group:
    """The group with what is known from its fit, if there is one."""
    if fit is None:
        return group
    covariance = np.array([[fit["cov_" + "_".join(sorted(row + column))] for column in _AXES] for row in _AXES])
    return group._replace(
        name=f"{group.name}, L = {fit['flight_distance']:.1f} mm, m = {fit['mass']:.1f} GeV",
        position=np.array([fit[axis] for axis in _AXES]),
        covariance=covariance,
    )


def _partners(true: Sequence[Integers], reconstructed: Sequence[Integers]) -> dict[int, int]:
    """True vertex of each reconstructed one that shares two tracks or more: one each, with most tracks in all."""
    shared = np.array([[len(np.intersect1d(one, other)) for other in true] for one in reconstructed])
    shared = np.where(shared > 1, shared, 0).reshape(len(reconstructed), len(true))
    pairs = zip(*linear_sum_assignment(shared, maximize=True))
    return {int(one): int(other) for one, other in pairs if shared[one, other]}


def _others(groups: Sequence[Group], count: int) -> list[Group]:
    """All tracks that are in no group, as one, if there are any."""
    tracks = np.setdiff1d(np.arange(count), [track for group in groups for track in group.tracks])
    return [Group(tracks, _counted(len(tracks), "single "), GREY)] if len(tracks) else []


def _counted(tracks: int, kind: str = "") -> str:
    return f"{tracks} {kind}track" + "s" * (tracks != 1)
