"""Vertices of particles, against a twin that climbs the family tree one by one."""

import numpy as np
import pytest
from truth.families import family

from cortado.truth import production

TYPES = [0, 0, 0, 1, 1, 1, 1, 2, 4, 0, 0, 3, 0, 0]
VERTICES = [-1, -1, -1, 2, 2, 2, 2, 5, 7, -1, -1, 10, -1, -1]


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
        place = i
        while parent[place] >= 0 and np.linalg.norm(points[place] - points[parent[place]]) < 1e-3:
            place = parent[place]
        head = place
        while parent[head] >= 0 and (
            abs(pdg_id[parent[head]]) in (5, 21) or np.linalg.norm(points[head] - points[parent[head]]) < 1e-3
        ):
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
        found.append((decayed, kind, tuple(points[place])))
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


SMEARED = (0.01, -0.02, 3.0)
COLLISIONS = {
    # beams, hard process, its products, a B meson, and what it decays to in flight
    "lepton collider": ([11, -11, 23, 5, -5, 511, 421, 321, 13], [-1, -1, 0, 2, 2, 3, 5, 6, 5]),
    "copies of beams": ([11, 11, -11, 23, 5, 511, 421, 321, 13], [-1, 0, -1, 1, 3, 4, 5, 6, 5]),
    "both beams above both copies": ([11, -11, -11, 23, 5, 511, 421, 321, 13], [-1, -1, 0, 2, 3, 4, 5, 6, 5]),
    "hadron collider": ([2212, 2212, 21, 5, 2101, 511, 421, 321, 13], [-1, -1, 0, 2, 1, 3, 5, 6, 5]),
}


@pytest.mark.parametrize("first_moved", [2, 3, 4, 5])
@pytest.mark.parametrize("name", COLLISIONS)
def test_a_collision_that_was_moved_is_where_its_stable_products_are(name, first_moved):
    pdg_id, parent = (np.array(column) for column in COLLISIONS[name])
    points = np.zeros((9, 3))
    points[first_moved:] += SMEARED  # beams, and what the generator left behind, are at the origin
    points[6:] += (0.0, 4.0, 0.0)
    points[7] += (0.0, 0.0, 2.0)
    found = production(pdg_id, parent, points)
    assert found.vertex.tolist() == [-1, -1, -1, -1, -1, -1, 5, 6, 5]
    assert found.vertex_type.tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 1]
    assert found.position[5].tolist() == pytest.approx(SMEARED)
    assert found.position[6].tolist() == found.position[8].tolist() == pytest.approx((0.01, 3.98, 3.0))


@pytest.mark.parametrize("flyer", [15, 22, 211, 1000022, 9900012, 36, 13])
def test_what_flies_decays_in_flight(flyer):
    pdg_id, parent = np.array([2212, 21, flyer, 11]), np.array([-1, 0, 1, 2])
    points = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 5.0, 0]])
    found = production(pdg_id, parent, points)
    assert found.vertex.tolist() == [-1, -1, -1, 2]
    assert found.position[3].tolist() == [0, 5.0, 0]


def test_no_particles():
    nothing = np.zeros(0, dtype=np.int64)
    found = production(nothing, nothing, np.zeros((0, 3)))
    assert [len(column) for column in found] == [0, 0, 0]
