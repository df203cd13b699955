"""Hits and particles as branches of the tree ``hits``."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.simulation.hits.measurement import Hits
from cortado.simulation.hits.particles import Particles

__all__ = ["TREE", "branches"]

TREE = "hits"

Integers = npt.NDArray[np.int64]


def branches(hits: Hits, particles: Particles, *, run: int, luminosity_block: int, events: Integers) -> dict[str, Any]:
    """One entry an event.

    Weights are equal for all hits of particles of an event and add up to 1; noise has none.

    Args:
        hits: Those of an event together, events in order.
        particles: The same.
        run: Number of the run.
        luminosity_block: Number of the block.
        events: Number of each event, shape (n_events,).
    """
    n = len(events)
    return {
        "run": np.full(n, run, np.uint32),
        "luminosityBlock": np.full(n, luminosity_block, np.uint32),
        "event": events.astype(np.uint64),
        "hit": ak.unflatten(ak.zip(_hit_columns(hits, n)), np.bincount(hits.event, minlength=n)),
        "particle": ak.unflatten(ak.zip(_particle_columns(particles)), np.bincount(particles.event, minlength=n)),
    }


def _hit_columns(hits: Hits, events: int) -> dict[str, npt.NDArray[Any]]:
    x, y, z = hits.position.astype(np.float32).T
    signal = hits.particle_id != 0
    total = np.maximum(np.bincount(hits.event[signal], minlength=events), 1)
    return {
        "x": x,
        "y": y,
        "z": z,
        "layer": hits.layer.astype(np.int32),
        "volume": hits.volume.astype(np.int32),
        "module": hits.module.astype(np.int32),
        "particle_id": hits.particle_id.astype(np.int64),
        "weight": (signal / total[hits.event]).astype(np.float32),
    }


def _particle_columns(particles: Particles) -> dict[str, npt.NDArray[Any]]:
    px, py, pz = particles.momentum.astype(np.float32).T
    vx, vy, vz = particles.origin.astype(np.float32).T
    return {
        "particle_id": particles.particle_id.astype(np.int64),
        "px": px,
        "py": py,
        "pz": pz,
        "vx": vx,
        "vy": vy,
        "vz": vz,
        "charge": particles.charge.astype(np.int32),
        "pdg_id": particles.pdg_id.astype(np.int32),
    }
