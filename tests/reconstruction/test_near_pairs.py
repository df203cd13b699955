"""Near pairs against all pairs."""

import numpy as np
import pytest

from cortado.reconstruction.near_pairs import near_pairs

RNG = np.random.default_rng(1)
EVENT = np.repeat([0, 1, 3, 4], [40, 1, 25, 60])
PLACES = RNG.normal(size=(len(EVENT), 3)).astype(np.float32)


def slow_pairs(places, event, radius, neighbours):
    """Each point's nearest neighbours, by distances to all points."""
    places, pairs = places.astype(np.float64), set()
    for i in range(len(places)):
        distance = {
            j: np.linalg.norm(places[i] - places[j]) for j in range(len(places)) if j != i and event[j] == event[i]
        }
        for j in sorted(distance, key=distance.get)[:neighbours]:
            if distance[j] < radius:
                pairs.add((min(i, j), max(i, j)))
    return sorted(pairs)


@pytest.mark.parametrize("radius", [0.3, 1.0, 50.0])
@pytest.mark.parametrize("neighbours", [1, 4, 100])
def test_pairs_are_those_of_all_pairs(radius, neighbours):
    found = near_pairs(PLACES, EVENT, radius=radius, neighbours=neighbours)
    assert found.dtype == np.int64
    assert list(map(tuple, found.T.tolist())) == slow_pairs(PLACES, EVENT, radius, neighbours)


def test_events_at_one_place_do_not_mix():
    twice = np.concatenate([PLACES[:40], PLACES[:40]])
    found = near_pairs(twice, np.repeat([0, 1], 40), radius=1.0, neighbours=5)
    alone = near_pairs(PLACES[:40], np.zeros(40), radius=1.0, neighbours=5)
    np.testing.assert_array_equal(found, np.concatenate([alone, alone + 40], axis=1))


def test_points_at_one_place_are_pairs_but_none_with_itself():
    found = near_pairs(np.zeros((5, 2)), np.zeros(5), radius=0.1, neighbours=4)
    assert found.T.tolist() == [[i, j] for i in range(5) for j in range(i + 1, 5)]
    some = near_pairs(np.zeros((9, 2)), np.zeros(9), radius=0.1, neighbours=2)
    assert (some[0] < some[1]).all()
    assert set(range(9)) == set(some.ravel().tolist())


@pytest.mark.parametrize("number", [0, 1])
def test_few_points(number):
    assert near_pairs(np.zeros((number, 3)), np.zeros(number), radius=1.0, neighbours=3).shape == (2, 0)


def test_points_that_are_not_finite_have_no_neighbours():
    places = PLACES.copy()
    places[3], places[50, 1] = np.nan, np.inf
    found = near_pairs(places, EVENT, radius=50.0, neighbours=100)
    assert not np.isin(found, [3, 50]).any()
    kept = np.delete(np.arange(len(EVENT)), [3, 50])
    alone = near_pairs(PLACES[kept], EVENT[kept], radius=50.0, neighbours=100)
    np.testing.assert_array_equal(found, kept[alone])
