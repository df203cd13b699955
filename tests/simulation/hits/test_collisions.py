import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia (extra `sim`)")

from cortado.simulation.hits import collisions
from cortado.simulation.hits.collisions import pythia_particles
from cortado.simulation.hits.particles import MAX_ETA, MIN_PT


@pytest.fixture(scope="module")
def particles():
    return pythia_particles(4, 4.0, np.random.default_rng(1), seed=11)


def test_acceptance_and_charge(particles):
    px, py, pz = particles.momentum.T
    pt = np.hypot(px, py)
    assert pt.min() > MIN_PT
    assert np.abs(np.arcsinh(pz / pt)).max() < MAX_ETA
    assert set(particles.charge.tolist()) == {-1, 1}
    kinds = set(np.abs(particles.pdg_id).tolist())
    assert {211, 321, 2212} < kinds <= {11, 13, 211, 321, 2212, 3112, 3222, 3312, 3334}
    assert particles.mass[np.abs(particles.pdg_id) == 321] == pytest.approx(0.4937, abs=1e-3)


def test_numbers(particles):
    assert np.array_equal(np.unique(particles.event), np.arange(4))
    for event in range(4):
        names = particles.particle_id[particles.event == event]
        assert names.tolist() == list(range(1, len(names) + 1))
    assert 100 < len(particles.event) / 4 < 900


def test_collisions_have_the_beam_spot_and_decays_their_flight(particles):
    first = np.sort(particles.origin[particles.event == 0, 2])
    assert first[-1] - first[0] > 10
    across = np.hypot(*particles.origin[:, :2].T)
    assert np.median(across) < 0.05
    assert across.max() > 0.3  # of b and c hadrons


def test_the_same_seeds_make_the_same_particles(particles):
    again = pythia_particles(4, 4.0, np.random.default_rng(1), seed=11)
    for one, other in zip(particles, again, strict=True):
        assert np.array_equal(one, other)


def test_pythia_that_gives_up_is_not_waited_for(monkeypatch):
    class Nothing:
        prt = ()

    monkeypatch.setattr(collisions, "start", lambda *_, **__: lambda n: Nothing())
    with pytest.raises(RuntimeError, match="Pythia made 0 of 3 collisions and no more"):
        pythia_particles(3, 0.0, np.random.default_rng(1), seed=11)
