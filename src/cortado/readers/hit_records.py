"""Records of hits, as all dialects of trackers give them: types, truth, and what none of them may contain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.event_keys import event_key
from cortado.readers import columns
from cortado.truth import trajectories

__all__ = ["EDGE_TYPES", "HIT_TYPES", "PARTICLE_TYPES", "event_columns", "record"]

HIT_TYPES: dict[str, type[np.generic]] = {
    "x": np.float32,
    "y": np.float32,
    "z": np.float32,
    "layer": np.int32,
    "volume": np.int32,
    "module": np.int32,
    "cells": np.int32,
    "charge": np.float32,
    "particle_id": np.int64,
    "weight": np.float32,
}
PARTICLE_TYPES: dict[str, type[np.generic]] = {
    "particle_id": np.int64,
    **dict.fromkeys(("px", "py", "pz", "vx", "vy", "vz"), np.float32),
    "charge": np.int32,
    "pdg_id": np.int32,
}
EDGE_TYPES: dict[str, type[np.generic]] = dict.fromkeys(("inner", "outer", "label"), np.int32)
_FINITE = ("x", "y", "z", "px", "py", "pz", "vx", "vy", "vz")


def record(
    names: Mapping[str, Any],
    hits: Mapping[str, ak.Array],
    particles: Mapping[str, ak.Array] | None = None,
    edges: Mapping[str, ak.Array] | None = None,
) -> ak.Array:
    """Columns of the dialects, in their units mm and GeV, as one record of hits.

    Args:
        names: event_key, and what else there is one of in an event, shape (n_events,).
        hits: Columns with the names of `HIT_TYPES`, of which x, y, z and layer are required, shape (n_events, var).
        particles: Columns with the names of `PARTICLE_TYPES`, shape (n_events, var); those that the hits name, if hits
            have particle_id and nothing else is known.
        edges: Columns with the names of `EDGE_TYPES`, shape (n_events, var).

    Returns:
        Events, shape (n_events,), with the names, hits, and, where the hits have particle_id, particles (see
        `trajectories.with_hits`); and edges, if there are any.

    Raises:
        ValueError: If a position or momentum is not finite, or the particle_id of hits and particles do not agree.
    """
    every_hit = _typed(hits, HIT_TYPES, "hit")
    events = {**names, "hits": every_hit}
    if "particle_id" in every_hit.fields:
        if "weight" not in every_hit.fields:
            events["hits"] = ak.with_field(every_hit, trajectories.even_weights(every_hit.particle_id), "weight")
        known = _typed(particles, PARTICLE_TYPES, "particle") if particles else trajectories.particles_of(every_hit)
        events["particles"] = trajectories.with_hits(known, events["hits"])
    if edges:
        events["edges"] = _typed(edges, EDGE_TYPES, "edge")
    return columns.records(events)


def event_columns(event: ak.Array, run: Any = None, luminosity_block: Any = None) -> dict[str, Any]:
    """Numbers of the events and their keys; event int64.

    Args:
        event: Numbers, shape (n_events,).
        run: The same; 0 where the dialect has none.
        luminosity_block: The same.
    """
    numbers = {"run": run, "luminosity_block": luminosity_block, "event": ak.values_astype(event, np.int64)}
    none = np.zeros(len(event), np.int64)
    key = event_key(*(none if number is None else ak.to_numpy(number) for number in numbers.values()))
    return {"event_key": key} | {name: number for name, number in numbers.items() if number is not None}


def _typed(columns_of: Mapping[str, ak.Array], types: Mapping[str, type[np.generic]], kind: str) -> ak.Array:
    counts = ak.num(next(iter(columns_of.values())))
    flat = {name: columns.flat(columns_of[name]) for name in types if name in columns_of}
    lengths = {name: len(column) for name, column in flat.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of {kind}s have different numbers of elements: {lengths}")
    for name in _FINITE:
        if name in flat:
            _check_finite(flat[name], counts, f"{kind} {name}")
    return ak.unflatten(ak.zip({name: column.astype(types[name]) for name, column in flat.items()}), counts)


def _check_finite(values: npt.NDArray[Any], counts: ak.Array, what: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        edges = np.append(0, np.cumsum(ak.to_numpy(counts)))
        event = int(np.searchsorted(edges, wrong[0], side="right")) - 1
        raise ValueError(
            f"event {event}: {what} is {values[wrong[0]]} at position {wrong[0] - edges[event]}; "
            f"{len(wrong)} in all are not finite"
        )
