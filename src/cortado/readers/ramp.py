"""The toy detector of RAMP 2017 in two dimensions: one CSV file of rows event, particle, hit, x, y.

Eight circles around the origin, at the radii 1000, 2000, ..., 8000 in the units of the file, which stand for mm; z is
0. Identifiers are written as floating-point numbers and become integers. Without the column particle there is no truth.

References:
    Amrouche et al., Track reconstruction at LHC as a collaborative data challenge use case with RAMP (2017),
    doi:10.1051/epjconf/201715000015.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak
import numpy as np

from cortado.readers import columns, hit_records
from cortado.truth.trajectories import positions

__all__ = ["FORMS", "NAME", "branches", "record"]

NAME = "RAMP"
_REQUIRED, _PARTICLE = ("event", "hit", "x", "y"), "particle"
_SPACING, _LAYERS, _EXACT = 1000.0, 8, 2.0**53
FORMS = (_REQUIRED,)
"""Columns by which the dialect is recognised, and without which it cannot be read; hits without truth can be."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the columns that `record` uses, of those that are available."""
    there = set(available)
    return [name for name in (*_REQUIRED, _PARTICLE) if name in there]


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with event_key, event, hits and, with truth, particles, of which only particle_id and
        hits are known; see `hit_records.record`.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If an identifier is no integer or occurs twice, a hit is on no circle, or a number is not finite.
    """
    columns.require(_REQUIRED, columns.names(events), NAME)
    hits = {name: columns.column(events, name) for name in ("x", "y")}
    hit_id = _integers(columns.column(events, "hit"), "hit")
    positions(hit_id, hit_id[:, :0], "hit")
    hits |= {"z": ak.zeros_like(hits["x"]), "layer": _layer(hits["x"], hits["y"])}
    if _PARTICLE in columns.names(events):
        hits["particle_id"] = _integers(columns.column(events, _PARTICLE), _PARTICLE)
    return hit_records.record(hit_records.event_columns(columns.column(events, "event")), hits)


def _layer(x: ak.Array, y: ak.Array) -> ak.Array:
    radius = np.hypot(columns.flat(x), columns.flat(y)) / _SPACING
    layer = np.round(radius) - 1
    wrong = np.flatnonzero((np.abs(radius - layer - 1) > 0.1) | (layer < 0) | (layer >= _LAYERS))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} hits are on no circle, the first at radius {radius[wrong[0]] * _SPACING:.1f}; "
            f"the radii are {_SPACING:g}, ..., {_LAYERS * _SPACING:g}"
        )
    return ak.unflatten(layer, ak.num(x))


def _integers(values: ak.Array, name: str) -> ak.Array:
    flat = columns.flat(values)
    wrong = flat[~((flat == np.round(flat)) & (np.abs(flat) < _EXACT))]
    if len(wrong):
        raise ValueError(f"{name} {wrong[0]} is no integer below 2^53, where floating-point numbers are exact")
    return ak.values_astype(values, np.int64)
