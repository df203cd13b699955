import numpy as np
import pytest
from scipy.stats import kstest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation.tracks import (
    CORRELATION,
    FIELD,
    MAX_D0,
    MAX_RADIUS,
    MAX_Z0_SIN_THETA,
    accepted,
    efficiency,
    measure,
    perigee,
    resolution,
)


def particles(n, seed=1):
    """Charges, momenta and positions of particles born some cm from the axis."""
    source = np.random.default_rng(seed)
    pt, phi, eta = source.exponential(3, n) + 0.5, source.uniform(-np.pi, np.pi, n), source.uniform(-2.5, 2.5, n)
    momentum = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta))
    return source.choice([-1, 1], n), momentum, tuple(source.normal(0, [[20.0], [20.0], [50.0]], (3, n)))


def walk(charge, momentum, position, step):
    """Slow twin: steps of the equation of motion dp/ds = q p/|p| x B (Runge-Kutta), until r . p changes its sign."""
    per_mm = 2.99792458e-4 * FIELD * charge

    def derivative(state):
        px, py, pz = state[3:]
        along = np.array([px, py, pz]) / np.linalg.norm([px, py, pz])
        return np.array([*along, per_mm * along[1], -per_mm * along[0], 0.0])

    def outward(state):
        return state[0] * state[3] + state[1] * state[4]

    state = np.array([*position, *momentum])
    step = -step if outward(state) > 0 else step
    while True:
        k1 = derivative(state)
        k2 = derivative(state + step / 2 * k1)
        k3 = derivative(state + step / 2 * k2)
        k4 = derivative(state + step * k3)
        then = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if outward(then) * outward(state) <= 0:
            share = outward(state) / (outward(state) - outward(then))
            return state + share * (then - state)
        state = then


def test_perigee_against_a_walk_along_the_track():
    charge, momentum, position = particles(12)
    found = perigee(charge, momentum, position)
    for i in range(12):
        x, y, z, px, py, pz = walk(charge[i], [p[i] for p in momentum], [x[i] for x in position], step=0.25)
        phi, p = np.arctan2(py, px), np.linalg.norm([px, py, pz])
        expected = [-x * np.sin(phi) + y * np.cos(phi), z, phi, np.arccos(pz / p), charge[i] / p]
        assert found[i] == pytest.approx(expected, abs=1e-4)


def test_perigee_is_the_same_from_everywhere_on_the_helix():
    charge, momentum, position = particles(200, seed=2)
    found = perigee(charge, momentum, position)
    d0, z0, phi, theta, q_over_p = found.T
    p = 1 / np.abs(q_over_p)
    there = (p * np.sin(theta) * np.cos(phi), p * np.sin(theta) * np.sin(phi), p * np.cos(theta))
    again = perigee(charge, there, (-d0 * np.sin(phi), d0 * np.cos(phi), z0))
    assert again == pytest.approx(found, abs=1e-7)


def test_perigee_of_a_track_from_the_origin_and_of_a_straight_one():
    from_origin = perigee(np.array([1]), (np.array([3.0]), np.array([0.0]), np.array([4.0])), (np.zeros(1),) * 3)
    assert from_origin[0] == pytest.approx([0, 0, 0, np.arctan2(3, 4), 0.2], abs=1e-12)
    # along x, 7 mm above the axis: d0 = +7
    position = (np.array([10.0]), np.array([7.0]), np.array([2.0]))
    straight = perigee(np.array([-1]), (np.array([3.0]), np.array([0.0]), np.array([3.0])), position, field=1e-6)
    assert straight[0, :4] == pytest.approx([7, -8, 0, np.pi / 4], abs=1e-4)


def test_positive_particles_turn_clockwise():
    d0_of = {
        charge: perigee(
            np.array([charge]), (np.ones(1), np.zeros(1), np.zeros(1)), (np.full(1, 100.0), *[np.zeros(1)] * 2)
        )
        for charge in (1, -1)
    }
    assert d0_of[1][0, 2] > 0 > d0_of[-1][0, 2]  # it came from a larger azimuth
    assert d0_of[1][0, 0] == pytest.approx(-d0_of[-1][0, 0])


