import math

import awkward as ak
import numpy as np
import pytest
from toys import toy_jets

from cortado.representations.constituents import flat
from cortado.representations.subjets import hardest_two, kt_subjets, subjet_pt

FIELDS = tuple(f"constituents.{name}" for name in ("pt", "eta", "phi", "mass"))
JETS = toy_jets(40, seed=8, max_constituents=35)


def groups(labels):
    """Partition that the labels stand for: a set of sets of positions."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def four_momenta(jet):
    return [
        (
            c["pt"] * math.cos(c["phi"]),
            c["pt"] * math.sin(c["phi"]),
            c["pt"] * math.sinh(c["eta"]),
            math.hypot(c["pt"] * math.cosh(c["eta"]), c["mass"]),
        )
        for c in sorted(jet, key=lambda c: -c["pt"])
    ]


def slow_kt(momenta, radius):
    """Inclusive kT, pair by pair."""

    def rapidity(p):
        return 0.5 * math.log((p[3] + p[2]) / (p[3] - p[2]))

    def distance(p, q):
        delta_phi = math.remainder(math.atan2(p[1], p[0]) - math.atan2(q[1], q[0]), 2 * math.pi)
        apart = (rapidity(p) - rapidity(q)) ** 2 + delta_phi**2
        return min(p[0] ** 2 + p[1] ** 2, q[0] ** 2 + q[1] ** 2) * apart / radius**2

    clusters, final = [({i}, p) for i, p in enumerate(momenta)], set()
    while clusters:
        steps = [(p[0] ** 2 + p[1] ** 2, i, i) for i, (_, p) in enumerate(clusters)]
        steps += [(distance(clusters[i][1], clusters[j][1]), i, j) for i in range(len(clusters)) for j in range(i)]
        _, i, j = min(steps)
        if i == j:
            final.add(frozenset(clusters.pop(i)[0]))
        else:
            (members, p), (others, q) = clusters.pop(i), clusters.pop(j)
            clusters.append((members | others, tuple(a + b for a, b in zip(p, q))))
    return final


@pytest.mark.parametrize("radius", [0.05, 0.2, 3.0])
def test_slow_twin(radius):
    constituents = flat(JETS, FIELDS, caller="test")
    subjets = kt_subjets(constituents, radius)
    for index, jet in enumerate(JETS.constituents.tolist()):
        assert groups(subjets[constituents.owner == index]) == slow_kt(four_momenta(jet), radius)


def test_fastjet_finds_the_same_subjets():
    fastjet = pytest.importorskip("fastjet", reason="needs the extra [sim]")
    jets = toy_jets(100, seed=3, max_constituents=60)
    constituents = flat(jets, FIELDS, caller="test")
    subjets = kt_subjets(constituents, 0.2)
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 0.2)
    for index, jet in enumerate(jets.constituents.tolist()):
        particles = [fastjet.PseudoJet(*momentum) for momentum in four_momenta(jet)]
        for position, particle in enumerate(particles):
            particle.set_user_index(position)
        sequence = fastjet.ClusterSequence(particles, definition)
        expected = {frozenset(c.user_index() for c in jet.constituents()) for jet in sequence.inclusive_jets()}
        assert groups(subjets[constituents.owner == index]) == expected


def test_labels_point_into_their_own_jet():
    constituents = flat(JETS, FIELDS, caller="test")
    subjets = kt_subjets(constituents, 0.2)
    assert (constituents.owner[subjets] == constituents.owner).all()
    assert (subjets[subjets] == subjets).all()


def test_one_big_subjet_has_the_momentum_of_the_jet():
    constituents = flat(JETS, FIELDS, caller="test")
    pt = subjet_pt(constituents, kt_subjets(constituents, 5.0))
    np.testing.assert_allclose(pt, JETS.pt.to_numpy()[constituents.owner], rtol=1e-5)


def test_hardest_two():
    prongs = {
        "pt": [50.0, 30.0, 40.0, 5.0],
        "eta": [0.0, 0.6, 0.65, -0.6],
        "phi": [3.1, -3.1, -3.1, 3.1],
        "mass": [0.0] * 4,
    }
    single = {name: column[:1] for name, column in prongs.items()}
    constituents = flat(ak.Array([{"constituents": ak.zip(p)} for p in (prongs, single)]), FIELDS, caller="test")
    first, second = hardest_two(constituents, kt_subjets(constituents, 0.3))
    assert constituents.own("pt").tolist() == [50, 40, 30, 5, 50]
    assert first.tolist() == [False, True, True, False, True]
    assert second.tolist() == [True, False, False, False, False]
