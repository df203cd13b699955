"""Perigee parameters of tracks, and their covariance, from the track states of EDM4hep; see `cortado.perigee`."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from cortado.perigee import BENDING, COVARIANCE

__all__ = ["covariance_from_edm4hep", "from_edm4hep", "jacobian_from_edm4hep"]

Floats = npt.NDArray[np.float64]


def from_edm4hep(states: Floats, field: float) -> Floats:
    """Perigee parameters of EDM4hep track states.

    Args:
        states: d0 [mm], phi, omega [1/mm] (its sign is that of the charge in a field along +z), z0 [mm] and
            tan_lambda (cotangent of theta), shape (m, 5).
        field: Magnetic field along z [T].

    Returns:
        d0, z0, phi, theta, q_over_p, shape (m, 5).

    References:
        T. Kraemer, Track parameters in LCIO, LC-DET-2006-004, secs. 2 and 3.
    """
    d0, phi, omega, z0, tan_lambda = states.T
    sin_theta = 1 / np.hypot(1, tan_lambda)
    q_over_p = omega * sin_theta / (BENDING * field)
    return np.stack([d0, z0, phi, np.arctan2(1, tan_lambda), q_over_p], axis=-1)


def jacobian_from_edm4hep(states: Floats, field: float) -> Floats:
    """Derivatives of `from_edm4hep`.

    Args:
        states: As in `from_edm4hep`, shape (m, 5).
        field: Magnetic field along z [T].

    Returns:
        Those of each parameter of the record, row by row, shape (m, 5, 5).
    """
    omega, tan_lambda = states[:, 2], states[:, 4]
    sin_theta = 1 / np.hypot(1, tan_lambda)
    jacobian = np.zeros((len(states), 5, 5))
    jacobian[:, 0, 0] = jacobian[:, 1, 3] = jacobian[:, 2, 1] = 1
    jacobian[:, 3, 4] = -(sin_theta**2)
    jacobian[:, 4, 2] = sin_theta / (BENDING * field)
    jacobian[:, 4, 4] = -omega * tan_lambda * sin_theta**3 / (BENDING * field)
    return jacobian


def covariance_from_edm4hep(packed: Floats, states: Floats, field: float) -> dict[str, Floats]:
    """Covariance of the perigee parameters of EDM4hep track states.

    Args:
        packed: Lower triangle of the covariance of (d0, phi, omega, z0, tan_lambda), row by row, shape (m, 15); or with
            the time behind these, shape (m, 21), of which the last row is not used.
        states: As in `from_edm4hep`, shape (m, 5).
        field: Magnetic field along z [T].

    Returns:
        Columns of shape (m,) by the names of `COVARIANCE`.
    """
    row, column = np.tril_indices(5)
    theirs = np.empty((len(states), 5, 5))
    theirs[:, row, column] = theirs[:, column, row] = packed[:, : len(row)]
    jacobian = jacobian_from_edm4hep(states, field)
    ours = jacobian @ theirs @ jacobian.transpose(0, 2, 1)
    pairs = combinations_with_replacement(range(5), 2)
    return {name: ours[:, one, other] for name, (one, other) in zip(COVARIANCE, pairs)}
