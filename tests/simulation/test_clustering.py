import awkward as ak
import numpy as np
import pytest

pytest.importorskip("pythia8mc", reason="needs Pythia and FastJet (extra `sim`)", exc_type=ImportError)

import fastjet

from cortado import kinematics
from cortado.simulation.clustering import RADIUS, anti_kt, substructure
from cortado.simulation.detector import particle_flow


@pytest.fixture(scope="module")
def candidates(pythia_events):
    return particle_flow(pythia_events("qcd"), np.random.default_rng(2))


def four_momenta(particles):
    pt, eta, phi, mass = (ak.values_astype(particles[name], np.float64) for name in ("pt", "eta", "phi", "mass"))
    return (*kinematics.momentum(pt, eta, phi), kinematics.energy(pt, eta, mass))


def pseudojets(particles):
    components = (ak.to_list(component) for component in four_momenta(particles))
    return [fastjet.PseudoJet(*momentum) for momentum in zip(*components, strict=True)]


def test_jets_against_one_cluster_sequence_per_event(candidates):
    """Slow twin: FastJet's own classes, event by event."""
    jets = anti_kt(candidates)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    for particles, found in zip(candidates, jets, strict=True):
        inputs = pseudojets(particles)
        for index, pseudojet in enumerate(inputs):
            pseudojet.set_user_index(index)
        sequence = fastjet._swig.ClusterSequence(inputs, definition)
        expected = sorted(sequence.inclusive_jets(170.0), key=lambda jet: -jet.pt())
        assert found.pt.to_list() == pytest.approx([jet.pt() for jet in expected], rel=1e-6)
        assert found.mass.to_list() == pytest.approx([jet.m() for jet in expected], rel=1e-5)
        members = [{part.user_index() for part in jet.constituents()} for jet in expected]
        assert [set(indices) for indices in found.candidate.to_list()] == members


def test_the_constituents_sum_to_the_jet(candidates):
    jets = anti_kt(candidates)
    for particles, found in zip(candidates, jets, strict=True):
        for jet in found:
            px, py, _, _ = (np.sum(component) for component in four_momenta(particles[jet.candidate]))
            assert np.hypot(px, py) == pytest.approx(jet.pt, rel=1e-6)
            assert np.arctan2(py, px) == pytest.approx(jet.phi, abs=1e-6)


def test_events_without_candidates(candidates):
    assert ak.num(anti_kt(candidates[:3][:, :0])).to_list() == [0, 0, 0]


def to_rapidity_plane(particles):
    px, py, pz, energy = (ak.to_numpy(component) for component in four_momenta(particles))
    return np.hypot(px, py), 0.5 * np.log((energy + pz) / (energy - pz)), np.arctan2(py, px)


def slow_tau(particles, n):
    """N-subjettiness: axes from exclusive kT, then each axis moves to the weighted median of its own constituents."""
    if len(particles) <= n:
        return 0.0
    pt, rapidity, phi = to_rapidity_plane(particles)
    inputs = pseudojets(particles)
    sequence = fastjet._swig.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.kt_algorithm, 10.0))
    axes = np.array([[jet.rap(), jet.phi()] for jet in sequence.exclusive_jets(n)])
    for _ in range(300):
        turned = (phi[:, None] - axes[:, 1] + np.pi) % (2 * np.pi) - np.pi
        distance = np.maximum(np.hypot(rapidity[:, None] - axes[:, 0], turned), 1e-9)
        for k in range(n):
            own = distance.argmin(axis=1) == k
            weight = (pt / distance[:, k])[own] / np.sum((pt / distance[:, k])[own])
            axes[k] = np.sum(weight * rapidity[own]), axes[k, 1] + np.sum(weight * turned[own, k])
    return np.sum(pt * distance.min(axis=1)) / np.sum(pt * RADIUS)


def slow_soft_drop_mass(particles, z_cut=0.1):
    """Cambridge-Aachen by pairs, undone until the softer branch carries enough pT."""
    nodes = [(np.array(momentum), None) for momentum in zip(*map(ak.to_list, four_momenta(particles)), strict=True)]

    def pt(node):
        return np.hypot(*node[0][:2])

    def distance(a, b):
        (xa, ya, za, ea), (xb, yb, zb, eb) = a[0], b[0]
        rapidity = 0.5 * np.log((ea + za) / (ea - za)) - 0.5 * np.log((eb + zb) / (eb - zb))
        return np.hypot(rapidity, (np.arctan2(ya, xa) - np.arctan2(yb, xb) + np.pi) % (2 * np.pi) - np.pi)

    while len(nodes) > 1:
        pairs = [(distance(a, b), i, j) for i, a in enumerate(nodes) for j, b in enumerate(nodes[:i])]
        _, i, j = min(pairs)
        joined = (nodes[i][0] + nodes[j][0], (nodes[i], nodes[j]))
        nodes = [node for k, node in enumerate(nodes) if k not in (i, j)] + [joined]
    node = nodes[0]
    while node[1] is not None:
        hard, soft = sorted(node[1], key=pt, reverse=True)
        if pt(soft) / (pt(soft) + pt(hard)) > z_cut:
            break
        node = hard
    x, y, z, energy = node[0]
    return np.sqrt(max(energy**2 - x**2 - y**2 - z**2, 0))


@pytest.fixture(scope="module")
def constituents(candidates):
    """Of 10 jets, at most 30 each, the first jets cut down to 1, 2, 3 and 4 constituents."""
    leading = anti_kt(candidates).candidate[:10, 0]
    jets = candidates[:10][leading][:, :30]
    return ak.concatenate([*(jets[n : n + 1, : n + 1] for n in range(4)), jets[4:]])


def test_n_subjettiness_against_the_slow_twin(constituents):
    tau = substructure(constituents).tau
    assert tau.shape == (10, 4)
    for n in (1, 2, 3, 4):
        # FastJet stops moving the axes a little earlier
        assert tau[:, n - 1] == pytest.approx([slow_tau(jet, n) for jet in constituents], rel=0.03, abs=1e-6)
    assert np.all(tau[:, 1:] <= tau[:, :-1])


def test_soft_drop_against_the_slow_twin(constituents):
    assert substructure(constituents).soft_drop_mass == pytest.approx(
        [slow_soft_drop_mass(jet) for jet in constituents], rel=1e-5, abs=1e-3
    )
