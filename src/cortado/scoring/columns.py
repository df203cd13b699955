"""Vertices of jets as columns of a tree: three collections of each event, whose indices point at each other."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import reconstruction
from cortado.perigee import COVARIANCE
from cortado.scoring.nesting import entries

if TYPE_CHECKING:
    from cortado.scoring.finder import VertexFinder

Columns = dict[str, NDArray[Any]]
Integers = NDArray[np.int64]


def vertex_columns(
    finder: VertexFinder, events: ak.Array, *, magnetic_field: float = 2.0, skip_unfit: bool = False
) -> dict[str, ak.Array]:
    """Which tracks of jets share a vertex, and the fits of these vertices, as flat collections of each event.

    ==========  ==============  =======================================================================
    collection  field           content
    ==========  ==============  =======================================================================
    `jet`       `n_tracks`      number of tracks
    `jet`       `n_vertices`    number of vertices of two tracks and more
    `track`     `jetIdx`        index of the jet in the event; tracks come jet after jet
    `track`     `vertexIdx`     index of the vertex in the event, -1 for a track that shares none
    `track`     `unfit`         whether the track was left out, as it cannot be fitted
    `vertex`    `jetIdx`        index of the jet in the event; vertices come jet after jet
    `vertex`    `n_tracks`      number of tracks
    `vertex`    `x`, `y`, ...   all other numbers of `cortado.reconstruction.vertices`
    ==========  ==============  =======================================================================

    Distances are measured from the primary vertex, fitted from all tracks of the event where the record has them, else
    from the origin of the perigee parameters. Without covariances of the tracks in the record nothing is fitted:
    `unfit` and the numbers of the fits are left out.

    Args:
        finder: Says which tracks share a vertex.
        events: Record with `jets`, shape (n_events,).
        magnetic_field: Along z [T].
        skip_unfit: Leave out tracks that cannot be fitted, as if they were not there, with a warning, instead of
            refusing them.

    Raises:
        KeyError: If a field is missing.
        ValueError: If a number that the finder needs is not finite, or a track cannot be fitted.
    """
    jets = ak.flatten(events.jets)
    is_fitted = "tracks" in jets.fields and set(COVARIANCE) <= set(jets.tracks.fields)
    partition = finder(jets, skip_unfit=skip_unfit and is_fitted)
    sets = _sets(partition)
    of_jets = {"n_tracks": sets.tracks, "n_vertices": np.bincount(sets.jet, minlength=len(jets))}
    of_tracks: Columns = {}
    of_vertices: Columns = {"n_tracks": np.bincount(sets.vertex[sets.vertex >= 0], minlength=len(sets.jet))}
    if is_fitted:
        fit: dict[str, Any] = {"magnetic_field": magnetic_field, "skip_unfit": skip_unfit}
        primary = _primaries(events, **fit)
        fits = reconstruction.vertices(jets, ak.unflatten(sets.vertex, sets.tracks), primary=primary, **fit)
        of_tracks["unfit"] = ak.to_numpy(ak.flatten(partition)) < 0
        of_vertices |= {name: ak.to_numpy(ak.flatten(fits[name])) for name in fits.fields if name != "tracks"}
    return _collections(events.jets, sets, {"jet": of_jets, "track": of_tracks, "vertex": of_vertices})


def vertex_friend(finder: VertexFinder, events: ak.Array, **fit: Any) -> tuple[dict[str, ak.Array], Counter[str]]:
    """`vertex_columns`, and what is to be said of them with how often it is true, in the place of warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* cannot be fitted, left out")
        columns = vertex_columns(finder, events, **fit)
    track = columns["track"]
    if "unfit" in track.fields:
        return columns, Counter({"tracks cannot be fitted: they are left out": int(ak.sum(track.unfit))})
    return columns, Counter({"entries have tracks without covariance: vertices are not fitted": len(events)})


class _Sets(NamedTuple):
    """The v sets of two tracks and more in n jets of m tracks.

    Attributes:
        tracks: Number of tracks of each jet, shape (n,).
        vertex: Index of the set of each track, -1 for none, shape (m,).
        jet: Index of the jet of each set, shape (v,).
    """

    tracks: Integers
    vertex: Integers
    jet: Integers


def _sets(partition: ak.Array) -> _Sets:
    counts, number = ak.to_numpy(ak.num(partition)), ak.to_numpy(ak.flatten(partition)).astype(np.int64)
    most = number.max(initial=0) + 1
    in_jets = np.repeat(np.arange(len(counts)), counts) * most + number
    known = number >= 0
    key, place, size = np.unique(in_jets[known], return_inverse=True, return_counts=True)
    is_shared = size >= 2
    vertex = np.full(len(number), -1)
    vertex[known] = np.where(is_shared, np.cumsum(is_shared) - 1, -1)[place]
    return _Sets(counts, vertex, key[is_shared] // most)


def _primaries(events: ak.Array, **fit: Any) -> reconstruction.Prior | None:
    """Primary vertex of each jet; None if the events have no tracks of their own."""
    if "tracks" not in events.fields:
        return None
    primary = reconstruction.primary_vertices(events.tracks, **fit)
    return reconstruction.Prior(*(np.asarray(values)[entries(events.jets)] for values in primary))


def _collections(jets: ak.Array, sets: _Sets, columns: dict[str, Columns]) -> dict[str, ak.Array]:
    """Columns of jets, tracks and vertices as collections of events (n_events, var), with indices that count there."""
    event, jet = entries(jets), np.repeat(np.arange(len(sets.tracks)), sets.tracks)
    owner = {"jet": event, "track": event[jet], "vertex": event[sets.jet]}
    place = ak.to_numpy(ak.flatten(ak.local_index(jets, axis=1)))
    within = sets.vertex - np.searchsorted(owner["vertex"], owner["track"])
    index = {
        "jet": {},
        "track": {"jetIdx": place[jet], "vertexIdx": np.where(sets.vertex < 0, -1, within)},
        "vertex": {"jetIdx": place[sets.jet]},
    }
    return {name: _collection(index[name] | columns[name], owner[name], len(jets)) for name in columns}


def _collection(columns: Columns, event: Integers, events: int) -> ak.Array:
    """Flat columns as lists of events, shape (n_events, var), of 32 bits."""
    narrow = {"f": np.float32, "i": np.int32, "b": np.bool_}
    record = ak.zip({name: values.astype(narrow[values.dtype.kind]) for name, values in columns.items()})
    return ak.unflatten(record, np.bincount(event, minlength=events))
