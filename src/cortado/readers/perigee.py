"""Perigee parameters of tracks: their names in the record, and the change from those of EDM4hep.

The record has (d0, z0, phi, theta, q_over_p) with the signs of ATLAS and EDM4hep: the point of closest approach to the
z axis is (-d0 sin phi, d0 cos phi, z0), the momentum points along (sin theta cos phi, sin theta sin phi, cos theta).
Lengths are in mm, angles in rad, q_over_p in 1/GeV. The covariance has one field for each pair, `cov_d0_d0`,
`cov_d0_z0`, ..., `cov_q_over_p_q_over_p`: 15, the earlier parameter first.
"""

from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PARAMETERS = ("d0", "z0", "phi", "theta", "q_over_p")
COVARIANCE = tuple(f"cov_{one}_{other}" for one, other in combinations_with_replacement(PARAMETERS, 2))
"""Names of the 15 fields of the covariance."""

CURVATURE = 2.99792458e-4
"""Transverse momentum [GeV] of a unit charge on a circle of 1 mm in a field of 1 T."""

CHARGED_PION_MASS = 0.13957039
"""Mass [GeV] of a track of unknown kind; R. L. Workman et al. (Particle Data Group) (2022)."""


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
    q_over_p = omega * sin_theta / (CURVATURE * field)
    return np.stack([d0, z0, phi, np.arctan2(1, tan_lambda), q_over_p], axis=-1)


def jacobian_from_edm4hep(states: Floats, field: float) -> Floats:
    """Derivatives of `from_edm4hep`: those of each parameter of the record, row by row, shape (m, 5, 5)."""
    omega, tan_lambda = states[:, 2], states[:, 4]
    sin_theta = 1 / np.hypot(1, tan_lambda)
    jacobian = np.zeros((len(states), 5, 5))
    jacobian[:, 0, 0] = jacobian[:, 1, 3] = jacobian[:, 2, 1] = 1
    jacobian[:, 3, 4] = -(sin_theta**2)
    jacobian[:, 4, 2] = sin_theta / (CURVATURE * field)
    jacobian[:, 4, 4] = -omega * tan_lambda * sin_theta**3 / (CURVATURE * field)
    return jacobian


def covariance_from_edm4hep(packed: Floats, states: Floats, field: float) -> dict[str, Floats]:
    """Covariance of the perigee parameters of EDM4hep track states.

    Args:
        packed: Lower triangle of the covariance of (d0, phi, omega, z0, tan_lambda), row by row, shape (m, 15).
        states: As in `from_edm4hep`, shape (m, 5).
        field: Magnetic field along z [T].

    Returns:
        Columns of shape (m,) by the names of `COVARIANCE`.
    """
    row, column = np.tril_indices(5)
    theirs = np.empty((len(states), 5, 5))
    theirs[:, row, column] = theirs[:, column, row] = packed
    jacobian = jacobian_from_edm4hep(states, field)
    ours = jacobian @ theirs @ jacobian.transpose(0, 2, 1)
    pairs = combinations_with_replacement(range(5), 2)
    return {name: ours[:, one, other] for name, (one, other) in zip(COVARIANCE, pairs)}
