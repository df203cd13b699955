"""What the layers measure: smeared crossings, less those missed, and noise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.simulation.hits.detector import Detector, Layers, layers
from cortado.simulation.hits.transport import Crossings

__all__ = ["Hits", "joined", "measured", "noise", "ordered"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_MODULE = 50.0, 100.0  # mm, size of a module along phi and along z or the radius, about


class Hits(NamedTuple):
    """Hits of a batch of events, flat; shape (n_hits,).

    Attributes:
        event: Number of the event in the batch.
        position: x, y, z [mm], shape (n_hits, 3).
        layer: One number for each layer of the detector.
        volume: The volume of that layer.
        module: Part of the layer.
        particle_id: The particle in the event, 0 for noise.
    """

    event: Array
    position: Array
    layer: Array
    volume: Array
    module: Array
    particle_id: Array


def measured(
    crossings: Crossings, event: Integers, particle_id: Integers, detector: Detector, rng: np.random.Generator
) -> Hits:
    """Hits where the detector sees particles, with its resolution; they stay on their layers.

    Args:
        crossings: Where particles cross layers.
        event: Event of each particle, shape (n,).
        particle_id: Name of each particle in its event, shape (n,).
        detector: Its layers and efficiency.
        rng: Source of resolution and inefficiency.
    """
    seen = rng.random(len(crossings.layer)) < detector.efficiency
    particle, layer, position = (column[seen] for column in crossings)
    table = layers(detector)
    across, along = rng.standard_normal((2, len(layer))) * table.sigma[layer].T
    x, y, z = position.T
    radius, cylinder = np.hypot(x, y), table.cylinder[layer]
    phi = np.arctan2(y, x) + across / radius
    radius, z = np.where(cylinder, radius, radius + along), np.where(cylinder, z + along, z)
    return _hits(event[particle], radius, phi, z, layer, particle_id[particle], table)


def noise(events: int, detector: Detector, rng: np.random.Generator) -> Hits:
    """Hits without a particle: Poisson in each layer, even over its surface.

    Args:
        events: Number of events.
        detector: Its layers and mean number of such hits.
        rng: Source of the noise.
    """
    table = layers(detector)
    counts = rng.poisson(detector.noise, events * len(table.place))
    event, layer = np.divmod(np.repeat(np.arange(len(counts)), counts), len(table.place))
    share = rng.random(len(layer))
    low, high, place = table.low[layer], table.high[layer], table.place[layer]
    cylinder = table.cylinder[layer]
    even_radius = np.sqrt(low**2 + share * (high**2 - low**2))
    radius, z = np.where(cylinder, place, even_radius), np.where(cylinder, low + share * (high - low), place)
    nobody = np.zeros(len(layer), np.int64)
    return _hits(event, radius, rng.uniform(-np.pi, np.pi, len(layer)), z, layer, nobody, table)


def joined(*parts: Hits) -> Hits:
    """All the hits, in turn."""
    return Hits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def ordered(hits: Hits) -> Hits:
    """Sort by event, layer and azimuth, so that the order says nothing of the particles."""
    phi = np.arctan2(hits.position[:, 1], hits.position[:, 0])
    order = np.lexsort((phi, hits.layer, hits.event))
    return Hits(*(column[order] for column in hits))


def _hits(
    event: Integers, radius: Floats, phi: Floats, z: Floats, layer: Integers, particle_id: Integers, table: Layers
) -> Hits:
    position = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=-1)
    module = _module(radius, phi, z, layer, table)
    return Hits(event, position, layer, table.volume[layer], module, particle_id)


def _module(radius: Floats, phi: Floats, z: Floats, layer: Integers, table: Layers) -> Integers:
    """Number of the module in its layer: rows along z or the radius, of equal sectors in phi."""
    low, high = table.low[layer], table.high[layer]
    along = np.where(table.cylinder[layer], z, radius)
    middle = np.where(table.cylinder[layer], table.place[layer], (low + high) / 2)
    sectors = np.ceil(2 * np.pi * middle / _MODULE[0]).astype(np.int64)
    rows = np.ceil((high - low) / _MODULE[1]).astype(np.int64)
    sector = np.floor((kinematics.wrap_phi(phi) / (2 * np.pi) + 0.5) * sectors).astype(np.int64)
    row = np.floor((along - low) / (high - low) * rows).astype(np.int64)
    return np.asarray(np.clip(row, 0, rows - 1) * sectors + np.clip(sector, 0, sectors - 1))
