"""The calorimeter: layers of absorber and active material, and the cells that are read out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.calorimeter import CALOGAN, Geometry
from cortado.simulation.showers.compilation import compiled

Floats = NDArray[np.float64]

ABSORBER, ACTIVE = 0, 1
LEAKED, LOST = -2, -1
"""Where, after cells and overflow, energy is booked that left the block, or that no calorimeter shows."""


class Calorimeter(NamedTuple):
    """A block of equal layers that fill its width, the absorber in front of the active material.

    Attributes:
        absorber: Thickness of the absorber of one layer [mm].
        layer: Of absorber and active material together [mm].
        depth: Of the whole block [mm].
        half_width: Of the block, in x and y [mm].
        half_cells: Of the area with cells [mm]; what is outside goes to the overflow of the layer of cells.
        planes: Ends in depth [mm] of the layers of cells, shape (l,).
        shapes: Number of cells in x and y, shape (l, 2).
        weights: What is read out of energy in absorber and in active material.
    """

    absorber: float
    layer: float
    depth: float
    half_width: float
    half_cells: float
    planes: Floats
    shapes: NDArray[np.int64]
    weights: tuple[float, float]

    @property
    def size(self) -> int:
        """Numbers read out: cells, overflow of each layer, and what is leaked and lost."""
        return int(self.shapes.prod(axis=1).sum()) + len(self.planes) + 2


def block(
    geometry: Geometry,
    planes: tuple[float, ...],
    *,
    absorber: float,
    active: float,
    half_width: float,
    weights: tuple[float, float] = (1.0, 1.0),
) -> Calorimeter:
    """Calorimeter with the cells of a geometry, of equal size in each layer and over the same square.

    Args:
        geometry: The cells.
        planes: Ends in depth of the layers of cells [mm]; the last is that of the block.
        absorber: Thickness of the absorber in each of its layers [mm].
        active: Thickness of the active material [mm].
        half_width: Of the block [mm].
        weights: What is read out of energy in absorber and in active material.
    """
    half_cells = geometry.layers[0].rows[-1]
    shapes = np.array(geometry.shapes, dtype=np.int64)
    return Calorimeter(
        absorber, absorber + active, planes[-1], half_width, half_cells, np.array(planes), shapes, weights
    )


def calogan(weights: tuple[float, float] = (1.0, 1.0)) -> Calorimeter:
    """80 layers of 2 mm of lead and 4 mm of liquid argon, 1 m wide, read out in three, 90, 347 and 43 mm deep.

    References:
        Paganini et al., CaloGAN (2017), arXiv:1712.10321, and the code of its simulation.
    """
    return block(CALOGAN, (90.0, 437.0, 480.0), absorber=2.0, active=4.0, half_width=500.0, weights=weights)


@compiled
def deposit(readout: Floats, calorimeter: Calorimeter, x: float, y: float, z: float, energy: float) -> None:
    """Add energy to the cell at a place; before and behind the block, by rounding, to the first or last layer."""
    layer, first = 0, 0
    while layer + 1 < len(calorimeter.planes) and z >= calorimeter.planes[layer]:
        first += calorimeter.shapes[layer, 0] * calorimeter.shapes[layer, 1]
        layer += 1
    half, rows, columns = calorimeter.half_cells, calorimeter.shapes[layer, 0], calorimeter.shapes[layer, 1]
    if abs(x) < half and abs(y) < half:
        row, column = int((x + half) / (2 * half) * rows), int((y + half) / (2 * half) * columns)
        place = first + min(row, rows - 1) * columns + min(column, columns - 1)
    else:
        place = len(readout) - 2 - len(calorimeter.planes) + layer
    readout[place] += energy * calorimeter.weights[material_at(calorimeter, z)]


@compiled
def material_at(calorimeter: Calorimeter, z: float) -> int:
    """ABSORBER or ACTIVE."""
    return ABSORBER if _inside(calorimeter, z) < calorimeter.absorber else ACTIVE


@compiled
def ahead(calorimeter: Calorimeter, z: float, w: float) -> float:
    """Path [mm] to the next boundary in z, with the cosine w to its axis."""
    inside = _inside(calorimeter, z)
    low, high = 0.0, calorimeter.absorber
    if inside >= high:
        low, high = high, calorimeter.layer
    return (high - inside) / max(w, 1e-9) if w > 0 else (inside - low) / max(-w, 1e-9)


@compiled
def outside(calorimeter: Calorimeter, x: float, y: float, z: float) -> bool:
    """Whether a place is outside the block."""
    half = calorimeter.half_width
    return not (0 <= z < calorimeter.depth and abs(x) < half and abs(y) < half)


@compiled
def _inside(calorimeter: Calorimeter, z: float) -> float:
    """Depth inside a layer."""
    return z - math.floor(z / calorimeter.layer) * calorimeter.layer
