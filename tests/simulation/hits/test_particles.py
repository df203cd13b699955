import numpy as np
import pytest

from cortado.simulation.hits.particles import MAX_ETA, MIN_PT, simple_particles


@pytest.fixture(scope="module")
def particles():
    return simple_particles(200, 20.0, np.random.default_rng(1))


def test_numbers_follow_from_pileup(particles):
    per_event = np.bincount(particles.event, minlength=200)
    assert per_event.mean() == pytest.approx(6 * 14 + 20 * 6 * 6, rel=0.05)
    collisions = [len(np.unique(particles.origin[particles.event == event, 2])) for event in range(200)]
    assert np.mean(collisions) == pytest.approx(21, abs=4 * np.sqrt(20 / 200))
    assert np.var(collisions) == pytest.approx(20, rel=0.5)


def test_spectrum(particles):
    px, py, pz = particles.momentum.T
    pt = np.hypot(px, py)
    eta, phi = np.arcsinh(pz / pt), np.arctan2(py, px)
    assert pt.min() >= MIN_PT
    assert np.histogram(pt, [0.3, 0.6, 1.2, 2.4, 4.8, 9.6])[0].tolist() == sorted(
        np.histogram(pt, [0.3, 0.6, 1.2, 2.4, 4.8, 9.6])[0].tolist(), reverse=True
    )
    assert np.abs(eta).max() < MAX_ETA
    for flat, width in ((eta, 2 * MAX_ETA), (phi, 2 * np.pi)):
        assert np.std(flat) == pytest.approx(width / np.sqrt(12), rel=0.01)
    assert particles.charge.mean() == pytest.approx(0, abs=0.02)
    assert np.array_equal(particles.pdg_id, 211 * particles.charge)


def test_beam_spot(particles):
    assert np.std(particles.origin[:, 2]) == pytest.approx(55, rel=0.05)
    assert np.std(particles.origin[:, :2]) == pytest.approx(0.0125, rel=0.05)


def test_names_are_counted_in_each_event(particles):
    for event in (0, 7, 199):
        names = particles.particle_id[particles.event == event]
        assert names.tolist() == list(range(1, len(names) + 1))


def test_without_pileup_there_is_the_hard_collision():
    alone = simple_particles(300, 0.0, np.random.default_rng(1))
    assert np.bincount(alone.event, minlength=300).mean() == pytest.approx(84, rel=0.03)
    assert np.hypot(*alone.momentum[:, :2].T).mean() > 2
