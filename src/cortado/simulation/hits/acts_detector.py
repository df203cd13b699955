"""The generic detector of ACTS (extra ``acts``): its modules, as arrays, and their numbers in the dialect of hits."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado.extras import extra
from cortado.simulation.hits.detector import COMPACT

__all__ = ["FIELD", "Generic", "Modules", "generic", "load_acts", "magnetic_field"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FIELD = COMPACT.field  # T, along z


class Modules(NamedTuple):
    """Modules of the generic detector, by rising layer and module; shape (m,).

    Attributes:
        key: ACTS' own number of the module's surface.
        layer: Number of the layer in the detector: volume after volume from inside out, as in `detector.COMPACT`.
        volume: Number of the volume.
        module: Number in the layer.
        centre: x, y, z [mm], shape (m, 3).
        axes: Directions of the local coordinates, shape (m, 2, 3).
    """

    key: Array
    layer: Array
    volume: Array
    module: Array
    centre: Array
    axes: Array


class Generic(NamedTuple):
    """ACTS' detector object, which keeps the geometry alive, the tracking geometry, and its modules."""

    detector: Any
    geometry: Any
    modules: Modules


def load_acts() -> ModuleType:
    """ACTS with its examples.

    Raises:
        ImportError: If it is not installed.
    """
    with extra("acts", "the generic detector"):
        import_module("acts.examples")
    return import_module("acts")


def magnetic_field() -> Any:
    """2 T along z."""
    acts = load_acts()
    return acts.ConstantBField(acts.Vector3(0, 0, FIELD * acts.UnitConstants.T))


@cache
def generic() -> Generic:
    """Build the detector, which takes two seconds, once in each process.

    Raises:
        ImportError: If ACTS is not installed.
    """
    acts = load_acts()
    level = acts.logging.WARNING
    config = acts.examples.GenericDetector.Config()
    config.logLevel = config.surfaceLogLevel = config.layerLogLevel = config.volumeLogLevel = level
    detector = acts.examples.GenericDetector(config)
    geometry = detector.trackingGeometry()
    return Generic(detector, geometry, _modules(acts, geometry))


def _modules(acts: ModuleType, geometry: Any) -> Modules:
    context = acts.GeometryContext.dangerouslyDefaultConstruct()
    rows, places = [], []
    for name, surface in geometry.geoIdSurfaceMap().items():
        if name.sensitive:
            transform = surface.localToGlobalTransform(context)
            rotation, centre = transform.rotation, transform.translation
            rows.append((name.value, name.volume, name.layer, name.sensitive))
            places.append(
                [[centre[k] for k in range(3)], *([rotation[k, axis] for k in range(3)] for axis in range(2))]
            )
    key, volume, layer, module = np.array(rows, np.int64).T
    place = np.array(places)
    number = _layer_numbers(volume, layer, place[:, 0])
    order = np.lexsort((module, number))
    columns = (key, number, volume, module, place[:, 0], place[:, 1:])
    return Modules(*(column[order] for column in columns))


def _layer_numbers(volume: Integers, layer: Integers, centre: Floats) -> Integers:
    """One number for each layer: volume after volume, from inside out."""
    barrels = [part.number for part in COMPACT.volumes if part.radii]
    radius, z = np.hypot(centre[:, 0], centre[:, 1]), np.abs(centre[:, 2])
    pairs, group = np.unique(np.stack([volume, layer]), axis=1, return_inverse=True)
    distance = np.bincount(group, np.where(np.isin(volume, barrels), radius, z)) / np.bincount(group)
    rank = np.empty(len(distance), np.int64)
    rank[np.lexsort((distance, pairs[0]))] = np.arange(len(distance))
    return np.asarray(rank[group])
