"""Tracks as an inner detector would measure them: true helices, parametrised errors with their correlations.

What it is: perigee parameters to the origin in 2 T, from the exact helix, smeared by a Gaussian whose covariance
depends on pT and theta. Its form is that of a silicon tracker with a first layer near 33 mm: d0 is measured to 12 um
(+) 75 um of multiple scattering at 1 GeV, and so on. Signs of the correlations are those of a fit to layers further out
of a parabola (r phi) and a straight line (r z), extrapolated inwards; their sizes are chosen. The errors of tracks
differ by 15 % around the parametrisation, as if by their number of hits.

What it is not: no material (no conversions, nuclear interactions or bremsstrahlung; leptons are tracks like any other),
no shared or wrong hits in the core of jets, no tails beyond the Gaussian, no dependence of the errors on the place
where the particle was born (only its efficiency falls).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.perigee import BENDING
from cortado.simulation.detector import charge_of
from cortado.simulation.helix import closest_approach
from cortado.simulation.history import History

Array = npt.NDArray[Any]

FIELD = 2.0  # T
MIN_PT, MAX_ETA = 0.5, 2.5  # GeV
MAX_RADIUS = 300.0  # mm, of the point where a particle is born: what is born later leaves too few hits
MAX_D0, MAX_Z0_SIN_THETA = 50.0, 5.0  # mm; the latter removes most pile-up
_SPREAD = 0.15  # of the errors of tracks with equal momenta

CORRELATION = np.array(
    [
        # d0    z0   phi  theta  q/p
        [1.00, 0.00, -0.80, 0.00, -0.30],
        [0.00, 1.00, 0.00, 0.70, 0.00],
        [-0.80, 0.00, 1.00, 0.00, 0.60],
        [0.00, 0.70, 0.00, 1.00, 0.00],
        [-0.30, 0.00, 0.60, 0.00, 1.00],
    ]
)
"""Correlations of the errors of the `perigee.PARAMETERS`."""


class Helices(NamedTuple):
    """True or measured tracks of a batch of events, flat.

    ``parameters`` has shape (n, 5), in the order of `perigee.PARAMETERS`; ``vertex`` is the row of the true vertex,
    shape (n,).
    """

    event: Array
    parameters: Array
    vertex: Array

    def where(self, chosen: Array) -> Helices:
        """Those for which the mask is true, or those of these indices."""
        return Helices(*(column[chosen] for column in self))


def joined(*parts: Helices) -> Helices:
    """All the tracks, in turn."""
    return Helices(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def perigee(
    charge: Array, momentum: tuple[Array, Array, Array], position: tuple[Array, Array, Array], field: float = FIELD
) -> Array:
    """Parameters of helices at the point nearest to the z axis.

    That point is (-d0 sin phi, d0 cos phi, z0), as in ATLAS and EDM4hep.

    Args:
        charge: +1 or -1, shape (n,).
        momentum: px, py, pz where the particle is born [GeV], shape (n,) each; pT > 0.
        position: x, y, z there [mm], shape (n,) each.
        field: Along z [T].

    Returns:
        d0 [mm], z0 [mm], phi, theta [rad] and q/p [1/GeV], shape (n, 5).
    """
    px, py, pz = momentum
    pt = np.hypot(px, py)
    d0, z0, phi = closest_approach(charge, momentum, position, pt / (BENDING * field))  # mm, for pT in GeV
    return np.stack([d0, z0, phi, np.arctan2(pt, pz), charge / np.hypot(pt, pz)], axis=-1)


def reconstructed_particles(history: History, rng: np.random.Generator) -> Array:
    """Indices of the charged particles that leave a track, shape (n,).

    Stable on the scale of the detector, |eta| < 2.5, pT above 0.5 GeV (a little less, which smearing may lift), born
    within 300 mm of the beam line; found with 97 % at high pT, 89 % at 0.5 GeV, half of that at the largest radius.
    """
    pt, radius = np.hypot(history.px, history.py), np.hypot(history.x, history.y)
    tracked = history.stable & (charge_of(history.pdg_id) != 0) & (pt > 0.9 * MIN_PT) & (radius < MAX_RADIUS)
    tracked &= np.abs(history.pz) < pt * np.sinh(MAX_ETA + 0.05)
    index = np.flatnonzero(tracked)
    return index[rng.random(len(index)) < efficiency(pt[index], radius[index])]


def efficiency(pt: Array, radius: Array) -> Array:
    """Share of the particles that are found.

    Args:
        pt: Transverse momentum [GeV], shape (n,).
        radius: Distance from the beam line at which they are born [mm], shape (n,).
    """
    share: Array = (0.97 - 0.08 * np.exp(-(pt - MIN_PT))) * (1 - 0.5 * radius / MAX_RADIUS)
    return share


def true_helices(history: History, index: Array, vertex: Array) -> Helices:
    """Helices of particles.

    Args:
        history: All particles.
        index: Of those that leave tracks, shape (n,).
        vertex: Rows of their vertices, shape (n,).
    """
    charge = charge_of(history.pdg_id[index])
    momentum = (history.px[index], history.py[index], history.pz[index])
    position = (history.x[index], history.y[index], history.z[index])
    return Helices(history.event[index], perigee(charge, momentum, position), vertex)


def resolution(parameters: Array) -> Array:
    """Standard deviations of the measured parameters: measurement (+) multiple scattering.

    Args:
        parameters: True ones, shape (n, 5).

    Returns:
        In the units of the parameters, shape (n, 5).
    """
    sin_theta, curvature = np.sin(parameters[:, 3]), np.abs(parameters[:, 4])
    pt = sin_theta / curvature
    scattering = 1 / (pt * np.sqrt(sin_theta))  # 1 / (p sin^3/2 theta)
    return np.stack(
        [
            np.hypot(0.012, 0.075 * scattering),
            np.hypot(0.050, 0.090 * scattering / sin_theta),
            np.hypot(1e-4, 1.5e-3 * scattering),
            np.hypot(4e-4 * sin_theta, 1.5e-3 * scattering * sin_theta),
            curvature * np.hypot(0.010 / np.sqrt(sin_theta), 4e-4 * pt),
        ],
        axis=-1,
    )


def measure(parameters: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Smear true parameters.

    Args:
        parameters: True ones, shape (n, 5).
        rng: Source of the errors.

    Returns:
        Measured parameters, phi from -pi to pi, and their standard deviations, shape (n, 5) each. The covariance is
        `CORRELATION` times the product of two of them.
    """
    sigma = resolution(parameters) * np.exp(_SPREAD * rng.normal(size=(len(parameters), 1)))
    pulls = rng.normal(size=parameters.shape) @ np.linalg.cholesky(CORRELATION).T
    measured = parameters + pulls * sigma
    measured[:, 2] = kinematics.wrap_phi(measured[:, 2])
    return measured, sigma


def accepted(measured: Array) -> Array:
    """Which measured tracks are kept: pT > 0.5 GeV, |eta| < 2.5, |d0| < 50 mm, |z0 sin theta| < 5 mm; shape (n,)."""
    d0, z0, _, theta, q_over_p = measured.T
    sin_theta = np.sin(theta)
    kept: Array = (sin_theta > MIN_PT * np.abs(q_over_p)) & (np.abs(d0) < MAX_D0)
    kept &= (sin_theta * np.cosh(MAX_ETA) > 1) & (np.abs(z0) * sin_theta < MAX_Z0_SIN_THETA)
    return kept
