"""What is known of vertices before any track: beam spots and primary vertices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.reconstruction.matrices import inverse

__all__ = ["Constraint", "Prior", "constraint", "each_prior"]

Floats = NDArray[np.float64]


class Prior(NamedTuple):
    """What is known of vertices before any track, such as the beam spot.

    Attributes:
        position: x, y, z [mm], shape (3,) or (g, 3).
        covariance: [mm^2], positive definite, shape (3, 3) or (g, 3, 3).
    """

    position: ArrayLike
    covariance: ArrayLike


class Constraint(NamedTuple):
    """What is known of each of g vertices: position (g, 3), and the inverse of its covariance (g, 3, 3)."""

    position: Floats
    precision: Floats


def constraint(prior: Prior | None, groups: int) -> Constraint:
    """The prior of each of g vertices; nothing is known without one.

    Raises:
        ValueError: If a shape is wrong, or a covariance matrix is not positive definite.
    """
    if prior is None:
        return Constraint(np.zeros((groups, 3)), np.zeros((groups, 3, 3)))
    position, covariance = each_prior(prior, groups)
    smallest = np.linalg.eigvalsh(covariance)[:, 0]
    if not (smallest > 0).all():
        bad = int(np.argmin(smallest > 0))
        raise ValueError(
            f"covariance {covariance[bad].tolist()} of prior {bad} has the smallest eigenvalue {smallest[bad]:.3g}, "
            "must be positive definite to constrain a fit"
        )
    return Constraint(position, inverse(covariance))


def each_prior(prior: Prior, groups: int) -> tuple[Floats, Floats]:
    """Position (g, 3) and covariance (g, 3, 3) of each of g vertices.

    Raises:
        ValueError: If a shape is wrong, or a number is not finite.
    """
    parts = []
    for name, shape in (("position", (3,)), ("covariance", (3, 3))):
        values = np.asarray(getattr(prior, name), dtype=np.float64)
        if values.shape not in (shape, (groups, *shape)):
            raise ValueError(f"{name} of the prior has shape {values.shape}, must be {shape} or {(groups, *shape)}")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of the prior is {values.tolist()!s:.80}, must be finite")
        parts.append(np.broadcast_to(values, (groups, *shape)))
    return parts[0], parts[1]
