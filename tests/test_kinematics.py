import math

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given
from hypothesis import strategies as st

from cortado import kinematics

ANGLES = st.floats(-50, 50)


@given(ANGLES)
def test_wrapped_angles_lie_on_the_branch_and_point_the_same_way(phi):
    wrapped = kinematics.wrap_phi(phi)
    assert -math.pi - 1e-12 <= wrapped < math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(phi), abs=1e-12)
    assert math.sin(wrapped) == pytest.approx(math.sin(phi), abs=1e-12)


@given(st.floats(-3.14, 3.14))
def test_angles_on_the_branch_keep_every_bit(phi):
    assert kinematics.wrap_phi(phi) == phi
    assert kinematics.wrap_phi(np.float32(phi)) == np.float32(phi)


def test_pi_belongs_to_minus_pi():
    assert kinematics.wrap_phi(np.array([np.pi, -np.pi])).tolist() == [-np.pi, -np.pi]


@given(ANGLES, ANGLES)
def test_delta_phi_is_the_shorter_way(phi1, phi2):
    shortest = min(abs(phi1 - phi2 + 2 * math.pi * turns) for turns in range(-20, 21))
    assert abs(kinematics.delta_phi(phi1, phi2)) == pytest.approx(shortest, abs=1e-12)


def test_delta_phi_across_the_seam_has_a_sign():
    assert kinematics.delta_phi(3.1, -3.1) == pytest.approx(6.2 - 2 * math.pi)
    assert kinematics.delta_phi(-3.1, 3.1) == pytest.approx(2 * math.pi - 6.2)


def test_delta_r_across_the_seam():
    assert kinematics.delta_r(0.3, 3.1, 0.0, -3.1) == pytest.approx(math.hypot(0.3, 2 * math.pi - 6.2))


def test_momenta_agree_with_vector():
    rng = np.random.default_rng(0)
    pt, eta, phi, mass = rng.uniform(1, 900, 50), rng.normal(0, 2, 50), rng.uniform(-3, 3, 50), rng.uniform(0, 200, 50)
    reference = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": mass})
    energy = kinematics.energy(pt, eta, mass)
    px, py, pz = kinematics.momentum(pt, eta, phi)
    np.testing.assert_allclose(energy, reference.energy)
    np.testing.assert_allclose([px, py, pz], [reference.px, reference.py, reference.pz])
    np.testing.assert_allclose(kinematics.mass_of(energy, px, py, pz), mass, atol=1e-3)


def test_space_like_momenta_have_no_mass():
    assert kinematics.mass_of(1.0, 1.0 + 1e-9, 0.0, 0.0) == 0


def test_awkward_arrays_keep_their_structure():
    phi = ak.Array([[3.0, -3.0], [], [7.0]])
    assert kinematics.delta_phi(phi, 3.0).tolist() == [
        [0.0, pytest.approx(2 * math.pi - 6)],
        [],
        [pytest.approx(4 - 2 * math.pi)],
    ]
    assert kinematics.energy(ak.Array([[3.0], []]), 0.0, 4.0).tolist() == [[5.0], []]
    assert kinematics.mass_of(ak.Array([[5.0], []]), 3.0, 0.0, 0.0).tolist() == [[4.0], []]


def test_precision_of_the_input_is_kept():
    assert kinematics.wrap_phi(np.zeros(3, np.float32)).dtype == np.float32
