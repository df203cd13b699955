"""Hits of particles in their order, padded."""

import awkward as ak
import numpy as np
import pytest
from toy_hits import toy_hits

from cortado.representations import HitSequence
from cortado.truth.trajectories import with_hits


def toy_particles(number=30, seed=0):
    events = toy_hits(number, 4, seed=seed, noise=0.1)
    return ak.flatten(with_hits(events.particles, events.hits))


def test_hits_are_those_of_the_record_in_their_order():
    particles = toy_particles()
    made = HitSequence()(particles)
    assert made.hits.dtype == np.float32
    for row, mask, hits in zip(made.hits, made.mask, particles.hits.to_list()):
        np.testing.assert_array_equal(
            row[mask], np.array([[hit[name] for name in "xyz"] for hit in hits]).reshape(-1, 3)
        )
        assert not row[~mask].any()


def test_only_the_first_hits_are_kept():
    particles = toy_particles()
    short, whole = HitSequence(max_hits=4)(particles), HitSequence()(particles)
    np.testing.assert_array_equal(short.hits, whole.hits[:, :4])
    np.testing.assert_array_equal(short.mask, whole.mask[:, :4])


def test_no_particles_and_no_hits():
    particles = toy_particles()
    assert HitSequence()(particles[:0]).hits.shape == (0, 1, 3)
    assert not HitSequence()(ak.with_field(particles, particles.hits[:, :0], "hits")).mask.any()


def test_what_cannot_be_followed_is_refused():
    particles = toy_particles()
    with pytest.raises(ValueError, match="HitSequence: max_hits must be at least 1, got 0"):
        HitSequence(max_hits=0)
    with pytest.raises(KeyError, match=r"HitSequence needs the field 'hits\.z'.*there are hits\."):
        HitSequence()(ak.with_field(particles, particles.hits[["x", "y"]], "hits"))
    nan = ak.with_field(particles, ak.with_field(particles.hits, particles.hits.x * np.nan, "x"), "hits")
    with pytest.raises(ValueError, match=r"HitSequence: hits\.x of particle \d+ is nan"):
        HitSequence()(nan)
