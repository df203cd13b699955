"""Numbers of the layers of the detector that TrackML and the generic detector of ACTS have in common.

Nine volumes: pixels 7, 8, 9, short strips 12, 13, 14, and long strips 16, 17, 18; the first of each three is the
end-cap at negative z, the second the barrel. In a volume layers are called 2, 4, ..., which at negative z begins with
the outermost.

References:
    Amrouche et al., The Tracking Machine Learning challenge: accuracy phase (2019), arXiv:1904.06778; positions as in
    its detectors.csv.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["N_LAYERS", "layer_at", "layer_number"]

_VOLUMES = np.array([7, 8, 9, 12, 13, 14, 16, 17, 18])
_LAYERS = np.array([7, 4, 7, 6, 4, 6, 6, 2, 6])  # of each volume
_FIRST = np.append(0, np.cumsum(_LAYERS))
_NEGATIVE = (7, 12, 16)
_PIXEL_RADII = np.array([32.0, 72.0, 116.0, 172.0])  # mm
_PIXEL_DISCS = np.array([600.0, 700.0, 820.0, 960.0, 1100.0, 1300.0, 1500.0])  # mm
_HALF_LENGTH, _TOLERANCE = 550.0, 10.0  # mm; modules are flat, and of discs two deep

N_LAYERS = int(_FIRST[-1])

Integers = npt.NDArray[np.int64]


def layer_number(volume: npt.NDArray[Any], layer_id: npt.NDArray[Any]) -> Integers:
    """Number the layers of the whole detector from 0 to 47, volume after volume and in each from inside out.

    Args:
        volume: Number of the volume, shape (m,).
        layer_id: Number of the layer in the volume, 2, 4, ..., shape (m,).

    Returns:
        Layer, shape (m,).

    Raises:
        ValueError: If a volume, or a layer in it, is not of the detector; tells which and how many.
    """
    place = np.minimum(np.searchsorted(_VOLUMES, volume), len(_VOLUMES) - 1)
    unknown = np.flatnonzero(_VOLUMES[place] != volume)
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} hits are in the volumes {np.unique(volume[unknown]).tolist()}; "
            f"the TrackML and generic detector have {_VOLUMES.tolist()}"
        )
    inside = layer_id // 2 - 1
    unknown = np.flatnonzero((layer_id % 2 != 0) | (inside < 0) | (inside >= _LAYERS[place]))
    if len(unknown):
        first = unknown[0]
        raise ValueError(
            f"{len(unknown)} hits are in unknown layers, the first in layer {layer_id[first]} of volume "
            f"{volume[first]}, which has the layers 2, 4, ..., {2 * _LAYERS[place[first]]}"
        )
    inside = np.where(np.isin(volume, _NEGATIVE), _LAYERS[place] - 1 - inside, inside)
    return np.asarray(_FIRST[place] + inside, dtype=np.int64)


def layer_at(radius: npt.NDArray[Any], z: npt.NDArray[Any]) -> tuple[Integers, Integers]:
    """Find the pixel layers that hits lie on, for files that do not say it.

    Args:
        radius: Distance of the hits from the z axis [mm], shape (m,).
        z: Along the beam [mm], shape (m,).

    Returns:
        Layer (see `layer_number`) and volume, shape (m,).

    Raises:
        ValueError: If a hit is farther than 10 mm from every layer; tells where and how many.
    """
    in_barrel = np.abs(z) < _HALF_LENGTH
    cylinder, disc = _nearest(_PIXEL_RADII, radius), _nearest(_PIXEL_DISCS, np.abs(z))
    distance = np.where(in_barrel, np.abs(_PIXEL_RADII[cylinder] - radius), np.abs(_PIXEL_DISCS[disc] - np.abs(z)))
    outside = np.flatnonzero(~(distance <= _TOLERANCE))
    if len(outside):
        first = outside[0]
        raise ValueError(
            f"{len(outside)} hits are on no pixel layer, the first at radius {radius[first]:.1f} mm, z {z[first]:.1f} "
            f"mm; barrels have the radii {_PIXEL_RADII.tolist()}, discs the abs(z) {_PIXEL_DISCS.tolist()}"
        )
    volume = np.where(in_barrel, 8, np.where(z < 0, 7, 9))
    return _FIRST[np.searchsorted(_VOLUMES, volume)] + np.where(in_barrel, cylinder, disc), volume


def _nearest(places: npt.NDArray[np.float64], values: npt.NDArray[Any]) -> Integers:
    return np.asarray(np.searchsorted((places[1:] + places[:-1]) / 2, values), dtype=np.int64)
