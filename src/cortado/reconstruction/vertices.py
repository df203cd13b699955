"""Vertices of jets as records: what an analysis reads of a secondary vertex."""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import PION_MASS, mass_of
from cortado.reconstruction.matrices import group_sum, inverse, times
from cortado.reconstruction.priors import Prior, each_prior
from cortado.reconstruction.tracks import Resolution, Tracks, flat_tracks
from cortado.reconstruction.vertex_fit import FittedVertices, fit_vertices

__all__ = ["vertices"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_AXES = "xyz"
_ORIGIN = Prior((0.0, 0.0, 0.0), np.zeros((3, 3)))


def vertices(
    jets: ak.Array,
    partition: ak.Array,
    *,
    primary: Prior | None = None,
    primary_sigma: float = 3.0,
    magnetic_field: float = 2.0,
    resolution: Resolution | None = None,
    skip_unfit: bool = False,
) -> ak.Array:
    """Fit the vertex of each set of two or more tracks, and measure it.

    Tracks are taken for charged pions. Each vertex is fitted from its tracks alone; the primary vertex is only what
    distances are measured from.

    ======================================  =================================================================
    field                                   content
    ======================================  =================================================================
    `x y z`                                 position [mm]
    `cov_x_x cov_x_y ... cov_z_z`           its covariance [mm^2], 6 fields
    `chi2 ndf converged`                    of the fit
    `pt eta phi mass charge`                of the sum of the tracks, with their momenta at the vertex [GeV]
    `n_tracks`, `tracks`                    number of tracks, and their indices in the jet
    `flight_distance`                       from the primary vertex [mm]
    `flight_distance_2d`                    the same in the transverse plane
    `significance`, `significance_2d`       flight distance over its error, with both covariances
    `direction`                             +1 if the flight goes along the jet axis, -1 if against it
    `pointing`                              cosine of the angle between flight and momentum
    `is_primary`                            compatible with the primary vertex
    ======================================  =================================================================

    Args:
        jets: Jets with `eta`, `phi` and `tracks`, shape (n,).
        partition: Index of the vertex of each track, shape (n, var); negative: none.
        primary: Primary vertex: position (3,) or (n, 3), covariance (3, 3) or (n, 3, 3). If not given, it is exactly
            the origin of the perigee parameters.
        primary_sigma: A vertex is compatible with the primary if the distance of the two, in units of the full
            covariance, is at most this.
        magnetic_field: Along z [T].
        resolution: Errors to assume, instead of the covariance in the record; see `tracks.flat_tracks`.
        skip_unfit: Leave tracks that cannot be fitted out of the vertices, with a warning, instead of refusing them.

    Returns:
        Vertices, shape (n, var), in the order of their indices in the partition.

    Raises:
        KeyError: If a field is missing.
        ValueError: If a track cannot be fitted, see `tracks.flat_tracks`, the partition is not one integer per
            track, or the primary vertex is not one position and covariance per jet.
    """
    tracks = flat_tracks(jets, resolution=resolution, skip_unfit=skip_unfit, caller="vertices")
    axis = _axes(jets)
    index = _indices(partition, tracks)
    groups = _groups(tracks, index)
    used = groups.track
    origin, spread = each_prior(primary or _ORIGIN, len(tracks.counts))
    fitted = fit_vertices(
        tracks.parameters[used],
        tracks.covariance[used],
        groups.vertex,
        groups=len(groups.jet),
        magnetic_field=magnetic_field,
        start=origin[groups.jet],
    )
    columns = _position(fitted) | _momentum(fitted, groups, tracks)
    columns |= _flight(fitted, origin[groups.jet], spread[groups.jet], axis[groups.jet], columns, primary_sigma)
    first = np.cumsum(tracks.counts) - tracks.counts
    within = (tracks.entry - first[tracks.jet])[used].astype(np.int32)
    members = ak.unflatten(within, np.bincount(groups.vertex, minlength=len(groups.jet)))
    record = ak.zip(columns | {"tracks": members}, depth_limit=1)
    return ak.unflatten(record, np.bincount(groups.jet, minlength=len(tracks.counts)))


class _Groups(NamedTuple):
    """Sets of at least two tracks: indices of their tracks, the vertex of each of those, and the jet of each vertex."""

    track: Integers
    vertex: Integers
    jet: Integers


def _groups(tracks: Tracks, index: Integers) -> _Groups:
    track = np.flatnonzero(index >= 0)
    order = track[np.lexsort((index[track], tracks.jet[track]))]
    jet, own = tracks.jet[order], index[order]
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = (jet[1:] != jet[:-1]) | (own[1:] != own[:-1])
    vertex = np.cumsum(begins) - 1
    enough = np.bincount(vertex) >= 2
    number = np.cumsum(enough) - 1
    kept = enough[vertex]
    return _Groups(order[kept], number[vertex[kept]], jet[begins][enough])


def _position(fitted: FittedVertices) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = dict(zip(_AXES, fitted.position.T))
    for row, column in zip(*np.triu_indices(3)):
        columns[f"cov_{_AXES[row]}_{_AXES[column]}"] = fitted.covariance[:, row, column]
    return columns | {"chi2": fitted.chi2, "ndf": fitted.ndf, "converged": fitted.converged}


def _momentum(fitted: FittedVertices, groups: _Groups, tracks: Tracks) -> dict[str, NDArray[Any]]:
    count = len(groups.jet)
    px, py, pz = group_sum(fitted.momentum, groups.vertex, count).T
    energy = group_sum(np.hypot(np.linalg.norm(fitted.momentum, axis=-1), PION_MASS), groups.vertex, count)
    charge = group_sum(np.sign(tracks.parameters[groups.track, 4]), groups.vertex, count)
    pt = np.hypot(px, py)
    return {
        "pt": pt,
        "eta": np.arcsinh(pz / pt),
        "phi": np.arctan2(py, px),
        "mass": mass_of(energy, px, py, pz),
        "charge": charge.astype(np.int32),
        "n_tracks": np.bincount(groups.vertex, minlength=count).astype(np.int32),
    }


def _flight(
    fitted: FittedVertices,
    origin: Floats,
    spread: Floats,
    axis: Floats,
    momenta: dict[str, NDArray[Any]],
    primary_sigma: float,
) -> dict[str, NDArray[Any]]:
    """Distances from primary vertices at `origin` (g, 3) of covariance `spread` (g, 3, 3), jets along `axis` (g, 3)."""
    flight, covariance = fitted.position - origin, fitted.covariance + spread
    momentum = _direction(momenta["eta"], momenta["phi"])
    distance = np.linalg.norm(flight, axis=-1)
    apart = np.sqrt(np.sum(flight * times(inverse(covariance), flight), axis=-1))
    return {
        "flight_distance": distance,
        "flight_distance_2d": np.linalg.norm(flight[:, :2], axis=-1),
        "significance": _significance(flight, covariance),
        "significance_2d": _significance(flight[:, :2], covariance[:, :2, :2]),
        "direction": np.where(np.sum(flight * axis, axis=-1) < 0, -1, 1).astype(np.int32),
        "pointing": np.sum(flight * momentum, axis=-1) / np.where(distance > 0, distance, 1.0),
        "is_primary": apart <= primary_sigma,
    }


def _significance(flight: Floats, covariance: Floats) -> Floats:
    """Length over its error; 0 for no length. Shapes (g, k), (g, k, k) -> (g,)."""
    square = np.sum(flight**2, axis=-1)
    variance = np.sum(flight * times(covariance, flight), axis=-1)  # times the squared length
    return np.asarray(square / np.sqrt(np.where(variance > 0, variance, 1.0)))


def _direction(eta: Floats, phi: Floats) -> Floats:
    """Unit vectors, shape (g, 3)."""
    return np.asarray(np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=-1) / np.cosh(eta)[:, np.newaxis])


