"""Shower shapes: what papers on calorimeter simulation compare, one number a shower.

======================================  =========================================================================
name                                    content
======================================  =========================================================================
`total_energy`                          sum of the cells [GeV]
`response`                              total over incident energy
`energy_0`, ...                         energy of a layer [GeV]
`fraction_0`, ...                       share of a layer in the total
`depth`                                 last layer with energy
`lateral_depth`                         sum of layer index times energy of the layer [GeV]
`shower_depth`, `shower_depth_width`    mean and width of the layer index, weighted with energy
`centre_x_0`, `centre_y_0`, ...         centre of energy of a layer [mm]
`width_x_0`, `width_y_0`, ...           its spread along both axes [mm]
`ratio_0`, ...                          (first - second) / (first + second) of the two most energetic cells
`occupancy_0`, ...                      share of the cells above the threshold: "sparsity" in CaloGAN's code, one minus
                                        the "sparsity" of the CaloChallenge
======================================  =========================================================================

Where a layer has no energy its fractions, centres, widths and ratio are 0. A layer that is not divided in azimuth has
neither centres nor widths, one of a single cell no ratio.

References:
    Paganini et al., CaloGAN (2017), arXiv:1712.10321, table 1, and its code (feats1d.py), where x is called phi.
    Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.calorimeter.cells import cells
from cortado.calorimeter.geometry import Geometry

Floats = NDArray[np.float64]


def shape_names(geometry: Geometry) -> tuple[str, ...]:
    """Names of the shower shapes of a calorimeter, in the order of `shower_shapes`."""
    one = np.zeros((1, sum(geometry.sizes)))
    return tuple(_shapes(np.ones(1), one, geometry, 0.0))


def shower_shapes(showers: ak.Array, geometry: Geometry, *, threshold: float = 0.0) -> dict[str, Floats]:
    """All shower shapes.

    Args:
        showers: With `energy` and the layers of the geometry, shape (n,).
        geometry: The calorimeter.
        threshold: Cells of at most this energy [GeV] are taken for empty; CaloFlow has 1e-5.

    Returns:
        Name -> values, shape (n,).

    Raises:
        ValueError: If the layers are not those of the geometry.
    """
    values = cells(showers, geometry)
    values = np.where(values <= threshold, 0.0, values) if threshold > 0 else values
    return _shapes(np.asarray(showers.energy, dtype=np.float64), values, geometry, threshold)


def _shapes(energy: Floats, values: Floats, geometry: Geometry, threshold: float) -> dict[str, Floats]:
    parts = np.split(values, np.cumsum(geometry.sizes)[:-1], axis=1)
    by_layer = np.stack([part.sum(axis=1) for part in parts], axis=1)
    total, index = by_layer.sum(axis=1), np.arange(len(parts))
    mean, square = (_ratio((by_layer * weight).sum(axis=1), total) for weight in (index, index**2))
    shapes = {
        "total_energy": total,
        "response": total / energy,
        "depth": np.where(np.isnan(total), np.nan, np.where(by_layer > 0, index, 0).max(axis=1)),
        "lateral_depth": (by_layer * index).sum(axis=1),
        "shower_depth": mean,
        "shower_depth_width": np.sqrt(np.maximum(square - mean**2, 0.0)),
    }
    for number, part in enumerate(parts):
        shapes |= {
            f"energy_{number}": by_layer[:, number],
            f"fraction_{number}": _ratio(by_layer[:, number], total),
            **dict(_within(part, number, geometry)),
            f"occupancy_{number}": (part > threshold).mean(axis=1),
        }
    return shapes


def _within(part: Floats, number: int, geometry: Geometry) -> Iterator[tuple[str, Floats]]:
    """Shapes inside a layer of cells (n, c)."""
    total = part.sum(axis=1)
    if geometry.coordinates == "cartesian" or geometry.shapes[number][0] > 1:
        for axis, place in zip("xy", geometry.centres(number)):
            centre = _ratio(part @ place.ravel(), total)
            square = _ratio(part @ place.ravel() ** 2, total)
            yield f"centre_{axis}_{number}", centre
            yield f"width_{axis}_{number}", np.sqrt(np.maximum(square - centre**2, 0.0))
    if part.shape[1] > 1:
        second, first = np.partition(part, -2, axis=1)[:, -2:].T
        yield f"ratio_{number}", _ratio(first - second, first + second)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient, 0 where there is nothing to divide by."""
    ratio: Floats = np.divide(above, below, out=np.zeros_like(above), where=~(below <= 0))
    return ratio


def shape_label(name: str) -> str:
    """What an axis of a histogram of a shower shape is called, with its unit.

    Raises:
        ValueError: If there is no such shape.
    """
    if name in _LABELS:
        return _LABELS[name]
    kind, _, layer = name.rpartition("_")
    if kind not in _LAYER_LABELS or not layer.isdigit():
        known = ", ".join((*_LABELS, *(f"{kind}_0" for kind in _LAYER_LABELS)))
        raise ValueError(f"no shower shape {name!r}; there are {known}")
    return _LAYER_LABELS[kind].format(layer)


_LABELS = {
    "total_energy": "Total energy [GeV]",
    "response": "Total over incident energy",
    "depth": "Last layer with energy",
    "lateral_depth": "Lateral depth [GeV]",
    "shower_depth": "Shower depth [layers]",
    "shower_depth_width": "Shower depth width [layers]",
}
_LAYER_LABELS = {
    "energy": "Energy of layer {} [GeV]",
    "fraction": "Energy fraction of layer {}",
    "centre_x": "Centre in x, layer {} [mm]",
    "centre_y": "Centre in y, layer {} [mm]",
    "width_x": "Width in x, layer {} [mm]",
    "width_y": "Width in y, layer {} [mm]",
    "ratio": "Energy ratio of layer {}",
    "occupancy": "Occupancy of layer {}",
}
