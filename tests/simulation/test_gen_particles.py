import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

from cortado import kinematics
from cortado.simulation.clustering import anti_kt
from cortado.simulation.detector import particle_flow
from cortado.simulation.gen_particles import (
    IS_FIRST_COPY,
    IS_HARD_PROCESS,
    IS_LAST_COPY,
    hard_process,
    holds_decay,
)


@pytest.mark.parametrize("process", ["wprime", "top", "qcd"])
def test_the_history_against_a_walk_through_pythias_record(pythia_events, process):
    """Slow twin: climb from particle to particle until a stored one is met."""
    particles = pythia_events(process)[:10]
    for record, stored in zip(particles, hard_process(particles), strict=True):
        pdg_id, status, mother = record.id.to_list(), record.status.to_list(), record.mother1.to_list()
        has_copy = {mother[i] for i in range(1, len(pdg_id)) if pdg_id[i] == pdg_id[mother[i]]}
        kept = [
            i
            for i in range(1, len(pdg_id))
            if 20 < abs(status[i]) < 30 or (abs(pdg_id[i]) in (6, 23, 24, 34) and i not in has_copy)
        ]
        assert stored.pdgId.to_list() == [pdg_id[i] for i in kept]
        assert stored.status.to_list() == [abs(status[i]) for i in kept]
        for position, i in enumerate(kept):
            ancestor = mother[i]
            while ancestor != 0 and ancestor not in kept:
                ancestor = mother[ancestor]
            assert stored.genPartIdxMother[position] == (kept.index(ancestor) if ancestor else -1)
            flags = stored.statusFlags[position]
            assert bool(flags & IS_LAST_COPY) == (i not in has_copy)
            assert bool(flags & IS_FIRST_COPY) == (mother[i] == 0 or pdg_id[mother[i]] != pdg_id[i])
            assert bool(flags & IS_HARD_PROCESS) == (20 < abs(status[i]) < 30)


@pytest.mark.parametrize(("process", "bosons"), [("wprime", 1), ("top", 2)])
def test_quarks_point_at_the_last_copy_of_their_w(pythia_events, process, bosons):
    gen = hard_process(pythia_events(process))
    assert ak.all(gen.genPartIdxMother >= -1)
    assert ak.all(gen.genPartIdxMother < ak.local_index(gen.pt))
    last = (abs(gen.pdgId) == 24) & (gen.statusFlags & IS_LAST_COPY > 0)
    assert ak.all(ak.sum(last, axis=1) == bosons)
    has_mother = gen.genPartIdxMother >= 0
    mother = gen[has_mother].genPartIdxMother
    from_w = last[mother] & (abs(gen[has_mother].pdgId) <= 5)
    quarks, parents = gen[has_mother][from_w], gen[mother][from_w]
    assert ak.all(ak.num(quarks) == 2 * bosons)
    px = ak.sum(kinematics.momentum(quarks.pt, quarks.eta, quarks.phi)[0], axis=1)
    expected = ak.sum(kinematics.momentum(parents.pt, parents.eta, parents.phi)[0], axis=1) / 2
    assert ak.to_numpy(px) == pytest.approx(ak.to_numpy(expected), abs=1e-2)


def test_top_quarks_decay_to_w_and_b(pythia_events):
    gen = hard_process(pythia_events("top"))
    has_mother = gen.genPartIdxMother >= 0
    from_top = abs(gen[gen[has_mother].genPartIdxMother].pdgId) == 6
    daughters = abs(gen[has_mother][from_top].pdgId)
    assert ak.all(ak.sum(daughters == 24, axis=1) == 2)
    assert ak.all(ak.sum(daughters <= 5, axis=1) == 2)


@pytest.mark.parametrize(("process", "parents", "quarks"), [("wprime", (24,), 2), ("top", (6, 24), 3)])
def test_matching_against_loops(pythia_events, process, parents, quarks):
    particles = pythia_events(process)
    gen = hard_process(particles)
    jets = anti_kt(particle_flow(particles, np.random.default_rng(4)))
    held = holds_decay(jets, gen, parents, quarks)
    assert 0 < ak.sum(held) < ak.sum(ak.num(jets))
    for event_gen, event_jets, event_held in zip(gen.to_list(), jets.to_list(), held.to_list(), strict=True):
        for jet, found in zip(event_jets, event_held, strict=True):
            inside = {+1: 0, -1: 0}
            for particle in event_gen:
                mother = event_gen[particle["genPartIdxMother"]]["pdgId"] if particle["genPartIdxMother"] >= 0 else 0
                if abs(particle["pdgId"]) <= 5 and abs(mother) in parents:
                    near = kinematics.delta_r(jet["eta"], jet["phi"], particle["eta"], particle["phi"]) < 0.8
                    inside[np.sign(mother)] += near
            assert found == (quarks in inside.values())
