import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation.history import FAKE, PILEUP
from cortado.simulation.pileup import Library, fakes, minimum_bias, overlay
from cortado.simulation.tracks import MAX_Z0_SIN_THETA


@pytest.fixture(scope="module")
def library():
    return minimum_bias(60, seed=5, beam_energy=14_000.0)


def test_minimum_bias_has_the_measured_number_of_tracks(library):
    pt, eta = np.hypot(library.px, library.py), np.arcsinh(library.pz / np.hypot(library.px, library.py))
    assert len(library.start) == 61
    assert library.start[-1] == len(pt)
    assert set(library.charge.tolist()) == {-1, 1}
    # ATLAS at 13 TeV, arXiv:1602.01633: 2.9 charged particles a unit of eta above 0.5 GeV
    assert np.sum((pt > 0.5) & (np.abs(eta) < 2.5)) / 60 / 5 == pytest.approx(2.9, abs=0.7)


def test_overlay(library):
    helices, vertices = overlay(library, 300, 10.0, np.random.default_rng(1))
    assert len(vertices.z) == pytest.approx(3000, abs=200)
    assert np.std(vertices.z) == pytest.approx(50, abs=3)
    assert set(vertices.type.tolist()) == {PILEUP}
    d0, z0, phi, theta, _ = helices.parameters.T
    assert d0 == pytest.approx(0, abs=1e-9)
    assert z0 == pytest.approx(vertices.z[helices.vertex], abs=1e-9)
    assert np.max(np.abs(z0) * np.sin(theta)) < MAX_Z0_SIN_THETA + 2
    assert np.histogram(phi, 8, (-np.pi, np.pi))[0] == pytest.approx(len(phi) / 8, rel=0.15)
    assert np.all(np.diff(helices.event) >= 0)
    assert np.all(np.diff(helices.event)[np.diff(helices.vertex) == 0] == 0)


def test_tracks_of_a_library_event_keep_their_momenta_and_angles():
    library = Library(np.array([0, 2]), np.array([1, -1]), np.array([50.0, 0.0]), np.array([0.0, 40.0]), np.zeros(2))
    helices, vertices = overlay(library, 200, 0.5, np.random.default_rng(2))
    both = np.flatnonzero(np.diff(helices.vertex) == 0)
    turned = helices.parameters[both + 1, 2] - helices.parameters[both, 2]
    assert len(both) > 10
    assert np.cos(turned) == pytest.approx(0, abs=1e-6)
    assert np.sin(turned) == pytest.approx(1)
    assert set(np.round(helices.parameters[:, 4], 6)) == {0.02, -0.025}
    assert len(vertices.z) == pytest.approx(100, abs=40)


def test_fakes():
    n = 5000
    event, eta, phi = np.arange(n), np.linspace(-2, 2, n), np.linspace(-3, 3, n)
    helices, vertices = fakes(event, eta, phi, 0.4, np.random.default_rng(3))
    assert len(helices.event) == len(vertices.x) == pytest.approx(0.1 * n, rel=0.2)
    assert helices.vertex.tolist() == list(range(len(vertices.x)))
    assert set(vertices.type.tolist()) == {FAKE}
    assert np.all(np.isnan([vertices.x, vertices.y, vertices.z]))
    _, z0, azimuth, theta, q_over_p = helices.parameters.T
    far = np.hypot(np.arcsinh(1 / np.tan(theta)) - eta[helices.event], azimuth - phi[helices.event])
    assert np.max(far) < 0.4
    assert np.mean(far < 0.2) == pytest.approx(0.25, abs=0.07)
    assert np.all(np.sin(theta) / np.abs(q_over_p) > 0.5)
    assert np.max(np.abs(z0) * np.sin(theta)) < MAX_Z0_SIN_THETA
