"""Graphs of TrackML hits as the interaction-network paper prepared them, one an npz file.

X (N, 3): r / 1000, phi / pi, z / 1000 of hits (mm, rad); Ri_rows, Ri_cols and Ro_rows, Ro_cols: entries of the matrices
(hits, edges) that say at which hit each edge ends and starts, in any order; y (E): whether both hits are of one
particle; pid (N). The edge features Ra are not read: representations make them of the positions.

The edges come with the record as `edges`: inner, outer (positions of hits in the event) and, with truth, label, which
is that of the file. Published files of the selection "classic" have pid as float32, so that particle_id are rounded and
two particles can share one; there the label is right. Those of "plus" count particles from 0, here from 1. Nothing else
is known of particles. Layers are found from the positions (see `generic_detector`), so pixels only. A file is an event,
or the sector `_g000` of one; all have the key of the event.

References:
    DeZoort et al., Charged particle tracking via edge-classifying interaction networks (2021), arXiv:2103.16701.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.readers import columns, hit_records
from cortado.readers.generic_detector import layer_at

__all__ = ["FORMS", "NAME", "branches", "record"]

NAME = "Hit graphs"
_ENDS = {"inner": ("Ro_rows", "Ro_cols"), "outer": ("Ri_rows", "Ri_cols")}
_LABEL, _PARTICLE, _EVENT = "y", "pid", "event"
_REQUIRED = ("X", *_ENDS["inner"], *_ENDS["outer"])
FORMS = (_REQUIRED,)
"""Arrays by which the dialect is recognised, and without which it cannot be read; graphs without truth can be."""

Integers = npt.NDArray[np.int64]


def branches(available: Iterable[str]) -> list[str]:
    """Choose the arrays that `record` uses, of those that are available."""
    there = set(available)
    return [name for name in (_EVENT, *_REQUIRED, _LABEL, _PARTICLE) if name in there]


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package.

    Args:
        events: Graphs, shape (n_events,).

    Returns:
        Events, shape (n_events,), with event_key, event, hits, edges and, with truth, particles, of which only
        particle_id and hits are known; see `hit_records.record`.

    Raises:
        KeyError: If a required array is missing.
        ValueError: If an edge has not one hit at each end, hits and particle_id or edges and labels differ in number, a
            number is not finite, or a hit is on no pixel layer.
    """
    available = columns.names(events)
    columns.require((_EVENT, *_REQUIRED), available, NAME)
    nodes = columns.column(events, "X")
    hits, counts = _hits(nodes), ak.num(nodes)
    if _PARTICLE in available:
        particle_id = columns.column(events, _PARTICLE)
        _check_counts(ak.num(particle_id), counts, _PARTICLE, "hits")
        hits["particle_id"] = ak.where(_counts_from_zero(particle_id, counts), particle_id + 1, particle_id)
    edges = {end: _hits_at(events, *names, counts) for end, names in _ENDS.items()}
    _check_counts(ak.num(edges["outer"]), ak.num(edges["inner"]), "Ri", "edges")
    if _LABEL in available:
        edges["label"] = columns.column(events, _LABEL)
        _check_counts(ak.num(edges["label"]), ak.num(edges["inner"]), _LABEL, "edges")
    return hit_records.record(hit_records.event_columns(columns.column(events, _EVENT)), hits, edges=edges)


def _hits(nodes: ak.Array) -> dict[str, ak.Array]:
    """Positions [mm] and layers of the hits, shape (n_events, var)."""
    radius, phi, z = ak.to_numpy(ak.flatten(nodes)).astype(np.float64).reshape(-1, 3).T
    if not np.all(np.isfinite(radius + phi + z)):
        event = np.flatnonzero(~np.isfinite(ak.to_numpy(ak.sum(ak.sum(nodes, axis=2), axis=1))))[0]
        raise ValueError(f"event {event}: X is not finite for {np.sum(~np.isfinite(radius + phi + z))} hits in all")
    radius, phi, z = 1000 * radius, np.pi * phi, 1000 * z
    layer, volume = layer_at(radius, z)
    flat = {"x": radius * np.cos(phi), "y": radius * np.sin(phi), "z": z, "layer": layer, "volume": volume}
    return {name: ak.unflatten(column, ak.num(nodes)) for name, column in flat.items()}


def _counts_from_zero(particle_id: ak.Array, counts: ak.Array) -> ak.Array:
    """Whether the particles of each event are counted from 0, so that 0 is not noise; shape (n_events,)."""
    return ak.fill_none(ak.max(particle_id, axis=1), 0) < counts


def _hits_at(events: ak.Array, rows: str, cols: str, counts: ak.Array) -> ak.Array:
    """The hit at one end of each edge, in the order of the edges, shape (n_events, var)."""
    hit, edge = columns.column(events, rows), columns.column(events, cols)
    number = ak.num(hit)
    _check_counts(ak.num(edge), number, cols, rows)
    outside = ak.any((hit < 0) | (hit >= counts) | (edge < 0) | (edge >= number), axis=1)
    ordered = ak.sort(edge, axis=1) == ak.local_index(edge)
    wrong = np.flatnonzero(ak.to_numpy(outside | ~ak.all(ordered, axis=1)))
    if len(wrong):
        raise ValueError(f"event {wrong[0]}: {rows} and {cols} do not give each of {number[wrong[0]]} edges one hit")
    return hit[ak.argsort(edge, axis=1)]


def _check_counts(counts: ak.Array, required: ak.Array, name: str, kind: str) -> None:
    wrong = np.flatnonzero(ak.to_numpy(counts != required))
    if len(wrong):
        event = int(wrong[0])
        raise ValueError(f"event {event}: {name} has {counts[event]} values for {required[event]} {kind}")
