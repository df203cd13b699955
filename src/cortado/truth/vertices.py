"""True vertices of the tracks of jets."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.truth.origins import FAKE, Production

__all__ = ["numbered", "vertices_of_tracks"]

Integers = npt.NDArray[np.int64]


def numbered(owner: Integers, vertex: Integers) -> Integers:
    """Number the vertices inside each jet: 0 for the primary one, the others from 1 in the order of their first track.

    Args:
        owner: Index of the jet of each track, ascending, shape (m,).
        vertex: Any number that names the vertex of each track, -1 for the primary one, shape (m,).

    Returns:
        vertex_index of each track, shape (m,).
    """
    secondary = np.flatnonzero(vertex >= 0)
    pairs = np.stack([owner[secondary], vertex[secondary]], axis=-1)
    groups, first, group = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # the groups, jet after jet, by their first track
    jet = groups[order, 0]
    rank = np.empty(len(groups), dtype=np.int64)
    rank[order] = np.arange(len(groups)) - np.searchsorted(jet, jet) + 1
    index = np.zeros(len(owner), dtype=np.int64)
    index[secondary] = rank[group.reshape(-1)]
    return index


def vertices_of_tracks(matched: Integers, counts: Integers, produced: Production) -> tuple[dict[str, Any], ak.Array]:
    """Truth of the tracks of jets, and the true vertices that they come from.

    Args:
        matched: Index of the particle that made each track, -1 for a fake, which is a vertex of its own; of all jets in
            a row, shape (m,).
        counts: Number of tracks of each jet, shape (n_jets,).
        produced: Vertices of all particles.

    Returns:
        vertex_index and vertex_type of the tracks, shape (m,), and the vertices, x, y, z [mm], vertex_index,
        vertex_type, without those of fakes, in the order of vertex_index, shape (n_jets, var).
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    is_fake = matched < 0
    vertex, kind = np.full(len(matched), -1), np.full(len(matched), FAKE)
    vertex[is_fake] = len(produced.vertex) + np.flatnonzero(is_fake)
    vertex[~is_fake], kind[~is_fake] = produced.vertex[matched[~is_fake]], produced.vertex_type[matched[~is_fake]]
    truth = {"vertex_index": numbered(owner, vertex).astype(np.int32), "vertex_type": kind}

    _, first = np.unique(np.stack([owner, truth["vertex_index"]], axis=-1), axis=0, return_index=True)
    first = first[~is_fake[first]]
    position = produced.position[matched[first]].T.astype(np.float32)
    vertices = dict(zip(("x", "y", "z"), position)) | {name: values[first] for name, values in truth.items()}
    return truth, ak.unflatten(ak.zip(vertices), np.bincount(owner[first], minlength=len(counts)))