@pytest.fixture(scope="module")
def pulls():
    """Parameters of many tracks, and their errors in units of the standard deviations."""
    true = perigee(*particles(40_000, seed=5))
    measured, sigma = measure(true, np.random.default_rng(6))
    difference = measured - true
    difference[:, 2] = (difference[:, 2] + np.pi) % (2 * np.pi) - np.pi
    return true, difference / sigma, sigma, measured


def test_pulls_are_unit_gaussians(pulls):
    for pull in pulls[1].T:
        assert kstest(pull, "norm").pvalue > 1e-3
        assert np.std(pull) == pytest.approx(1, abs=0.012)


def test_errors_are_correlated_as_stated(pulls):
    assert np.corrcoef(pulls[1].T) == pytest.approx(CORRELATION, abs=0.02)
    chi2 = np.einsum("ni,ij,nj->n", pulls[1], np.linalg.inv(CORRELATION), pulls[1])
    assert np.mean(chi2) == pytest.approx(5, abs=0.07)


def test_covariance_is_symmetric_and_positive_definite():
    assert np.array_equal(CORRELATION, CORRELATION.T)
    assert np.diag(CORRELATION).tolist() == [1] * 5
    assert np.linalg.eigvalsh(CORRELATION).min() > 0.05
    pairs = {(0, 2), (0, 4), (1, 3), (2, 4)}
    assert {(i, j) for i in range(5) for j in range(i) if CORRELATION[i, j]} == {(j, i) for i, j in pairs}


def test_errors_vary_around_the_parametrisation(pulls):
    ratio = pulls[2] / resolution(pulls[0])
    assert np.ptp(ratio, axis=1) == pytest.approx(0, abs=1e-9)  # one factor a track
    assert np.std(np.log(ratio[:, 0])) == pytest.approx(0.15, abs=0.005)


def test_resolution_at_two_momenta():
    def at(pt, theta):
        return resolution(np.array([[0, 0, 0, theta, np.sin(theta) / pt]]))[0]

    assert at(1.0, np.pi / 2)[0] == pytest.approx(np.hypot(0.012, 0.075))
    assert at(1e4, np.pi / 2)[:2] == pytest.approx([0.012, 0.050], rel=1e-3)
    assert at(10.0, np.pi / 2)[4] * 10 == pytest.approx(np.hypot(0.010, 0.004))
    assert np.all(at(1.0, 0.3)[[0, 1, 2]] > at(1.0, np.pi / 2)[[0, 1, 2]])
    assert at(2.0, 0.7) == pytest.approx(at(2.0, np.pi - 0.7))


def test_azimuth_stays_on_its_branch(pulls):
    seam = np.tile([0.0, 0.0, np.pi - 1e-5, 1.5, 0.5], (500, 1))
    measured, _ = measure(seam, np.random.default_rng(1))
    for phi in (measured[:, 2], pulls[3][:, 2]):
        assert -np.pi <= phi.min() < -3.1
        assert 3.1 < phi.max() <= np.pi


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({}, True),
        ({0: MAX_D0 - 0.1}, True),
        ({0: -MAX_D0 - 0.1}, False),
        ({1: MAX_Z0_SIN_THETA + 0.1}, False),
        ({1: -MAX_Z0_SIN_THETA - 0.1, 3: 0.5, 4: 0.2}, True),
        ({4: -1.9}, True),
        ({4: 2.1}, False),
        ({3: 2 * np.arctan(np.exp(-2.49)), 4: 0.01}, True),
        ({3: 2 * np.arctan(np.exp(2.51)), 4: 0.01}, False),
    ],
)
def test_acceptance(changed, kept):
    track = np.array([[0.0, 0.0, 1.0, np.pi / 2, 1.0]])
    for place, value in changed.items():
        track[0, place] = value
    assert accepted(track).tolist() == [kept]


def test_efficiency_grows_with_pt_and_falls_with_the_radius():
    assert efficiency(np.array([0.5, 50.0]), np.zeros(2)) == pytest.approx([0.89, 0.97])
    assert efficiency(np.array([50.0]), np.array([MAX_RADIUS])) == pytest.approx([0.97 / 2])
