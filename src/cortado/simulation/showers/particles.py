"""Particles of a shower, and the stack on which they wait: kind, kinetic energy [MeV], position [mm], direction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cortado.simulation.showers.compilation import compiled

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]
Product = tuple[float, float, Vector]
"""Kind, energy and direction of a particle that is born."""

PHOTON, ELECTRON, POSITRON, PION = 0.0, 1.0, 2.0, 3.0


@compiled
def push(stack: Floats, n: int, product: Product, position: Vector) -> int:
    """Put a particle on a stack of n, shape (m, 8), and return the new number."""
    stack[n, 0], stack[n, 1], direction = product
    stack[n, 2], stack[n, 3], stack[n, 4] = position
    stack[n, 5], stack[n, 6], stack[n, 7] = direction
    return n + 1


@compiled
def push_two(stack: Floats, n: int, first: Product, second: Product, position: Vector) -> int:
    """Put two particles on the stack, the one of less energy on top.

    As it is followed first, an electron or a photon never leaves more than log2(energy / cut) others to wait.
    """
    if first[1] < second[1]:
        first, second = second, first
    return push(stack, push(stack, n, first, position), second, position)


@compiled
def turned(direction: Vector, cosine: float, phi: float) -> Vector:
    """Direction at an angle to another one, and at an azimuth around it."""
    u, v, w = direction
    sine = math.sqrt(max(1 - cosine**2, 0.0))
    a, b = sine * math.cos(phi), sine * math.sin(phi)
    across = math.sqrt(u**2 + v**2)
    if across < 1e-9:
        return a, b, cosine if w > 0 else -cosine
    return (
        u * cosine + (u * w * a - v * b) / across,
        v * cosine + (v * w * a + u * b) / across,
        w * cosine - across * a,
    )


@compiled
def azimuth(rng: np.random.Generator) -> float:
    """Any, with equal probability."""
    return 2 * math.pi * rng.random()


@compiled
def isotropic(rng: np.random.Generator) -> Vector:
    """Direction, all with equal probability."""
    return turned((0.0, 0.0, 1.0), 2 * rng.random() - 1, azimuth(rng))
