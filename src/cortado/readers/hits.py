"""Hits of trackers as ROOT trees: what `cortado simulate hits` and `cortado convert` write.

The tree `hits` has, in one entry an event, run, luminosityBlock, event, and in a jagged branch for each number: hit_x,
hit_y, hit_z (mm), hit_layer (counted over the whole detector, from inside out within a volume), and where they are
known hit_volume, hit_module, hit_cells (number of cells), hit_charge, hit_particle_id (0 for noise), hit_weight;
particle_particle_id, particle_px, ... (GeV), particle_vx, ... (mm), particle_charge, particle_pdg_id; and, of files
that were made of prepared graphs, edge_inner, edge_outer (positions of hits in their event), edge_label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np

from cortado.readers import columns, hit_records

__all__ = ["FORMS", "NAME", "TREE", "branches", "columns_of", "record"]

NAME = "Hits"
TREE = "hits"
_NUMBERS = {"run": np.uint32, "luminosityBlock": np.uint32, "event": np.uint64}
_REQUIRED = ("hit_x", "hit_y", "hit_z", "hit_layer", *_NUMBERS)
_COLLECTIONS: dict[str, Mapping[str, Any]] = {
    "hit": hit_records.HIT_TYPES,
    "particle": hit_records.PARTICLE_TYPES,
    "edge": hit_records.EDGE_TYPES,
}
FORMS = (_REQUIRED,)
"""Branches by which the dialect is recognised, and without which it cannot be read; hits without truth can be."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = set(available)
    wanted = [*_NUMBERS, *(f"{kind}_{field}" for kind, types in _COLLECTIONS.items() for field in types)]
    return [name for name in wanted if name in there]


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package.

    Args:
        events: Entries, shape (n_events,).

    Returns:
        Events, shape (n_events,), with event_key, run, luminosity_block, event, hits, and where the file has them
        particles and edges; see `hit_records.record`. Without weights those of `trajectories.even_weights`.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a number is not finite, or the particle_id of hits and particles do not agree.
    """
    columns.require(_REQUIRED, columns.names(events), NAME)
    run, block, event = (columns.column(events, name) for name in _NUMBERS)
    hits, particles, edges = (
        columns.chosen(events, dict(zip(types, types)), f"{kind}_") for kind, types in _COLLECTIONS.items()
    )
    return hit_records.record(hit_records.event_columns(event, run, block), hits, particles, edges)


def columns_of(events: ak.Array) -> dict[str, Any]:
    """Columns of a file with these events: the inverse of `record`, for records of any dialect of hits.

    Args:
        events: Records with event and hits, and perhaps run, luminosity_block, particles and edges, shape (n_events,).

    Returns:
        Columns by name, as `ntuples.write` takes them. Run and luminosity block are 0 where the dialect has none.
    """
    kept = {"run": "run", "luminosityBlock": "luminosity_block", "event": "event"}
    none = np.zeros(len(events))
    stored: dict[str, Any] = {
        branch: ak.values_astype(events[name] if name in events.fields else none, _NUMBERS[branch])
        for branch, name in kept.items()
    }
    for kind, types in _COLLECTIONS.items():
        if f"{kind}s" in events.fields:
            objects = events[f"{kind}s"]
            stored[kind] = ak.zip({field: objects[field] for field in types if field in objects.fields})
    return stored
