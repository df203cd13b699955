"""Helices of charged particles in a homogeneous field along the beam."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cortado import kinematics

Array = npt.NDArray[Any]


def closest_approach(
    charge: Array,
    momentum: tuple[Array, Array, Array],
    position: tuple[Array, Array, Array],
    radius: Array,
) -> tuple[Array, Array, Array]:
    """Follow helices from where they begin to the point nearest to the z axis, by less than half a turn.

    Args:
        charge: +1 or -1, shape (n,).
        momentum: Components at the beginning, pT > 0, shape (n,) each.
        position: Where the helices begin, in units of length, shape (n,) each.
        radius: Of the circle in the transverse plane, in the same units, shape (n,).

    Returns:
        ``d0``, ``z0`` and ``phi``, shape (n,) each: the point nearest to the axis is (-d0 sin phi, d0 cos phi, z0), and
        phi the azimuth of the momentum there [rad].
    """
    (px, py, pz), (x, y, z) = momentum, position
    pt = np.hypot(px, py)
    centre_x = x + charge * radius * py / pt
    centre_y = y - charge * radius * px / pt
    d0 = charge * (radius - np.hypot(centre_x, centre_y))
    phi = np.arctan2(charge * centre_x, -charge * centre_y)
    arc = charge * radius * kinematics.delta_phi(phi, np.arctan2(py, px))
    return d0, z - arc * pz / pt, phi
