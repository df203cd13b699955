import awkward as ak
import numpy as np
import pytest

from cortado.metrics import match_vertices, proportion, values_at, vertex_rate


def toy(jets=200, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 14, jets)
    truth = rng.integers(0, 4, counts.sum())
    found = np.where(rng.random(counts.sum()) < 0.8, truth + 3, rng.integers(0, 5, counts.sum()))
    return ak.unflatten(truth, counts), ak.unflatten(found, counts)


def slow_matches(truth, found):
    """Of each jet: true and found vertices of two tracks and more with their partner, by sets of tracks."""
    true_rows, found_rows = [], []
    for jet, (one, other) in enumerate(zip(truth.tolist(), found.tolist())):
        sets = [
            {v: {i for i, x in enumerate(labels) if x == v} for v in sorted(set(labels))} for labels in (one, other)
        ]
        true, taken = ({v: tracks for v, tracks in vertices.items() if len(tracks) > 1} for vertices in sets)
        pairs = [
            (t, f)
            for t in true
            for f in taken
            if len(true[t] & taken[f]) >= 0.65 * len(true[t]) and len(true[t] & taken[f]) > 0.5 * len(taken[f])
        ]
        true_rows += [(jet, t, len(true[t]), dict(pairs).get(t, -1)) for t in true]
        found_rows += [(jet, f, len(taken[f]), {f: t for t, f in pairs}.get(f, -1)) for f in taken]
    return true_rows, found_rows


def test_values_worked_by_hand():
    """Truth {012}{34}{5}, found {01}{234}{5}: 2 of 3 tracks are 67 %; a track alone is none."""
    true, found = match_vertices([[0, 0, 0, 1, 1, 2]], [[8, 8, 6, 6, 6, 7]])
    assert (true.vertex.tolist(), true.tracks.tolist(), true.partner.tolist()) == ([0, 1], [3, 2], [8, 6])
    assert (found.vertex.tolist(), found.tracks.tolist(), found.partner.tolist()) == ([6, 8], [3, 2], [1, 0])


def test_vertices_by_sets_of_tracks():
    truth, found = toy()
    for vertices, rows in zip(match_vertices(truth, found), slow_matches(truth, found)):
        assert [tuple(row) for row in np.stack(vertices, axis=1).tolist()] == rows
        assert 0.2 < np.mean(vertices.partner >= 0) < 0.95


def test_matches_are_one_to_one():
    true, found = match_vertices(*toy())
    there = {(j, v, p) for j, v, p in zip(true.jet, true.vertex, true.partner) if p >= 0}
    assert there == {(j, p, v) for j, v, p in zip(found.jet, found.vertex, found.partner) if p >= 0}


def test_two_halves_match_nothing():
    true, found = match_vertices([[0, 0, 1, 1]], [[0, 0, 0, 0]])
    assert true.partner.tolist() == [-1, -1]
    assert found.partner.tolist() == [-1]


def test_no_jets():
    true, found = match_vertices(ak.Array([[0]])[:0], ak.Array([[0]])[:0])
    assert all(len(column) == 0 for column in (*true, *found))


def test_values_at_vertices():
    true, _ = match_vertices([[0, 0, 3, 3], [], [1, 1]], [[0] * 4, [], [0, 0]])
    distance = values_at(true, ak.Array([[3, 0, 5], [], [2]]), ak.Array([[1.5, 0.25, 9.0], [], [4.0]]))
    np.testing.assert_array_equal(distance, [0.25, 1.5, np.nan])
    nothing = ak.values_astype(ak.Array([[], [], []]), np.int64)
    assert np.isnan(values_at(true, nothing, ak.values_astype(nothing, float))).all()


def test_rate_in_bins_of_distance():
    matched = np.array([True, False, True, True, False, True])
    rate = vertex_rate(matched, [0.0, 0.5, 1.0, 3.0, np.nan, 7.0], [0, 1, 2, 3, 7])
    assert rate.entries.tolist() == [2, 1, 0, 1]
    np.testing.assert_array_equal(rate.value, [0.5, 1, np.nan, 1])
    expected = [proportion(1, 1, 1, 1).error, proportion(1, 0, 1, 0).error, np.nan, proportion(1, 0, 1, 0).error]
    np.testing.assert_allclose(rate.error, expected)


@pytest.mark.parametrize("cuts", [{"recall": 0.5}, {"recall": 1.1}, {"purity": 0.4}, {"purity": 1.0}])
def test_cuts_that_would_match_two_or_none_are_refused(cuts):
    with pytest.raises(ValueError, match=r"recall must be in \(0.5, 1\] and purity in \[0.5, 1\), got"):
        match_vertices([[0, 0]], [[0, 0]], **cuts)


def test_a_distance_is_needed_for_each_vertex():
    with pytest.raises(ValueError, match=r"matched \(2,\) and distance \(1,\) must have one shape \(v,\)"):
        vertex_rate([True, False], [1.0], [0, 1])