def _axes(jets: ak.Array) -> Floats:
    for name in ("eta", "phi"):
        if name not in jets.fields:
            raise KeyError(f"vertices needs the field {name!r}, which the jets do not have; they have {jets.fields}")
    return _direction(*(np.asarray(ak.to_numpy(jets[name]), dtype=np.float64) for name in ("eta", "phi")))


def _indices(partition: ak.Array, tracks: Tracks) -> Integers:
    """The partition as a flat column of the tracks that are fitted, shape (m,)."""
    layout = ak.to_layout(partition).to_packed()
    if layout.is_regular:
        layout = layout.to_ListOffsetArray64(True)
    kind = layout.content.dtype.kind if layout.is_list and layout.content.is_numpy else None
    if kind not in ("i", "u") and not (layout.is_list and layout.content.is_unknown):
        raise ValueError(f"the partition must hold one integer per track, shape (n, var), got {ak.type(layout)!s:.60}")
    counts = np.diff(np.asarray(layout.offsets))
    if len(counts) != len(tracks.counts):
        raise ValueError(f"the partition has {len(counts)} jets, the record {len(tracks.counts)}")
    if len(wrong := np.flatnonzero(counts != tracks.counts)):
        jet = wrong[0]
        raise ValueError(f"the partition has {counts[jet]} entries for jet {jet} of {tracks.counts[jet]} tracks")
    return np.asarray(ak.to_numpy(layout.content), dtype=np.int64)[tracks.entry]
