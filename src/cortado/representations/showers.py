"""What all representations of showers share: arrays, names of cells, checks, and the way back to a record."""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.calorimeter import Geometry, cells, layer_names, layers, require_valid

__all__ = [
    "ShowerFeatures",
    "ShowerInputs",
    "cell_names",
    "columns",
    "in_layers",
    "layer_energies",
    "log10_energies",
    "record",
    "require_generated",
    "require_in_range",
    "require_range",
]

Floats = NDArray[np.float64]

_FLOOR = 1e-6  # GeV, far below a cell's threshold


class ShowerInputs(NamedTuple):
    """What a generator learns of n showers.

    Attributes:
        energy: Incident energies [GeV], shape (n,).
        features: Shape (n, f).
    """

    energy: NDArray[np.float32]
    features: NDArray[np.float32]


class ShowerFeatures(NamedTuple):
    """What a classifier sees of n showers.

    Attributes:
        features: Shape (n, f).
    """

    features: NDArray[np.float32]


def cell_names(geometry: Geometry) -> tuple[str, ...]:
    """Names of all cells, in the order of `calorimeter.cells`: "layer_0[2,95]" is in the third row."""
    return tuple(
        f"{name}[{row},{column}]"
        for name, (rows, columns) in zip(layer_names(geometry), geometry.shapes)
        for row in range(rows)
        for column in range(columns)
    )


def columns(showers: ak.Array, geometry: Geometry, caller: str) -> tuple[Floats, Floats]:
    """Incident energies, shape (n,), and energies of all cells, shape (n, cells) [GeV].

    Args:
        showers: With `energy` and the layers of the geometry, shape (n,).
        geometry: The calorimeter.
        caller: The representation that asks, for messages.

    Raises:
        KeyError: If they have no energy.
        ValueError: If the showers are nested, a layer does not fit the geometry, an incident energy is not positive and
            finite, or the energy of a cell is negative or not finite.
    """
    layout = ak.to_layout(showers, allow_record=False)
    if layout.purelist_depth != 1:
        raise ValueError(
            f"{caller} takes showers of shape (n,), got {ak.type(showers)!s:.60}; flatten the events first"
        )
    if "energy" not in layout.fields:
        raise KeyError(f"{caller} needs the field 'energy', the showers have {', '.join(layout.fields) or 'none'}")
    energy = np.asarray(ak.to_numpy(showers.energy, allow_missing=False), dtype=np.float64)
    if energy.ndim != 1:
        raise ValueError(f"{caller}: energy must be one number of each shower, got an array of shape {energy.shape}")
    values = cells(showers, geometry)
    require_valid(energy, values, caller)
    return energy, values


def in_layers(values: NDArray[Any], geometry: Geometry) -> list[NDArray[Any]]:
    """Columns of cells (n, cells), cut into layers (n, cells of the layer)."""
    return np.split(values, np.cumsum(geometry.sizes)[:-1], axis=1)


def layer_energies(values: Floats, geometry: Geometry) -> Floats:
    """Energy of each layer, shape (n, layers), of cells (n, cells)."""
    return np.stack([part.sum(axis=1) for part in in_layers(values, geometry)], axis=1)


def log10_energies(by_layer: Floats) -> Floats:
    """log10 of energies of layers (n, layers) [GeV]; -6 of one without."""
    logarithms: Floats = np.log10(by_layer + _FLOOR)
    return logarithms


def record(energy: ArrayLike, values: NDArray[np.floating], geometry: Geometry) -> ak.Array:
    """Showers, shape (n,), of incident energies (n,) and cells (n, cells) [GeV]; the inverse of `columns`."""
    by_name = layers(np.asarray(values, dtype=np.float32), geometry)
    return ak.zip({"energy": np.asarray(energy, dtype=np.float32), **by_name}, depth_limit=1)


def require_range(energy_range: tuple[float, float], caller: str) -> None:
    """Refuse a range of energies [GeV] that is none.

    Raises:
        ValueError: If it has not two finite, positive, rising ends.
    """
    if not (len(energy_range) == 2 and 0 < energy_range[0] < energy_range[1] < np.inf):
        raise ValueError(f"{caller}: energy_range must be two rising, positive energies [GeV], got {energy_range}")


def require_in_range(energy: Floats, energy_range: tuple[float, float], caller: str) -> None:
    """Refuse showers of incident energies (n,) [GeV] outside of the range, which includes its ends.

    Raises:
        ValueError: If there are some; says how many.
    """
    low, high = (np.float32(end) for end in energy_range)  # as the energies of records
    outside = (energy.astype(np.float32) < low) | (energy.astype(np.float32) > high)
    if outside.any():
        raise ValueError(
            f"{caller}: {outside.sum()} of {len(energy)} incident energies are outside of energy_range = "
            f"{energy_range[0]:g} to {energy_range[1]:g} GeV, such as {energy[outside][0]:g} GeV"
        )


def require_generated(
    energy: ArrayLike, features: ArrayLike, number: int, caller: str
) -> tuple[Floats, NDArray[np.floating]]:
    """Energies (n,) and features (n, f) that a generator made, as arrays.

    Raises:
        ValueError: If their shapes do not fit, an energy is not positive and finite, or a feature is not finite.
    """
    energies, made = np.asarray(energy, dtype=np.float64), np.asarray(features)
    if energies.ndim != 1 or made.shape != (len(energies), number):
        raise ValueError(
            f"{caller}: energies (n,) and features (n, {number}) are needed, got {energies.shape} and {made.shape}"
        )
    for what, required, wrong in (
        ("energies", "positive and finite", ~((energies > 0) & np.isfinite(energies))),
        ("showers", "finite features", ~np.isfinite(made).all(axis=1)),
    ):
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{caller}: {wrong.sum()} of {len(energies)} {what} are refused, {required} are required; "
                f"the first is number {first}"
            )
    return energies, made
