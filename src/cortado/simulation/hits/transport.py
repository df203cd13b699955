"""Helices from layer to layer, with multiple scattering: all particles take one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado import perigee
from cortado.simulation.hits.detector import Detector, Layers, layers
from cortado.simulation.hits.particles import Particles

__all__ = ["Crossings", "crossings", "highland", "path_to_cylinder"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ON_SURFACE = 1e-3  # mm: a crossing nearer than this is the one that just happened
_SLAB = 1 << 15  # particles: bounds the memory
_MIN_COSINE = 0.05  # of the angle of incidence, bounds the material that a grazing particle sees
_FORWARD = 1e-3  # rad, least angle with the beam
_STRAIGHT = 1e-12  # 1/mm, curvature of a track without field
_OF_PLANE = 2


class Crossings(NamedTuple):
    """Where particles cross layers, shape (c,).

    Attributes:
        particle: Row of the particle.
        layer: Number of the layer.
        position: x, y, z [mm], shape (c, 3).
    """

    particle: Array
    layer: Array
    position: Array


class _Grid(NamedTuple):
    """Distinct radii of cylinders and z of discs [mm], each between two NaN, and the layers at each of them.

    ``at_radius`` and ``at_plane`` have shape (places, layers), filled up with -1.
    """

    radii: Floats
    planes: Floats
    at_radius: Integers
    at_plane: Integers


class _States(NamedTuple):
    """Particles under way, shape (n,).

    ``left`` is the transverse path that is left of half a turn [mm], ``ring`` the number of radii and ``wall`` that of
    planes below the particle.
    """

    row: Array
    position: Array
    phi: Array
    theta: Array
    q_over_p: Array
    mass: Array
    left: Array
    ring: Array
    wall: Array

    def where(self, chosen: npt.NDArray[np.bool_]) -> _States:
        return _States(*(column[chosen] for column in self))


def crossings(particles: Particles, detector: Detector, rng: np.random.Generator) -> Crossings:
    """Follow particles through the detector.

    They lose no energy, and are followed for half a turn, so that none comes back: loopers stop at their far side.

    Args:
        particles: Charged particles, shape (n,).
        detector: Its layers, field and material.
        rng: Source of the scattering.

    Returns:
        Crossings of layers, in no order.
    """
    table = layers(detector)
    grid = _grid(table)
    slabs = _slabs(particles, detector, grid)
    steps = [step for slab in slabs for step in _followed(slab, detector, table, grid, rng)]
    if not steps:
        return Crossings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3)))
    return Crossings(*(np.concatenate(columns) for columns in zip(*steps, strict=True)))


def path_to_cylinder(position: Floats, phi: Floats, omega: Floats, radius: Floats) -> Floats:
    """Transverse path from points of helices to their next crossing of cylinders around the z axis [mm].

    With tau = 2 tan(omega s / 2) / omega, the crossing solves a quadratic equation that a straight line solves, too.

    Args:
        position: x, y, z [mm], shape (n, 3).
        phi: Azimuth of the momentum [rad], shape (n,).
        omega: Signed curvature as in `perigee` [1/mm], shape (n,).
        radius: Of the cylinders [mm], shape (n,).

    Returns:
        Path within half a turn, infinite where there is no crossing or the radius is NaN; shape (n,).
    """
    x, y = position[:, 0], position[:, 1]
    along, across = x * np.cos(phi) + y * np.sin(phi), x * np.sin(phi) - y * np.cos(phi)
    rest = radius**2 - x**2 - y**2
    leading = 1 + omega * across - omega**2 * rest / 4
    square = along**2 + leading * rest
    crossed = square >= 0
    root = along + np.copysign(np.sqrt(np.where(crossed, square, 0.0)), along)
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([-root / leading, rest / root])
    half = np.arctan(omega * roots / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        paths = np.where(omega == 0, roots, 2 * half / omega)
    paths = np.where(crossed & (paths > _ON_SURFACE), paths, np.inf)
    return np.asarray(paths.min(axis=0))


def highland(momentum: Floats, mass: Floats, thickness: Floats) -> Floats:
    """Width of the angle of multiple scattering in a plane [rad], for charge 1.

    Args:
        momentum: [GeV], any shape.
        mass: [GeV], same shape.
        thickness: Along the path, in radiation lengths above 0, same shape.

    References:
        Particle Data Group, Review of particle physics (2024), eq. (34.16).
    """
    beta = momentum / np.hypot(momentum, mass)
    return np.asarray(0.0136 / (beta * momentum) * np.sqrt(thickness) * (1 + 0.038 * np.log(thickness)))


def _slabs(particles: Particles, detector: Detector, grid: _Grid) -> list[_States]:
    """Particles at their origins, cut into slabs."""
    px, py, pz = particles.momentum.T
    momentum = np.linalg.norm(particles.momentum, axis=1)
    theta = np.clip(np.arctan2(np.hypot(px, py), pz), _FORWARD, np.pi - _FORWARD)
    q_over_p = particles.charge / momentum
    half_turn = np.pi / np.maximum(np.abs(perigee.curvature(theta, q_over_p, detector.field)), _STRAIGHT)
    row = np.arange(len(momentum))
    x, y, z = particles.origin.T
    ring, wall = np.searchsorted(grid.radii[1:-1], np.hypot(x, y)), np.searchsorted(grid.planes[1:-1], z)
    everything = _States(
        row, particles.origin, np.arctan2(py, px), theta, q_over_p, particles.mass, half_turn, ring, wall
    )
    return [_States(*(column[k : k + _SLAB] for column in everything)) for k in range(0, len(row), _SLAB)]


def _grid(table: Layers) -> _Grid:
    """Distinct radii and planes of layers."""
    radii, at_radius = _places(table.place, table.cylinder)
    planes, at_plane = _places(table.place, ~table.cylinder)
    return _Grid(radii, planes, at_radius, at_plane)


def _places(place: Floats, chosen: npt.NDArray[np.bool_]) -> tuple[Floats, Integers]:
    """Distinct places between two NaN, and the numbers of the layers at each, filled up with -1."""
    distinct, group = np.unique(place[chosen], return_inverse=True)
    order = np.argsort(group, kind="stable")
    column = np.arange(len(group)) - np.searchsorted(group[order], group[order])
    numbers = np.full((len(distinct), column.max(initial=0) + 1), -1)
    numbers[group[order], column] = np.flatnonzero(chosen)[order]
    return np.concatenate([[np.nan], distinct, [np.nan]]), numbers


def _followed(
    states: _States, detector: Detector, table: Layers, grid: _Grid, rng: np.random.Generator
) -> Iterator[Crossings]:
    """Crossings of a slab, step by step, until all particles have left."""
    while len(states.row):
        states, kind, place = _next(states, detector.field, grid)
        layer = _crossed(states.position, kind, place, table, grid)
        seen = layer >= 0
        yield Crossings(states.row[seen], layer[seen], states.position[seen])
        states = _scattered(states, layer, table, rng)


def _next(states: _States, field: float, grid: _Grid) -> tuple[_States, Integers, Integers]:
    """Go to the nearest of three: the cylinders inside and outside, and the plane ahead.

    Returns:
        Those that get there within half a turn; which of the three it is; the place of the cylinder or plane.
    """
    omega = perigee.curvature(states.theta, states.q_over_p, field)
    ahead = (np.cos(states.theta) > 0).astype(np.int64)
    to_plane = (grid.planes[states.wall + ahead] - states.position[:, 2]) * np.tan(states.theta)
    paths = np.stack(
        [
            path_to_cylinder(states.position, states.phi, omega, grid.radii[states.ring]),
            path_to_cylinder(states.position, states.phi, omega, grid.radii[states.ring + 1]),
            np.where(to_plane > 0, to_plane, np.inf),  # NaN beyond the last plane
        ]
    )
    kind, path = paths.argmin(axis=0), paths.min(axis=0)
    arrives = path < states.left
    states, kind, path, omega, ahead = (
        states.where(arrives),
        *(column[arrives] for column in (kind, path, omega, ahead)),
    )
    place = np.choose(kind, [states.ring - 1, states.ring, states.wall + ahead - 1])
    moved = states._replace(
        position=states.position + _displacement(states, path, field),
        phi=states.phi - omega * path,
        left=states.left - path,
        ring=states.ring + np.array([-1, 1, 0])[kind],
        wall=states.wall + (kind == _OF_PLANE) * (2 * ahead - 1),
    )
    return moved, kind, place


def _displacement(states: _States, path: Floats, field: float) -> Floats:
    """From here along helices, shape (n, 3): that of a track whose perigee lies here."""
    nothing = np.zeros_like(path)
    return perigee.point(np.stack([nothing, nothing, states.phi, states.theta, states.q_over_p], axis=-1), path, field)


def _crossed(position: Floats, kind: Integers, place: Integers, table: Layers, grid: _Grid) -> Integers:
    """Number of the layer at the place, -1 where particles pass beside it."""
    layer = np.full(len(place), -1)
    flat = kind == _OF_PLANE
    radius = np.hypot(position[:, 0], position[:, 1])
    for chosen, numbers, across in ((~flat, grid.at_radius, position[:, 2]), (flat, grid.at_plane, radius)):
        number = numbers[place[chosen]]
        inside = (table.low[number] <= across[chosen, np.newaxis]) & (across[chosen, np.newaxis] <= table.high[number])
        layer[chosen] = np.where(inside & (number >= 0), number, -1).max(axis=1, initial=-1)
    return layer


def _scattered(states: _States, layer: Integers, table: Layers, rng: np.random.Generator) -> _States:
    """Turn the directions by the material of the layers, those with layer -1 not."""
    x, y, _ = states.position.T
    outward = np.sin(states.theta) * np.cos(states.phi - np.arctan2(y, x))
    cosine = np.abs(np.where(table.cylinder[layer], outward, np.cos(states.theta)))
    thickness = table.thickness[layer] / np.maximum(cosine, _MIN_COSINE)
    width = np.where(layer >= 0, highland(1 / np.abs(states.q_over_p), states.mass, thickness), 0.0)
    across, along = np.tan(rng.standard_normal((2, len(layer))) * width)
    transverse = np.sin(states.theta) + along * np.cos(states.theta)
    theta = np.arctan2(np.hypot(transverse, across), np.cos(states.theta) - along * np.sin(states.theta))
    turned = states.phi + np.arctan2(across, transverse)
    return states._replace(phi=turned, theta=np.clip(theta, _FORWARD, np.pi - _FORWARD))
