"""Cells of showers: layers of a record to one row of numbers each, and back."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.calorimeter.geometry import Geometry
from cortado.refused import RefusedObjects


def layer_names(geometry: Geometry) -> tuple[str, ...]:
    """Names of the fields of a shower that hold its cells: layer_0, layer_1, ..."""
    return tuple(f"layer_{index}" for index in range(len(geometry.layers)))


def layer_shapes(showers: ak.Array) -> tuple[tuple[int, int], ...]:
    """Rows and columns of the layers that showers (n,) have."""
    names = [name for name in showers.fields if name.startswith("layer_")]
    types = [ak.type(showers[name]).content for name in sorted(names, key=lambda name: int(name[6:]))]
    return tuple((one.size, one.content.size) for one in types)


def cells(showers: ak.Array, geometry: Geometry) -> NDArray[np.float64]:
    """All cells of each shower in one row, layer after layer, each row by row.

    Args:
        showers: With the layers of the geometry, shape (n,).
        geometry: The calorimeter.

    Returns:
        Energies [GeV], shape (n, cells).

    Raises:
        ValueError: If a layer is missing, there are more layers, or one has another shape.
    """
    wanted = layer_names(geometry)
    there = [name for name in showers.fields if name.startswith("layer_")]
    if set(there) != set(wanted):
        raise ValueError(
            f"showers in {geometry.name} have {', '.join(wanted)}; these have {', '.join(there) or 'none'}"
        )
    columns = [_layer(showers[name], name, shape, geometry) for name, shape in zip(wanted, geometry.shapes)]
    return np.concatenate(columns, axis=1) if columns else np.empty((len(showers), 0))


def layers(values: NDArray[np.floating], geometry: Geometry) -> dict[str, NDArray[np.floating]]:
    """Rows of cells (n, cells) as the layers (n, rows, columns) of showers, by name: the inverse of `cells`.

    Raises:
        ValueError: If the rows are not as long as the calorimeter has cells.
    """
    if values.ndim != 2 or values.shape[1] != sum(geometry.sizes):
        raise ValueError(f"{geometry.name} has {sum(geometry.sizes)} cells, got an array of shape {values.shape}")
    parts = np.split(values, np.cumsum(geometry.sizes)[:-1], axis=1)
    named = zip(layer_names(geometry), parts, geometry.shapes)
    return {name: part.reshape(len(values), *shape) for name, part, shape in named}


def require_valid(energy: NDArray[np.floating], values: NDArray[np.floating], caller: str) -> None:
    """Refuse showers whose numbers cannot be energies.

    Args:
        energy: Incident energies [GeV], shape (n,).
        values: Energies of the cells [GeV], shape (n, cells).
        caller: Who asks, for the message.

    Raises:
        RefusedObjects: If an incident energy is not positive and finite, or a cell is negative or not finite; says how
            many, and names the first shower.
    """
    incident = energy[:, np.newaxis]
    for what, required, numbers, wrong in (
        ("incident energies", "positive and finite", incident, ~((incident > 0) & np.isfinite(incident))),
        ("showers", "cells of finite energies", values, ~np.isfinite(values)),
        ("showers", "cells of energies of at least 0", values, values < 0),
    ):
        refused = wrong.any(axis=1)
        if refused.any():
            first = int(np.argmax(refused))
            raise RefusedObjects(
                f"{caller}: {refused.sum()} of {len(energy)} {what} are refused, {required} are required; "
                f"the first is number {first}, with {numbers[first][wrong[first]][0]:g} GeV",
                np.flatnonzero(refused),
                f"other {what} than {required}",
            )


def _layer(column: ak.Array, name: str, shape: tuple[int, int], geometry: Geometry) -> NDArray[np.float64]:
    try:
        values = np.asarray(ak.to_numpy(column, allow_missing=False), dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"{name} must have the same number of cells in each shower, got {ak.type(column)}") from error
    if values.shape[1:] != shape:
        raise ValueError(f"{name} in {geometry.name} has {shape} cells, here it has {values.shape[1:]}")
    return values.reshape(len(values), shape[0] * shape[1])
