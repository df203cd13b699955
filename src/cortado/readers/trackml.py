"""CSV files of the TrackML challenge: hits of an event, and in files beside them its cells, particles and truth.

`event000000001-hits.csv.gz` (columns hit_id, x, y, z [mm], volume_id, layer_id, module_id), `-cells` (hit_id, value,
one row a cell), `-truth` (hit_id, particle_id, weight) and `-particles` (particle_id, particle_type, vx, vy, vz [mm],
px, py, pz [GeV], q); the hits are named, the others are read with them (see `ntuples.event_files`). Cells may be
missing, and truth and particles together, as in the test events of the challenge. Rows are joined by hit_id, in
whatever order.

Layers are numbered by `generic_detector`. Weights are those of the file, of which the challenge makes its score.

References:
    Amrouche et al., The Tracking Machine Learning challenge: accuracy phase (2019), arXiv:1904.06778.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np

from cortado.readers import columns, hit_records
from cortado.readers.event_sets import columns_of_files, with_cells
from cortado.readers.generic_detector import layer_number
from cortado.truth.trajectories import positions

__all__ = ["FORMS", "NAME", "branches", "record"]

NAME = "TrackML CSV"
_HITS = {"x": "x", "y": "y", "z": "z", "volume": "volume_id", "module": "module_id"}
_PARTICLES = {name: name for name in ("particle_id", "px", "py", "pz", "vx", "vy", "vz")}
_PARTICLES |= {"charge": "q", "pdg_id": "particle_type"}
_FILES = {
    "hits": ("hit_id", "layer_id", *_HITS.values()),
    "cells": ("hit_id", "value"),
    "truth": ("hit_id", "particle_id", "weight"),
    "particles": tuple(_PARTICLES.values()),
}
FORMS = (("hits_hit_id", "hits_volume_id"),)
"""Columns by which the dialect is recognised; `branches` requires all those of the files that are there."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the columns that `record` uses, of those that are available.

    Raises:
        KeyError: If a file lacks a column, or truth or particles are missing where the other one is there.
    """
    return ["event", *columns_of_files(_FILES, available, NAME, together=("truth", "particles"))]


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package.

    Args:
        events: Events of one or more sets of files, shape (n_events,).

    Returns:
        Events, shape (n_events,), with event_key, event, hits (with cells and charge, the sum of their values, where
        the file of cells is there) and, with truth, particles; see `hit_records.record`.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If hit_id are not different, files do not agree on them, a number is not finite, a volume is not of
            the detector, or the particle_id of hits and particles do not agree.
    """
    columns.require(branches(columns.names(events)), columns.names(events), NAME)
    hits = {name: columns.column(events, f"hits_{branch}") for name, branch in _HITS.items()}
    hit_id, layer_id = columns.column(events, "hits_hit_id"), columns.column(events, "hits_layer_id")
    layers = layer_number(columns.flat(hits["volume"]), columns.flat(layer_id))
    hits["layer"] = ak.unflatten(layers, ak.num(layer_id))
    positions(hit_id, hit_id[:, :0], "hit_id of hits")
    particles = None
    if "cells_hit_id" in columns.names(events):
        hits |= with_cells(hit_id, columns.column(events, "cells_hit_id"), columns.column(events, "cells_value"))
    if "truth_hit_id" in columns.names(events):
        row = _rows_of(hit_id, columns.column(events, "truth_hit_id"))
        for name in ("particle_id", "weight"):
            values = columns.flat(columns.column(events, f"truth_{name}"))
            hits[name] = ak.unflatten(values[row], ak.num(hit_id))
        particles = columns.chosen(events, _PARTICLES, "particles_")
    return hit_records.record(hit_records.event_columns(columns.column(events, "event")), hits, particles)


def _rows_of(hit_id: ak.Array, truth_hit_id: ak.Array) -> Any:
    row = positions(truth_hit_id, hit_id, "hit_id of truth")
    if np.any(row < 0):
        raise ValueError(f"{np.sum(row < 0)} of {len(row)} hits have a hit_id that truth does not have")
    if len(columns.flat(truth_hit_id)) > len(row):
        raise ValueError(f"truth has {len(columns.flat(truth_hit_id))} rows for {len(row)} hits: it is of other files")
    return row
