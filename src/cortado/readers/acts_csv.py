"""CSV files that the examples of ACTS write: measurements of an event, and in files beside them its truth.

`event000000000-measurements.csv` (measurement_id, geometry_id, global_x, global_y, global_z [mm]; version 48 and
later), `-cells` (measurement_id, value), `-measurement-simhit-map` (measurement_id, hit_id: the row in `-hits`),
`-hits` (of the simulation: particle_id, geometry_id, tx, ty, tz [mm]) and `-particles_simulated`, `-particles` or
`-particles_initial` (vx, vy, vz [mm], px, py, pz [GeV], q, particle_type). Measurements or hits are named, the others
are read with them (see `ntuples.event_files`). Where there are no measurements, the hits of the simulation are read at
their true positions.

The five numbers of particle_id (primary and secondary vertex, particle, generation, sub-particle) become one of 64
bits, 12, 12, 16, 8 and 16 of them, as older ACTS wrote it. A measurement of several particles is of the first in the
map, one of none is noise. Volume, layer and module are taken from geometry_id (bits 56 to 63, 36 to 47, 8 to 27);
layers are those of `generic_detector`.

References:
    Ai et al., A Common Tracking Software Project (2022), arXiv:2106.13593.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.readers import columns, hit_records
from cortado.readers.event_sets import columns_of_files, with_cells
from cortado.readers.generic_detector import layer_number
from cortado.truth.trajectories import NOISE, positions

__all__ = ["FORMS", "NAME", "branches", "record"]

NAME = "ACTS CSV"
_PARTS = {"pv": 11, "sv": 12, "part": 16, "gen": 8, "subpart": 16}  # bits; the sign takes one of the first
_PARTICLE_FILES = ("particles_simulated", "particles", "particles_initial")
_PARTICLES = {name: name for name in ("px", "py", "pz", "vx", "vy", "vz")} | {"charge": "q", "pdg_id": "particle_type"}
_MEASURED = {"x": "global_x", "y": "global_y", "z": "global_z"}
_TRUE = {"x": "tx", "y": "ty", "z": "tz"}
_MAP = "measurement_simhit_map"
FORMS = (("measurements_measurement_id", "measurements_geometry_id"), ("hits_geometry_id", "hits_tx"))
"""Columns by which the dialect is recognised; `branches` requires all those of the files that are there."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the columns that `record` uses, of those that are available.

    Raises:
        KeyError: If a file lacks a column, or one of the map, hits and particles is missing where another one is there.
    """
    there = set(available)
    particles = _particle_file(there)
    truth = {"hits": _identifier("hits", there), particles: (*_identifier(particles, there), *_PARTICLES.values())}
    if not any(name.startswith("measurements_") for name in there):
        files = {**truth, "hits": ("geometry_id", *_TRUE.values(), *truth["hits"])}
        return ["event", *columns_of_files(files, there, NAME, together=("hits", particles))]
    measured = {"measurements": ("measurement_id", "geometry_id", *_MEASURED.values())}
    measured |= {"cells": ("measurement_id", "value"), _MAP: ("measurement_id", "hit_id")}
    return ["event", *columns_of_files(measured | truth, there, NAME, together=(_MAP, "hits", particles))]


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package.

    Args:
        events: Events of one or more sets of files, shape (n_events,).

    Returns:
        Events, shape (n_events,), with event_key, event, hits (with cells and charge, the sum of their values, where
        the file of cells is there) and, with truth, particles; see `hit_records.record`.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a measurement_id occurs twice, files do not agree on them, a number is not finite, a volume is
            not of the detector, or the particle_id of hits and particles do not agree or do not fit into 64 bits.
    """
    available = columns.names(events)
    columns.require(branches(available), available, NAME)
    file, position = ("measurements", _MEASURED) if "measurements_geometry_id" in available else ("hits", _TRUE)
    hits = columns.chosen(events, position, f"{file}_") | _places(columns.column(events, f"{file}_geometry_id"))
    particles, particle_file = None, _particle_file(available)
    if file == "measurements":
        hits |= _clusters(events)
    if f"{particle_file}_px" in available:
        particle_id = _particle_id(events, "hits")
        hits["particle_id"] = _of_measurements(events, particle_id) if file == "measurements" else particle_id
        particles = columns.chosen(events, _PARTICLES, f"{particle_file}_")
        particles["particle_id"] = _particle_id(events, particle_file)
    return hit_records.record(hit_records.event_columns(columns.column(events, "event")), hits, particles)


