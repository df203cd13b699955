"""Cells of calorimeters: edges of rows and columns, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Layer(NamedTuple):
    """One layer: an array of cells (rows, columns).

    Attributes:
        number: How the experiment counts it; the first is 0.
        rows: Edges along the first axis of the array: x [mm], or the azimuth alpha [rad] around the shower's axis.
        columns: Edges along the second axis: y [mm], or the distance r [mm] from the shower's axis.
    """

    number: int
    rows: tuple[float, ...]
    columns: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self.rows) - 1, len(self.columns) - 1


class Geometry(NamedTuple):
    """All layers of a calorimeter, in the order in which a shower meets them.

    Attributes:
        name: Name of the geometry.
        coordinates: "cartesian" (x, y) or "polar" (alpha, r).
        layers: The layers.
    """

    name: str
    coordinates: str
    layers: tuple[Layer, ...]

    def __repr__(self) -> str:
        """In short: the edges of all cells are in `layers`."""
        return f"Geometry(name={self.name!r}, coordinates={self.coordinates!r}, layers=<{len(self.layers)}>)"

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each layer."""
        return tuple(layer.shape for layer in self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of cells of each layer."""
        return tuple(rows * columns for rows, columns in self.shapes)

    def centres(self, index: int) -> tuple[Floats, Floats]:
        """Cartesian x and y [mm] of the centres of the cells of a layer, shape (rows, columns) each."""
        layer = self.layers[index]
        first, second = (_middles(edges) for edges in (layer.rows, layer.columns))
        rows, columns = np.meshgrid(first, second, indexing="ij")
        if self.coordinates == "polar":
            return columns * np.cos(rows), columns * np.sin(rows)
        return rows, columns

    def core(self, index: int, margin: int = 0) -> list[int]:
        """Numbers of the cells of a layer that touch the axis, counted row by row.

        Args:
            index: Of the layer.
            margin: So many cells around these are taken too, in polar coordinates rings.
        """
        layer = self.layers[index]
        rows, columns = (_widened(_touching(edges), margin) for edges in (layer.rows, layer.columns))
        if self.coordinates == "polar":
            rows = np.ones(len(layer.rows) - 1, dtype=bool)
        numbers: list[int] = np.flatnonzero(np.outer(rows, columns)).tolist()
        return numbers


def as_geometry(plain: Sequence[Any]) -> Geometry:
    """A geometry of nested tuples, as JSON gives it back.

    Raises:
        ValueError: If it is none: unknown coordinates, no layer, or edges that do not rise.
    """
    try:
        name, coordinates, layers = plain
        geometry = Geometry(
            str(name),
            str(coordinates),
            tuple(Layer(int(n), tuple(map(float, rows)), tuple(map(float, cols))) for n, rows, cols in layers),
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"a geometry is (name, coordinates, layers), got {str(plain)[:80]!r}: {error}") from error
    if geometry.coordinates not in ("cartesian", "polar"):
        raise ValueError(f"geometry {name!r}: coordinates must be 'cartesian' or 'polar', got {geometry.coordinates!r}")
    if not geometry.layers:
        raise ValueError(f"geometry {name!r} has no layers")
    for layer in geometry.layers:
        for axis, edges in (("rows", layer.rows), ("columns", layer.columns)):
            if len(edges) < 2 or not np.all(np.diff(edges) > 0):
                raise ValueError(f"geometry {name!r}: edges of {axis} of layer {layer.number} must rise, got {edges}")
    return geometry


def geometry_of(shapes: Iterable[Sequence[int]]) -> Geometry:
    """The known geometry with layers of these shapes.

    Raises:
        ValueError: If there is none; lists the known ones.
    """
    wanted = tuple((int(rows), int(columns)) for rows, columns in shapes)
    for geometry in GEOMETRIES:
        if geometry.shapes == wanted:
            return geometry
    known = "".join(f"\n  {geometry.name}: {_listed(geometry.shapes)}" for geometry in GEOMETRIES)
    raise ValueError(f"no known calorimeter has layers of {_listed(wanted)}; known are{known}")


def read_xml(path: str | Path) -> tuple[Geometry, ...]:
    """Geometries in a binning file of the CaloChallenge, one for each particle; layers without cells are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file.

    References:
        Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611.
    """
    try:
        root = ElementTree.parse(path).getroot()
        bins = [(each.attrib["name"], [_layer_of(layer.attrib) for layer in each]) for each in root.iter("Bin")]
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not a binning file of the CaloChallenge: {error}") from error
    if not bins:
        raise ValueError(f"{path} is not a binning file of the CaloChallenge: it has no <Bin>")
    stem = Path(path).stem
    return tuple(
        as_geometry((f"{stem} {name}", "polar", [layer for layer in layers if layer is not None]))
        for name, layers in bins
    )


def _layer_of(attributes: dict[str, str]) -> Layer | None:
    edges = tuple(float(edge) for edge in attributes["r_edges"].split(","))
    if len(edges) < 2:
        return None
    return _polar(int(attributes["id"]), edges, int(attributes["n_bin_alpha"]))


def _polar(number: int, radii: Iterable[float], alphas: int) -> Layer:
    return Layer(number, tuple(np.linspace(-math.pi, math.pi, alphas + 1).tolist()), tuple(map(float, radii)))


def _square(number: int, rows: int, columns: int, half: float) -> Layer:
    return Layer(number, *(tuple(np.linspace(-half, half, cells + 1).tolist()) for cells in (rows, columns)))


def _touching(edges: Sequence[float]) -> NDArray[np.bool_]:
    """Which of the intervals between rising edges contain 0."""
    low, high = np.asarray(edges[:-1]), np.asarray(edges[1:])
    nothing = 1e-9 * (high - low)  # np.linspace need not meet 0
    touching: NDArray[np.bool_] = (low <= nothing) & (high >= -nothing)
    return touching


def _widened(mask: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """True also where one of the `margin` values before or after is."""
    number = np.convolve(mask, np.ones(2 * margin + 1))[margin : margin + len(mask)]  # of those
    widened: NDArray[np.bool_] = number > 0
    return widened


def _middles(edges: Sequence[float]) -> Floats:
    middles: Floats = (np.asarray(edges[1:]) + np.asarray(edges[:-1])) / 2
    return middles


def _listed(shapes: Iterable[tuple[int, int]]) -> str:
    shapes = tuple(shapes)
    text = ", ".join(f"{rows} x {columns}" for rows, columns in shapes[:7])
    return text + (f", ... ({len(shapes)} layers)" if len(shapes) > 7 else "")


CALOGAN = Geometry(
    "CaloGAN", "cartesian", (_square(0, 3, 96, 240.0), _square(1, 12, 12, 240.0), _square(2, 12, 6, 240.0))
)
"""Three layers of a lead and liquid-argon calorimeter, 480 mm wide: 90, 347 and 43 mm deep; arXiv:1705.02355.

Along the first axis, phi, cells are 160, 40 and 40 mm wide, along the second, eta, 5, 40 and 80 mm.
"""

_DS1_PHOTONS = (
    (0, 1, (0, 5, 10, 30, 50, 100, 200, 400, 600)),
    (1, 10, (0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200)),
    (2, 10, (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400)),
    (3, 1, (0, 50, 100, 200, 400, 600)),
    (12, 1, (0, 100, 200, 400, 1000, 2000)),
)
_DS1_PIONS = (
    (0, 1, (0, 5, 10, 30, 50, 100, 200, 400, 600)),
    (1, 10, (0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200)),
    (2, 10, (0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400)),
    (3, 1, (0, 50, 100, 200, 400, 600)),
    (12, 10, (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 1000, 2000)),
    (13, 10, (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 600, 1000, 2000)),
    (14, 1, (0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000)),
)


def _challenge(name: str, layers: Iterable[tuple[int, int, Iterable[float]]]) -> Geometry:
    return Geometry(
        f"CaloChallenge {name}", "polar", tuple(_polar(number, radii, alphas) for number, alphas, radii in layers)
    )


def _cylinders(alphas: int, rings: int, width: float) -> list[tuple[int, int, list[float]]]:
    """45 equal layers."""
    return [(number, alphas, [round(ring * width, 3) for ring in range(rings + 1)]) for number in range(45)]


CALOCHALLENGE_1_PHOTONS = _challenge("1, photons", _DS1_PHOTONS)
"""ATLAS calorimeter, 5 layers, 368 cells around the shower's axis; arXiv:2410.21611."""
CALOCHALLENGE_1_PIONS = _challenge("1, pions", _DS1_PIONS)
"""ATLAS calorimeter, 7 layers, 533 cells."""
CALOCHALLENGE_2 = _challenge("2", _cylinders(16, 9, 4.65))
"""Silicon and tungsten, 45 layers of 16 x 9 cells."""
CALOCHALLENGE_3 = _challenge("3", _cylinders(50, 18, 2.325))
"""The same in cells of half the width, 50 x 18."""
GEOMETRIES = (CALOGAN, CALOCHALLENGE_1_PHOTONS, CALOCHALLENGE_1_PIONS, CALOCHALLENGE_2, CALOCHALLENGE_3)
"""The known calorimeters."""
