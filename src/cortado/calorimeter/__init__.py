"""Calorimeters and what is measured in them: geometries, cells of showers, shower shapes; each defined once.

Showers are records (n,) with the incident `energy` [GeV] and an array of cells [GeV] for each layer: `layer_0` of shape
(n, rows, columns), `layer_1`, ...
"""

from __future__ import annotations

from cortado.calorimeter.cells import cells, layer_names, layer_shapes, layers, require_valid
from cortado.calorimeter.geometry import (
    CALOCHALLENGE_1_PHOTONS,
    CALOCHALLENGE_1_PIONS,
    CALOCHALLENGE_2,
    CALOCHALLENGE_3,
    CALOGAN,
    GEOMETRIES,
    Geometry,
    Layer,
    as_geometry,
    geometry_of,
    read_xml,
)
from cortado.calorimeter.shapes import shape_label, shape_names, shower_shapes

__all__ = [
    "CALOCHALLENGE_1_PHOTONS",
    "CALOCHALLENGE_1_PIONS",
    "CALOCHALLENGE_2",
    "CALOCHALLENGE_3",
    "CALOGAN",
    "GEOMETRIES",
    "Geometry",
    "Layer",
    "as_geometry",
    "cells",
    "geometry_of",
    "layer_names",
    "layer_shapes",
    "layers",
    "read_xml",
    "require_valid",
    "shape_label",
    "shape_names",
    "shower_shapes",
]
