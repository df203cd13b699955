import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado.simulation.events import PROCESSES, Process, find_process, generator

WINDOW = (500.0, 700.0)


def hard_pt(particles, pdg_id):
    """Transverse momenta of the hard-process particles of a kind."""
    chosen = particles[(abs(particles.id) == pdg_id) & (particles.status == -22)]
    return ak.to_numpy(ak.flatten(np.hypot(chosen.p.px, chosen.p.py)))


def test_bosons_from_wprime_fill_the_window(pythia_events):
    pt = hard_pt(pythia_events("wprime"), 24)
    assert len(pt) == 40
    # the veto acts before initial-state radiation, whose recoil moves the boson
    assert np.mean((pt > 400) & (pt < 800)) > 0.9
    assert np.ptp(pt) > 150


def test_wprime_decays_to_quarks_and_neutrinos_only(pythia_events):
    particles = pythia_events("wprime")
    born = particles[particles.status == -23]
    mother = abs(particles.id[born.mother1])
    assert set(np.abs(ak.flatten(born.id[mother == 24]))) <= {1, 2, 3, 4, 5}
    assert set(np.abs(ak.flatten(born.id[mother == 23]))) <= {12, 14, 16}


def test_top_pairs_decay_hadronically(pythia_events):
    particles = pythia_events("top")
    assert ak.all(ak.num(particles[(abs(particles.id) == 6) & (particles.status == -22)]) == 2)
    born = particles[particles.status == -23]
    from_w = abs(particles.id[born.mother1]) == 24
    assert ak.all(ak.sum(from_w, axis=1) == 4)
    assert ak.max(abs(born.id[from_w])) <= 5


def test_the_seed_fixes_the_events(pythia_events):
    again = generator(PROCESSES["qcd"], WINDOW, seed=7, mpi=False)(3).prt
    other = generator(PROCESSES["qcd"], WINDOW, seed=8, mpi=False)(3).prt
    assert again.p.px.to_list() == pythia_events("qcd")[:3].p.px.to_list()
    assert again.p.px.to_list() != other.p.px.to_list()


def test_multi_parton_interactions_add_particles(pythia_events):
    with_mpi = generator(PROCESSES["qcd"], WINDOW, seed=7, mpi=True)(4).prt
    without = pythia_events("qcd")[:4]
    assert ak.sum(with_mpi.status > 0) > 1.5 * ak.sum(without.status > 0)


@pytest.mark.parametrize(("name", "hint"), [("wprim", "nearest: wprime"), ("higgs", "wprime, top, qcd")])
def test_unknown_process(name, hint):
    with pytest.raises(ValueError, match=f"process = '{name}'.*{hint}"):
        find_process(name)


def test_unknown_setting():
    process = Process(settings=lambda low, high: ("HardQCD:al = on",))
    with pytest.raises(RuntimeError, match=r"does not know the settings.*HardQCD:al"):
        generator(process, WINDOW, seed=1, mpi=False)


def test_pythia_that_cannot_start():
    process = Process(settings=lambda low, high: ())
    with pytest.raises(RuntimeError, match="failed to start for 500 < pT < 700 GeV"):
        generator(process, WINDOW, seed=1, mpi=False)
