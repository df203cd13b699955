"""Jets of stable particles: against loops, and what the detector makes of them."""

import math

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

import fastjet

from cortado import metrics
from cortado.simulation.gen_jets import gen_jets, matched

NEUTRINOS = (12, 14, 16)


def slow_jets(event):
    """Jets of one event by FastJet's own classes, hardest first."""
    seen = [p for p in event.tolist() if p["status"] > 0 and abs(p["id"]) not in NEUTRINOS]
    particles = [fastjet.PseudoJet(*(p["p"][axis] for axis in ("px", "py", "pz", "e"))) for p in seen]
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.8)
    sequence = fastjet.ClusterSequence(particles, definition)
    clustered = fastjet.sorted_by_pt(sequence.inclusive_jets(100.0))
    return [(jet.pt(), jet.eta(), math.remainder(jet.phi(), 2 * math.pi), jet.m()) for jet in clustered]


def slow_match(jets, gen_jets):
    """The nearest pair first, then the nearest of those that are left, within dR 0.4."""
    pairs = [
        (math.hypot(jet["eta"] - gen["eta"], math.remainder(jet["phi"] - gen["phi"], 2 * math.pi)), j, g)
        for j, jet in enumerate(jets)
        for g, gen in enumerate(gen_jets)
    ]
    index, taken = [-1] * len(jets), set()
    for distance, j, g in sorted(pairs):
        if distance < 0.4 and index[j] == -1 and g not in taken:
            index[j] = g
            taken.add(g)
    return index


def directions(*events):
    """Jets that have nothing but a direction, shape (n_events, var)."""
    counts = [len(event) for event in events]
    eta, phi = np.array([direction for event in events for direction in event], float).reshape(-1, 2).T
    return ak.unflatten(ak.zip({"eta": eta, "phi": phi}), counts)


def test_jets_are_those_of_the_visible_stable_particles(pythia_events):
    particles = pythia_events("wprime")
    clustered = gen_jets(particles)
    for event, jets in zip(particles, clustered):
        expected = slow_jets(event)
        assert len(jets) == len(expected)
        for jet, (pt, eta, phi, mass) in zip(jets.tolist(), expected):
            assert (jet["pt"], jet["eta"]) == pytest.approx((pt, eta), rel=1e-5, abs=1e-5)
            assert math.remainder(jet["phi"] - phi, 2 * math.pi) == pytest.approx(0, abs=1e-5)
            assert jet["mass"] == pytest.approx(mass, rel=1e-3)
    assert ak.sum(ak.num(clustered)) > len(particles) / 2


def test_a_particle_along_the_beam_and_an_event_without_any():
    axes = ("px", "py", "pz", "e")
    forward = {"id": 22, "status": 1, "p": dict(zip(axes, (0, 0, 6500.0, 6500.0))), "vProd": dict.fromkeys(axes, 0.0)}
    central = forward | {"p": dict(zip(axes, (300.0, 0, 0, 300.0)))}
    clustered = gen_jets(ak.Array([[forward, central, central | {"id": 14}], []]))
    assert clustered.pt.tolist() == [[300.0], []]
    assert clustered.fields == ["pt", "eta", "phi", "mass"]


def test_matches_are_the_nearest_pairs():
    jets = directions([(0.0, 3.1), (1.0, 0.0), (-1.0, 0.0)], [], [(0.0, 0.0)], [(0.0, 0.0), (0.3, 0.0)], [])
    made = directions([(1.1, 0.0), (0.0, -3.1), (-1.0, 0.5)], [(0.0, 0.0)], [], [(0.2, 0.0)], [])
    index = matched(jets, made)
    assert index.tolist() == [[1, 0, -1], [], [-1], [-1, 0], []]
    assert ak.to_numpy(ak.flatten(index)).dtype == np.int16


@pytest.mark.parametrize("process", ["wprime", "qcd", "top"])
def test_stored_matches_against_loops(samples, process):
    sample = samples(process)
    jets, made = sample.collection("FatJet"), sample.collection("GenJetAK8")
    for event, others in zip(jets, made):
        assert event.genJetAK8Idx.tolist() == slow_match(event.tolist(), others.tolist())
    assert ak.all(made.pt[:, :-1] >= made.pt[:, 1:])
    assert ak.min(made.pt) > 100


@pytest.mark.parametrize("process", ["wprime", "qcd"])
def test_the_detector_loses_little_and_smears_a_little(samples, process):
    """Tracks measure most of a jet well: what calorimeters smear is 2 % of its pT; more of its mass."""
    sample = samples(process)
    jets, made = sample.collection("FatJet"), sample.collection("GenJetAK8")
    has_match = jets.genJetAK8Idx >= 0
    hard = jets.pt > 450
    assert ak.mean(has_match[hard]) > 0.97
    chosen = jets[has_match & hard]
    true_jets = made[chosen.genJetAK8Idx]
    bias, resolution = metrics.residuals(ak.flatten(chosen.pt / true_jets.pt) - 1)
    assert abs(bias.value) < 0.01
    assert resolution.value == pytest.approx(0.019, abs=0.006)
    heavy = true_jets.mass > 50
    bias, resolution = metrics.residuals(ak.flatten((chosen.mass / true_jets.mass)[heavy]) - 1)
    assert -0.1 < bias.value < 0.01
    assert 0.02 < resolution.value < 0.12
