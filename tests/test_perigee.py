"""Helices: the Lorentz force, numerical derivatives, and the straight line as a limit."""

import numpy as np
import pytest
from reconstruction.helix_toys import toy_directions

from cortado.kinematics import wrap_phi
from cortado.perigee import curvature, linearised, momentum, perigee, phi_near, point


@pytest.fixture
def states():
    """Points up to some cm from the axis, and momenta there."""
    rng = np.random.default_rng(1)
    return rng.normal(0, 30, (200, 3)), toy_directions(rng, 200)


def stepped(position, direction, path, magnetic_field, steps=4000):
    """Slow twin: point and momentum after small straight steps, turned by the Lorentz force at each half step."""
    position, (phi, theta, q_over_p) = np.array(position), direction
    unit = np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    step = path / np.sin(theta) / steps
    for _ in range(steps):
        turn = 0.299792458e-3 * q_over_p * np.cross(unit, [0, 0, magnetic_field]) * step
        halfway = unit + turn / 2
        position += halfway / np.linalg.norm(halfway) * step
        unit = unit + 0.299792458e-3 * q_over_p * np.cross(halfway, [0, 0, magnetic_field]) * step
        unit /= np.linalg.norm(unit)
    return position, unit / abs(q_over_p)


@pytest.mark.parametrize("magnetic_field", [2.0, -3.8])
@pytest.mark.parametrize("charge", [1, -1])
def test_helices_obey_the_lorentz_force(magnetic_field, charge):
    parameters = np.array([0.3, -2.0, 2.9, 0.8, charge / 1.5])
    start, direction = point(parameters, np.array(0.0), magnetic_field), parameters[2:]
    end, vector = stepped(start, direction, 300.0, magnetic_field)
    assert point(parameters, np.array(300.0), magnetic_field) == pytest.approx(end, abs=1e-4)
    assert momentum(parameters, np.array(300.0), magnetic_field) == pytest.approx(vector, abs=1e-6)


def test_a_positive_charge_turns_to_smaller_phi():
    early, late = momentum(np.tile([0, 0, 0, 1.2, 1.0], (2, 1)), np.array([0.0, 100.0]), 2.0)
    assert early[1] == pytest.approx(0)
    assert late[1] < 0


def test_the_perigee_is_nearest_to_the_axis_and_perpendicular_to_the_momentum(states):
    parameters = perigee(*states, 2.0)
    at = point(parameters, np.zeros(200), 2.0)
    assert np.allclose(at[:, 0], -parameters[:, 0] * np.sin(parameters[:, 2]))
    assert np.allclose(at[:, 1], parameters[:, 0] * np.cos(parameters[:, 2]))
    around = np.hypot(*np.moveaxis(point(parameters, np.full(200, 0.1), 2.0), -1, 0)[:2])
    assert (around > np.hypot(at[:, 0], at[:, 1])).all()


def test_the_helix_of_a_perigee_passes_through_the_point_it_was_made_from(states):
    position, direction = states
    parameters = perigee(position, direction, 2.0)
    path = wrap_phi(parameters[:, 2] - direction[:, 0]) / curvature(direction[:, 1], direction[:, 2], 2.0)
    assert point(parameters, path, 2.0) == pytest.approx(position, abs=1e-9)
    unit = momentum(parameters, path, 2.0) * np.abs(direction[:, 2:])
    assert np.arctan2(unit[:, 1], unit[:, 0]) == pytest.approx(wrap_phi(direction[:, 0]))
    assert wrap_phi(phi_near(parameters, position, 2.0) - direction[:, 0]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("bending", [1.0, 1e-7, 0.0])
def test_derivatives_are_those_of_differences(states, bending):
    position, direction = states
    direction = direction * [1, 1, bending]
    found = linearised(position, direction, 2.0)
    derivatives = np.concatenate([found.position, found.momentum], axis=-1)
    state, step = np.concatenate([position, direction], axis=-1), 1e-5
    for index in range(6):
        shift = step * np.eye(6)[index]
        above, below = (perigee(s[:, :3], s[:, 3:], 2.0) for s in (state + shift, state - shift))
        assert derivatives[:, :, index] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-5)


def test_a_neutral_track_is_a_straight_line_and_the_limit_of_curved_ones(states):
    position, direction = states
    straight = direction * [1, 1, 0]
    parameters = perigee(position, straight, 2.0)
    phi, theta = direction[:, 0], direction[:, 1]
    d0, z0 = parameters[:, 0], parameters[:, 1]
    assert d0 == pytest.approx(position[:, 1] * np.cos(phi) - position[:, 0] * np.sin(phi))
    along = position[:, 0] * np.cos(phi) + position[:, 1] * np.sin(phi)
    assert z0 == pytest.approx(position[:, 2] - along / np.tan(theta))
    almost = perigee(position, direction * [1, 1, 1e-9], 2.0)
    assert almost[:, :4] == pytest.approx(parameters[:, :4], abs=1e-6)
    assert perigee(position, direction, 0.0)[:, :4] == pytest.approx(parameters[:, :4])


def test_turning_a_track_turns_its_perigee_across_the_seam(states):
    position, direction = states
    sine, cosine = np.sin(2.5), np.cos(2.5)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    turned = perigee(position @ turn.T, direction + np.array([2.5, 0, 0]), 2.0)
    turned[:, 2] -= 2.5
    difference = turned - perigee(position, direction, 2.0)
    difference[:, 2] = wrap_phi(difference[:, 2])
    assert difference == pytest.approx(0, abs=1e-9)
