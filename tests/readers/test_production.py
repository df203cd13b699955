"""Vertices of particles and tracks, against twins that climb the family tree one by one."""

import awkward as ak
import numpy as np
import pytest

from cortado.readers.production import (
    Production,
    flavour,
    heaviest_quark,
    last_hadrons,
    numbered,
    production,
    vertices_of_tracks,
)

# index: (PDG code, parent, x of the production point [mm]); B+ -> D*- (-> D0 pi-) pi+, D0 -> K0S, K0S -> pi+
FAMILY = [
    (11, -1, 0.0),
    (5, 0, 0.0),
    (521, 1, 0.0),
    (-413, 2, 2.0),
    (211, 2, 2.0),
    (-421, 3, 2.0 + 1e-8),
    (-211, 3, 2.0 + 1e-8),
    (310, 5, 3.0),
    (211, 7, 90.0),
    (211, 1, 0.0),
    (411, 0, 0.0),
    (-13, 10, 0.5),
    (111, 0, 0.0),
    (11, 12, 1e-4),
]
TYPES = [0, 0, 0, 1, 1, 1, 1, 2, 4, 0, 0, 3, 0, 0]
VERTICES = [-1, -1, -1, 2, 2, 2, 2, 5, 7, -1, -1, 10, -1, -1]


def family():
    pdg_id, parent, x = (np.array(column) for column in zip(*FAMILY))
    return pdg_id, parent, np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)


def random_family(n=400, seed=3):
    """Particles with earlier parents, a third of them produced where their parent was."""
    rng = np.random.default_rng(seed)
    parent = np.array([rng.integers(-1, max(i, 1)) if i else -1 for i in range(n)])
    pdg_id = rng.choice([211, 521, 411, -413, 5, 310, 5122, 21], n)
    points = rng.normal(0, 10, (n, 3))
    for i in np.flatnonzero((rng.random(n) < 0.5) & (parent >= 0)):
        points[i] = points[parent[i]]
    return pdg_id, parent, points


def slow_production(pdg_id, parent, points):
    found = []
    for i in range(len(parent)):
        head = i
        while parent[head] >= 0 and np.linalg.norm(points[head] - points[parent[head]]) < 1e-3:
            head = parent[head]
        decayed = parent[head]
        ancestors, above = [], decayed
        while above >= 0:
            ancestors.append(abs(pdg_id[above]))
            above = parent[above]
        is_bottom = [code in (521, 5122) for code in ancestors]
        if decayed < 0:
            kind = 0
        elif is_bottom[0]:
            kind = 1
        elif ancestors[0] in (411, 413):
            kind = 2 if any(is_bottom) else 3
        else:
            kind = 4
        found.append((decayed, kind, tuple(points[head])))
    return [list(column) for column in zip(*found)]


def test_vertex_is_the_decay_in_flight():
    found = production(*family())
    assert found.vertex.tolist() == VERTICES
    assert found.vertex_type.tolist() == TYPES
    assert found.position[[6, 8, 13], 0].tolist() == [2.0, 90.0, 0.0]


@pytest.mark.parametrize("seed", range(3))
def test_vertices_are_those_of_the_twin(seed):
    vertex, kind, position = slow_production(*random_family(seed=seed))
    found = production(*random_family(seed=seed))
    assert found.vertex.tolist() == vertex
    assert found.vertex_type.tolist() == kind
    assert [tuple(point) for point in found.position] == position
    assert set(kind) == {0, 1, 2, 3, 4}


def test_particles_that_share_a_vertex_share_its_position():
    found = production(*family())
    for vertex in set(VERTICES):
        assert len(np.unique(found.position[found.vertex == vertex], axis=0)) == 1


def test_no_particles():
    nothing = np.zeros(0, dtype=np.int64)
    found = production(nothing, nothing, np.zeros((0, 3)))
    assert [len(column) for column in found] == [0, 0, 0]


def test_heaviest_quark_of_pdg_codes():
    codes = {521: 5, -511: 5, 5122: 5, 10523: 5, 553: 5, 541: 5, 411: 4, -4122: 4, 20433: 4, 310: 3, -3122: 3, 211: 2}
    none = {5: 0, 5503: 0, -11: 0, 22: 0, 1000050110: 0, 1000022: 0, 21: 0, 0: 0}
    for code, quark in (codes | none).items():
        assert heaviest_quark(np.array([code]))[0] == quark, code


def test_last_hadrons_are_those_that_decay_weakly():
    pdg_id, parent, _ = family()
    assert np.flatnonzero(last_hadrons(pdg_id, parent, 5)).tolist() == [2]
    assert np.flatnonzero(last_hadrons(pdg_id, parent, 4)).tolist() == [5, 10]


def test_flavour_is_that_of_the_heaviest_hadron_nearby():
    jets = ak.Array([[{"eta": 0.0, "phi": 3.1}, {"eta": 1.0, "phi": 0.0}, {"eta": -2.0, "phi": 0.0}], []])
    hadrons = ak.Array(
        [
            [
                {"eta": 0.1, "phi": -3.1, "quark": 4},
                {"eta": 0.0, "phi": 3.0, "quark": 5},
                {"eta": 1.2, "phi": 0.1, "quark": 4},
                {"eta": -2.0, "phi": 0.31, "quark": 5},
            ],
            [{"eta": 0.0, "phi": 0.0, "quark": 5}],
        ]
    )
    found = flavour(jets, hadrons)
    assert found.tolist() == [[5, 4, 0], []]
    assert found.type.content.content.primitive == "int32"
    assert flavour(jets, hadrons[:, :0]).tolist() == [[0, 0, 0], []]


def slow_numbers(owner, vertex):
    known, found = {}, []
    for jet, number in zip(owner.tolist(), vertex.tolist()):
        seen = known.setdefault(jet, {-1: 0})
        found.append(seen.setdefault(number, len(seen)))
    return found


def test_numbers_are_those_of_the_twin():
    rng = np.random.default_rng(4)
    owner = np.sort(rng.integers(0, 60, 500))
    vertex = rng.integers(-1, 5, 500)
    assert numbered(owner, vertex).tolist() == slow_numbers(owner, vertex)
    assert numbered(owner[:0], vertex[:0]).tolist() == []


def test_tracks_without_a_particle_are_each_alone():
    produced = Production(
        np.array([-1, 0, 0]), np.array([0, 1, 1], np.int32), np.array([[0.0, 0, 1], [2, 0, 0], [2, 0, 0]])
    )
    matched, counts = np.array([-1, 1, 0, 2, -1, 1]), np.array([5, 0, 1])
    truth, vertices = vertices_of_tracks(matched, counts, produced)
    assert truth["vertex_index"].tolist() == [1, 2, 0, 2, 3, 1]
    assert truth["vertex_type"].tolist() == [6, 1, 0, 1, 6, 1]
    assert vertices.vertex_index.tolist() == [[0, 2], [], [1]]
    assert vertices.vertex_type.tolist() == [[0, 1], [], [1]]
    assert vertices.x.tolist() == [[0, 2], [], [2]]
