"""Hits of true particles, in the order in which they were left."""

import awkward as ak
import numpy as np
import pytest

from cortado.truth import trajectories, with_hits

SPECIAL = 2**62 + 1
"""Beyond what floating-point numbers hold exactly."""


def toy(events=6, seed=1, *, known=("vx", "vy", "vz", "px", "py", "pz")):
    """Events of 0, 1, 2, ... particles with up to five hits, and noise; hits in no order."""
    source = np.random.default_rng(seed)
    particles, hits = [], []
    for number in range(events):
        ids = SPECIAL + source.permutation(50)[:number]
        particles.append([{"particle_id": int(i)} | {name: source.normal() for name in known} for i in ids])
        owners = np.concatenate([np.repeat(ids, source.integers(0, 6, number)), np.zeros(number, np.int64)])
        hits.append(
            [
                {"particle_id": int(owner), "layer": int(source.integers(5)), **dict(zip("xyz", source.normal(size=3)))}
                for owner in source.permutation(owners)
            ]
        )
    return ak.Array(particles), ak.Array(hits)


def slowly(particles, hits):
    """The obvious twin."""
    events = []
    for own_particles, own_hits in zip(particles.tolist(), hits.tolist()):
        events.append([])
        for particle in own_particles:
            mine = [hit for hit in own_hits if hit["particle_id"] == particle["particle_id"]]
            if "vx" in particle:
                mine.sort(key=lambda hit: sum((hit[axis] - particle[f"v{axis}"]) ** 2 for axis in "xyz"))
            elif "px" in particle:
                mine.sort(key=lambda hit: sum(hit[axis] * particle[f"p{axis}"] for axis in "xyz"))
            else:
                mine.sort(key=lambda hit: sum(hit[axis] ** 2 for axis in "xyz"))
            kept = [{name: value for name, value in hit.items() if name != "particle_id"} for hit in mine]
            events[-1].append(particle | {"n_hits": len(kept), "hits": kept})
    return events


@pytest.mark.parametrize("known", [("vx", "vy", "vz", "px", "py", "pz"), ("px", "py", "pz"), ()], ids=len)
def test_hits_are_those_of_the_slow_twin(known):
    particles, hits = toy(known=known)
    joined = with_hits(particles, hits)
    assert joined.tolist() == slowly(particles, hits)
    assert ak.type(joined.particle_id).content.content.primitive == "int64"


def test_order_of_hits_and_particles_does_not_matter():
    particles, hits = toy(events=4, seed=2)
    joined = with_hits(particles, hits)
    assert with_hits(particles, hits[:, ::-1]).tolist() == joined.tolist()
    assert with_hits(particles[:, ::-1], hits).tolist() == joined[:, ::-1].tolist()


def test_hits_at_equal_distance_stay_in_their_order():
    hits = ak.Array([[{"particle_id": 5, "x": x, "y": 0.0, "z": 0.0} for x in (2.0, -1.0, 1.0, -2.0)]])
    joined = with_hits(ak.Array([[{"particle_id": 5}]]), hits)
    assert joined.hits.x.tolist() == [[[-1.0, 1.0, 2.0, -2.0]]]


def test_no_hits_no_particles_no_events():
    particles, hits = toy(events=3)
    assert with_hits(particles[:0], hits[:0]).tolist() == []
    assert with_hits(particles[2:], hits[2:, :0]).n_hits.tolist() == [[0, 0]]
    assert with_hits(particles[:, :0], hits[:, :0]).tolist() == [[], [], []]


def test_inputs_stay_as_they_are():
    particles, hits = toy()
    before = particles.tolist(), hits.tolist()
    with_hits(particles, hits)
    assert (particles.tolist(), hits.tolist()) == before


def test_particle_ids_of_no_particle_are_counted():
    particles = ak.Array([[{"particle_id": 5}], [{"particle_id": 6}]])
    hits = [{"particle_id": i, "x": 0.0, "y": 0.0, "z": 0.0} for i in (6, 5, 7, 5, 0)]
    with pytest.raises(ValueError, match=r"event 1: 3 hits have one of 2 values of particle_id .*: 5, 7; give"):
        with_hits(particles, ak.Array([[], hits]))


def test_particles_need_names_of_their_own():
    hit = {"particle_id": 5, "x": 0.0, "y": 0.0, "z": 0.0}
    twice = ak.Array([[{"particle_id": 5}], [{"particle_id": 6}, {"particle_id": 5}, {"particle_id": 5}]])
    with pytest.raises(ValueError, match=r"event 1: particle_id of particles 5 occurs more than once; 1 are repeated"):
        with_hits(twice, ak.Array([[hit], [hit]]))
    with pytest.raises(ValueError, match=r"event 1: a particle has particle_id 0, which is that of noise"):
        with_hits(ak.Array([[{"particle_id": 5}], [{"particle_id": 0}]]), ak.Array([[hit], [hit]]))


def test_particles_that_only_their_hits_name():
    particle_id = ak.Array([[0, 9, SPECIAL, 9, 3], [], [0, 0], [SPECIAL, 9]])
    named = trajectories.particles_of(ak.zip({"particle_id": particle_id}))
    assert named.particle_id.tolist() == [[9, SPECIAL, 3], [], [], [SPECIAL, 9]]


def test_even_weights_add_up_to_one_but_for_noise():
    weights = trajectories.even_weights(ak.Array([[0, 9, 9, 4, 5], [], [0, 0]]))
    assert weights.tolist() == [[0, 0.25, 0.25, 0.25, 0.25], [], [0, 0]]
    assert str(weights.type) == "3 * var * float32"


def test_positions_among_identifiers_of_the_same_event():
    identifiers, wanted = ak.Array([[SPECIAL, SPECIAL + 1], [], [4]]), ak.Array([[SPECIAL + 1, 4], [4], [4, 4]])
    assert trajectories.positions(identifiers, wanted, "id").tolist() == [1, -1, -1, 2, 2]