def _particle_file(available: Iterable[str]) -> str:
    """The file of particles, the one with those that the simulation made first; the usual one if there is none."""
    there = set(available)
    return next((file for file in _PARTICLE_FILES if f"{file}_px" in there), "particles")


def _identifier(file: str, available: Iterable[str]) -> tuple[str, ...]:
    """Columns of the identifier of particles: five, or one in older files."""
    return ("particle_id",) if f"{file}_particle_id" in set(available) else tuple(f"particle_id_{p}" for p in _PARTS)


def _particle_id(events: ak.Array, file: str) -> ak.Array:
    names = _identifier(file, columns.names(events))
    parts = [columns.column(events, f"{file}_{name}") for name in names]
    if len(parts) == 1:
        return parts[0]
    packed = np.zeros(len(columns.flat(parts[0])), np.int64)
    for (name, bits), part in zip(_PARTS.items(), map(columns.flat, parts)):
        wrong = part[(part < 0) | (part >= 1 << bits)]
        if len(wrong):
            raise ValueError(f"particle_id_{name} {wrong[0]} of {file} is not from 0 to {(1 << bits) - 1}")
        packed = (packed << bits) | part.astype(np.int64)
    return ak.unflatten(packed, ak.num(parts[0]))


def _places(geometry_id: ak.Array) -> dict[str, ak.Array]:
    """Volume, layer and module, shape (n_events, var)."""
    bits = columns.flat(geometry_id).astype(np.uint64)
    volume, layer_id, module = (_bits(bits, *place) for place in ((56, 8), (36, 12), (8, 20)))
    places = {"volume": volume, "layer": layer_number(volume, layer_id), "module": module}
    return {name: ak.unflatten(column, ak.num(geometry_id)) for name, column in places.items()}


def _bits(word: npt.NDArray[np.uint64], first: int, number: int) -> npt.NDArray[np.int64]:
    return ((word >> np.uint64(first)) & np.uint64((1 << number) - 1)).astype(np.int64)


def _clusters(events: ak.Array) -> dict[str, ak.Array]:
    """Cells of each measurement, as far as there are any; measurement_id are checked."""
    measurement_id = columns.column(events, "measurements_measurement_id")
    if "cells_value" not in columns.names(events):
        positions(measurement_id, measurement_id[:, :0], "measurement_id")
        return {}
    cells = (columns.column(events, f"cells_{name}") for name in ("measurement_id", "value"))
    return with_cells(measurement_id, *cells)


def _of_measurements(events: ak.Array, particle_id: ak.Array) -> ak.Array:
    """particle_id of the first simulated hit of each measurement, shape (n_events, var)."""
    measurement_id = columns.column(events, "measurements_measurement_id")
    linked, row = (columns.column(events, f"{_MAP}_{name}") for name in ("measurement_id", "hit_id"))
    measurement = positions(measurement_id, linked, "measurement_id")
    hit = positions(ak.local_index(particle_id), row, "row of hits")
    wrong = np.flatnonzero((measurement < 0) | (hit < 0))
    if len(wrong):
        raise ValueError(f"{len(wrong)} of {len(hit)} rows of the measurement-simhit-map lead to no measurement or hit")
    names: Any = np.full(len(columns.flat(measurement_id)), NOISE, np.int64)
    names[measurement[::-1]] = columns.flat(particle_id)[hit[::-1]]  # the first is written last
    return ak.unflatten(names, ak.num(measurement_id))
