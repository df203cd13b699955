"""Vertices of the tracks of jets."""

import numpy as np

from cortado.truth import Production, numbered, vertices_of_tracks


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
