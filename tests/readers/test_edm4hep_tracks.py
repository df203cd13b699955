"""Perigee parameters from those of EDM4hep, against differences and against samples."""

import numpy as np
import pytest

from cortado.perigee import COVARIANCE, PARAMETERS
from cortado.readers.edm4hep_tracks import covariance_from_edm4hep, from_edm4hep, jacobian_from_edm4hep

FIELD = 2.0


def states(n=20, seed=1):
    """Track states d0, phi, omega, z0, tan_lambda of both charges."""
    rng = np.random.default_rng(seed)
    omega = rng.uniform(1e-5, 2e-3, n) * rng.choice([-1, 1], n)
    return np.stack(
        [rng.normal(0, 0.1, n), rng.uniform(-3, 3, n), omega, rng.normal(0, 5, n), rng.normal(0, 2, n)], axis=-1
    )


def test_momentum_is_that_of_the_curvature():
    d0, phi, omega, z0, tan_lambda = 0.3, 1.2, -4e-4, -7.0, 1.5
    parameters = dict(zip(PARAMETERS, from_edm4hep(np.array([[d0, phi, omega, z0, tan_lambda]]), FIELD)[0]))
    pt = 0.299792458e-3 * FIELD / abs(omega)  # p [GeV] = 0.3 B [T] r [m]
    assert (parameters["d0"], parameters["z0"], parameters["phi"]) == (d0, z0, phi)
    assert 1 / np.tan(parameters["theta"]) == pytest.approx(tan_lambda)
    assert parameters["q_over_p"] == pytest.approx(-1 / np.hypot(pt, pt * tan_lambda))


def test_jacobian_equals_differences():
    centre, steps = states(), np.array([1e-5, 1e-5, 1e-9, 1e-5, 1e-5])
    for i, step in enumerate(steps):
        shift = step * np.eye(5)[i]
        difference = (from_edm4hep(centre + shift, FIELD) - from_edm4hep(centre - shift, FIELD)) / (2 * step)
        np.testing.assert_allclose(jacobian_from_edm4hep(centre, FIELD)[:, :, i], difference, rtol=1e-5, atol=1e-7)


def test_covariance_is_that_of_a_sample():
    rng = np.random.default_rng(2)
    mean = np.array([0.1, 0.5, 4e-4, 2.0, 0.8])
    spread = np.array([0.01, 1e-3, 1e-6, 0.02, 1e-3])
    mix = np.eye(5) + 0.3 * rng.normal(size=(5, 5))
    sample = mean + (rng.normal(size=(200_000, 5)) @ mix.T) * spread
    theirs = (mix @ mix.T) * np.outer(spread, spread)
    packed = np.array([[theirs[i, j] for i in range(5) for j in range(i + 1)]])
    ours = covariance_from_edm4hep(packed, mean[np.newaxis], FIELD)
    expected = np.cov(from_edm4hep(sample, FIELD).T)
    error = np.sqrt(np.diag(expected))
    assert tuple(ours) == COVARIANCE
    for i, one in enumerate(PARAMETERS):
        for j, other in list(enumerate(PARAMETERS))[i:]:
            correlation = ours[f"cov_{one}_{other}"][0] / error[i] / error[j]
            assert correlation == pytest.approx(expected[i, j] / error[i] / error[j], abs=0.01)


def test_not_a_number_is_passed_on():
    packed = np.full((1, 15), np.nan)
    assert all(np.isnan(column).all() for column in covariance_from_edm4hep(packed, states(1), FIELD).values())
