"""Where the layers of a tracking detector are, learned from hits, and where helices cross them."""

from __future__ import annotations

from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.perigee import curvature

__all__ = ["Layer", "common_triplets", "crossings", "detector_layers"]

Floats = NDArray[np.float64]


class Layer(NamedTuple):
    """A cylinder about the z axis, or a disc across it."""

    number: int
    disc: bool
    position: float  # radius of a cylinder, z of a disc [mm]
    low: float  # lowest z of a cylinder, radius of a disc [mm]
    high: float  # highest


def detector_layers(hits: ak.Array) -> tuple[Layer, ...]:
    """Layers of a detector from its hits, those of a few events.

    A layer on which the radius varies less than z is a cylinder.

    Args:
        hits: x, y, z [mm] and layer, any nesting.
    Raises:
        ValueError: If there are no hits, or a position is not finite.
    """
    flat = ak.flatten(hits) if hits.ndim == 2 else hits
    if not len(flat):
        raise ValueError("the layers of a detector cannot be learned from no hits")
    x, y, z = (ak.to_numpy(flat[name]).astype(np.float64) for name in ("x", "y", "z"))
    radius = np.hypot(x, y)
    if len(bad := np.flatnonzero(~np.isfinite(radius + z))):
        raise ValueError(f"the position of hit {bad[0]} is {(x[bad[0]], y[bad[0]], z[bad[0]])}, must be finite")
    numbers, layer = np.unique(ak.to_numpy(flat["layer"]), return_inverse=True)
    (radii, z_mean), (r_low, z_low), (r_high, z_high) = (
        [_by_layer(function, values, layer, len(numbers)) for values in (radius, z)] for function in _SUMMARIES
    )
    disc = r_high - r_low > z_high - z_low
    columns = (disc, np.where(disc, z_mean, radii), np.where(disc, r_low, z_low), np.where(disc, r_high, z_high))
    return tuple(Layer(*row) for row in zip(numbers.tolist(), *(column.tolist() for column in columns)))


def common_triplets(particles: ak.Array, *, share: float = 0.98, at_most: int = 12) -> tuple[tuple[int, int, int], ...]:
    """First three layers of true particles, the most frequent first: those from which seeds are to be made.

    Args:
        particles: With `hits` ordered along the path, which have a layer, shape (n, var); select first those that are
            to be found.
        share: Part of the particles with three layers or more that these triplets must hold.
        at_most: Number of triplets at most.
    Raises:
        ValueError: If no particle has hits on three layers.
    """
    layers = ak.flatten(particles["hits"]["layer"]) if particles.ndim == 2 else particles["hits"]["layer"]
    new = ak.concatenate([ak.ones_like(layers[:, :1]) > 0, layers[:, 1:] != layers[:, :-1]], axis=1)
    layers = layers[new]
    first = ak.to_numpy(layers[ak.num(layers) > 2][:, :3])
    if not len(first):
        raise ValueError("no particle has hits on three layers, from which seeds could be made")
    triplets, number = np.unique(first, axis=0, return_counts=True)
    order = np.argsort(-number, kind="stable")
    needed = int(np.searchsorted(np.cumsum(number[order]), share * len(first))) + 1
    return tuple((int(a), int(b), int(c)) for a, b, c in triplets[order[: min(needed, at_most)]])


def crossings(parameters: Floats, layers: tuple[Layer, ...], magnetic_field: float, margin: float = 0.0) -> Floats:
    """Transverse path from the perigee to the first crossing of each layer [mm], shape (m, layers).

    NaN where a helix does not cross it outwards in the first half turn, or more than a margin beside it.

    Args:
        parameters: d0, z0, phi, theta, q/p, shape (m, 5).
        layers: The layers.
        magnetic_field: Along z [T].
        margin: By which layers are taken to be longer at their ends [mm].
    """
    d0, z0, _, theta, q_over_p = (column[:, np.newaxis] for column in parameters.T)
    omega, cot = curvature(theta, q_over_p, magnetic_field), 1 / np.tan(theta)
    disc, position, low, high = (np.array([layer[i] for layer in layers]) for i in range(1, 5))
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.sqrt((position**2 - d0**2) / (1 - omega * d0)) / 2  # of the chord from the perigee
        around = 2 * half * _arcsinc(omega * half)
        path = np.where(disc, (position - z0) / cot, around)
        chord = path * np.sinc(omega * path / (2 * np.pi))
        across = np.where(disc, np.sqrt(d0**2 + chord**2 * (1 - omega * d0)), z0 + path * cot)
        there = (path > 0) & (np.abs(omega * path) < np.pi) & (across > low - margin) & (across < high + margin)
    return np.where(there, path, np.nan)


def _by_layer(function: np.ufunc | str, values: Floats, layer: NDArray[np.intp], layers: int) -> Floats:
    if isinstance(function, str):
        return np.bincount(layer, values, minlength=layers) / np.bincount(layer, minlength=layers)
    extreme = np.full(layers, -np.inf if function is np.maximum else np.inf)
    function.at(extreme, layer, values)
    return extreme


_SUMMARIES = ("mean", np.minimum, np.maximum)


def _arcsinc(sine: Floats) -> Floats:
    """Arc sine over the sine; NaN above 1."""
    safe = np.where(np.abs(sine) < 1e-6, 1.0, sine)
    return np.where(np.abs(sine) < 1e-6, 1.0, np.arcsin(safe) / safe)
