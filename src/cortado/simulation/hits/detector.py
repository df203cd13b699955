"""A compact tracker: cylinders around the beam and discs across it, in a uniform field along z.

Its layers lie where those of the generic detector of ACTS and TrackML do, with the same volumes and resolutions, but
are perfect cylinders and planes without gaps, overlaps or modules that tilt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["COMPACT", "Detector", "Layers", "Volume", "layers"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_PIXEL, _SHORT_STRIP, _LONG_STRIP = (  # mm: cells of so many mm, hit evenly
    (across / math.sqrt(12), along / math.sqrt(12)) for across, along in ((0.05, 0.05), (0.08, 1.2), (0.12, 10.8))
)
_PIXEL_DISCS = (600.0, 700.0, 820.0, 960.0, 1100.0, 1300.0, 1500.0)
_STRIP_DISCS = (1220.0, 1500.0, 1800.0, 2150.0, 2550.0, 2950.0)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Layers of one kind, from inside out.

    Attributes:
        number: Of the volume.
        radii: Of cylinders around the z axis [mm]; empty for discs.
        positions: z of discs across the axis [mm]; empty for cylinders.
        extent: Lowest and highest z of the cylinders, or radius of the discs [mm].
        resolution: Along phi, and along z (cylinders) or the radius (discs) [mm].
        thickness: Of one layer, in radiation lengths.
    """

    number: int
    radii: tuple[float, ...] = ()
    positions: tuple[float, ...] = ()
    extent: tuple[float, float]
    resolution: tuple[float, float]
    thickness: float


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Volumes, field and imperfections.

    Attributes:
        volumes: Their layers are numbered from 0, volume after volume.
        field: Along z [T].
        efficiency: Probability that a layer sees a particle that crosses it.
        noise: Mean number of hits without a particle, for each layer and event; even over the layer's surface.
    """

    volumes: tuple[Volume, ...]
    field: float = 2.0
    efficiency: float = 0.98
    noise: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what no detector has.

        Raises:
            ValueError: If there is no layer, or a number is out of range.
        """
        if not any(volume.radii or volume.positions for volume in self.volumes):
            raise ValueError("volumes hold no layer; a detector needs at least one")
        if not 0 <= self.efficiency <= 1:
            raise ValueError(f"efficiency is {self.efficiency}; it must be from 0 to 1")
        if not 0 <= self.noise <= 1e5:
            raise ValueError(f"noise is {self.noise}; it must be from 0 to 1e5 hits a layer")
        if not np.isfinite(self.field):
            raise ValueError(f"field is {self.field}; it must be a finite number of T")


class Layers(NamedTuple):
    """All layers of a detector, as arrays by their numbers, shape (n_layers,).

    Attributes:
        cylinder: Whether it is a cylinder, else a disc.
        place: Radius of a cylinder or z of a disc [mm].
        low: Lowest z of a cylinder or radius of a disc [mm].
        high: Highest.
        volume: Number of its volume.
        sigma: Resolution along phi, and along z or the radius [mm], shape (n_layers, 2).
        thickness: In radiation lengths.
    """

    cylinder: npt.NDArray[np.bool_]
    place: Floats
    low: Floats
    high: Floats
    volume: Integers
    sigma: Floats
    thickness: Floats


def layers(detector: Detector) -> Layers:
    """Layers of the detector in the order of their numbers."""
    rows = [
        (cylinder, place, *volume.extent, volume.number, volume.resolution, volume.thickness)
        for volume in detector.volumes
        for cylinder, places in ((True, volume.radii), (False, volume.positions))
        for place in places
    ]
    cylinder, place, low, high, number, sigma, thickness = zip(*rows, strict=True)
    numbers = np.array(number, np.int64)
    geometry = (np.array(cylinder), np.array(place, float), np.array(low, float), np.array(high, float))
    return Layers(*geometry, numbers, np.array(sigma, float), np.array(thickness, float))


def _discs(number: int, z: tuple[float, ...], extent: tuple[float, float], like: Volume) -> Volume:
    return Volume(number=number, positions=z, extent=extent, resolution=like.resolution, thickness=like.thickness)


def _mirrored(z: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-position for position in z)


_PIXELS = Volume(number=8, radii=(32.0, 72.0, 116.0, 172.0), extent=(-500.0, 500.0), resolution=_PIXEL, thickness=0.02)
_SHORT = Volume(
    number=13, radii=(260.0, 360.0, 500.0, 660.0), extent=(-1080.0, 1080.0), resolution=_SHORT_STRIP, thickness=0.025
)
_LONG = Volume(number=17, radii=(820.0, 1020.0), extent=(-1080.0, 1080.0), resolution=_LONG_STRIP, thickness=0.03)

COMPACT = Detector(
    volumes=(
        _discs(7, _mirrored(_PIXEL_DISCS), (30.0, 176.0), _PIXELS),
        _PIXELS,
        _discs(9, _PIXEL_DISCS, (30.0, 176.0), _PIXELS),
        _discs(12, _mirrored(_STRIP_DISCS), (240.0, 702.0), _SHORT),
        _SHORT,
        _discs(14, _STRIP_DISCS, (240.0, 702.0), _SHORT),
        _discs(16, _mirrored(_STRIP_DISCS), (755.0, 1020.0), _LONG),
        _LONG,
        _discs(18, _STRIP_DISCS, (755.0, 1020.0), _LONG),
    )
)
"""48 layers: pixels (volumes 7 to 9), short strips (12 to 14) and long strips (16 to 18), |eta| up to 3."""
