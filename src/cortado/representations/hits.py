"""Hits of events in flat arrays, and what graphs of hits say of nodes and edges.

Shapes: n events, N hits of all of them, E edges.
"""

from __future__ import annotations

from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import delta_phi
from cortado.refused import RefusedObjects
from cortado.representations.constituents import flat

__all__ = ["POSITION", "HitGraphInputs", "Hits", "flat_hits", "graph_inputs"]

POSITION = ("hits.x", "hits.y", "hits.z")
_LENGTH = 1000.0  # mm


class Hits(NamedTuple):
    """Hits of n events, one event after the other.

    Attributes:
        counts: Hits of each event, shape (n,).
        event: Index of the event of each hit, shape (N,).
        r: Distance from the beam line [mm], shape (N,).
        phi: Azimuth [rad], shape (N,).
        z: Along the beam [mm], shape (N,).
        layer: Number of the layer, shape (N,); empty where it was not asked for.
    """

    counts: NDArray[np.int64]
    event: NDArray[np.int64]
    r: NDArray[np.float64]
    phi: NDArray[np.float64]
    z: NDArray[np.float64]
    layer: NDArray[np.int64]


class HitGraphInputs(NamedTuple):
    """The disjoint union of the graphs of n events; hits and edges are in the order of their events.

    Attributes:
        nodes: r / 1000, phi / pi, z / 1000 (mm, rad) of each hit, shape (N, 3).
        edge_index: The inner and the outer hit of each edge, shape (2, E).
        edge_features: dr / 1000, dphi / pi, dz / 1000 from the inner to the outer hit, and their distance in eta and
            phi, shape (E, 4).
    """

    nodes: NDArray[np.float32]
    edge_index: NDArray[np.int64]
    edge_features: NDArray[np.float32]


def flat_hits(events: ak.Array, caller: str, *, layer: bool) -> Hits:
    """Hits of events (n,).

    Args:
        events: With `hits`.
        caller: The representation that asks, for messages.
        layer: Whether to read the layers.

    Raises:
        KeyError: If a field is missing.
        ValueError: If the events are nested, a number is not finite, or a hit lies on the beam line, where it has no
            azimuth.
    """
    fields = (*POSITION, "hits.layer") if layer else POSITION
    hits = flat(events, fields, caller=caller, collection="hits", by_pt=False, of="event")
    x, y, z = (hits.own(name) for name in "xyz")
    r = np.hypot(x, y)
    if len(bad := np.flatnonzero(r == 0)):
        raise RefusedObjects(
            f"{caller}: {len(bad)} hits lie on the beam line, x = y = 0, the first in event {hits.owner[bad[0]]}; a "
            "hit needs an azimuth: drop them",
            hits.owner[bad],
            "a hit on the beam line",
        )
    layers = hits.own("layer").astype(np.int64) if layer else np.zeros(0, np.int64)
    return Hits(hits.counts, hits.owner, r, np.arctan2(y, x), z, layers)


def graph_inputs(hits: Hits, edge_index: NDArray[np.int64]) -> HitGraphInputs:
    """What a network sees of hits and of edges (2, E) between them.

    References:
        DeZoort et al., Charged particle tracking via edge-classifying interaction networks (2021), arXiv:2103.16701.
    """
    inner, outer = edge_index
    eta = np.arcsinh(hits.z / hits.r)
    dphi = delta_phi(hits.phi[outer], hits.phi[inner])
    features = np.empty((len(inner), 4), np.float32)
    features[:, 0] = (hits.r[outer] - hits.r[inner]) / _LENGTH
    features[:, 1] = dphi / np.pi
    features[:, 2] = (hits.z[outer] - hits.z[inner]) / _LENGTH
    features[:, 3] = np.hypot(eta[outer] - eta[inner], dphi)
    nodes = np.stack([hits.r / _LENGTH, hits.phi / np.pi, hits.z / _LENGTH], axis=1)
    return HitGraphInputs(nodes.astype(np.float32), edge_index, features)
