"""Adaptive vertex reconstruction: known vertices are found again, and jets do not know of each other."""

import awkward as ak
import numpy as np
import pytest
from reconstruction.helix_toys import flavour_jets, toy_directions, toy_flavour_jets, toy_tracks

from cortado.reconstruction import AdaptiveCuts, Prior, find_vertices, tune

BEAM_SPOT = Prior((0.0, 0.0, 0.0), np.diag([0.01, 0.01, 50.0]) ** 2)


def pairs(partition):
    """Whether two tracks share a vertex, for each jet a matrix."""
    return [np.equal.outer(np.asarray(jet), np.asarray(jet)) for jet in partition]


def mean_f1(truth, found):
    """Mean over jets of the F1 of pairs, of jets with a true pair."""
    values = []
    for true, taken in zip(pairs(truth), pairs(found)):
        upper = np.triu_indices(len(true), 1)
        if true[upper].any():
            values.append(2 * (true & taken)[upper].sum() / (true[upper].sum() + taken[upper].sum()))
    return np.mean(values)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(pairs(one), pairs(other)))


@pytest.fixture(scope="module")
def jets():
    return toy_flavour_jets(400, mean_prompt=4, mean_secondary=4)


def test_displaced_vertices_are_found(jets):
    found = find_vertices(jets, cuts=AdaptiveCuts(primary_cutoff=3, secondary_cutoff=3), primary=BEAM_SPOT)
    assert str(found.type) == "400 * var * int32"
    assert ak.num(found).tolist() == ak.num(jets.tracks).tolist()
    assert mean_f1(jets.tracks.vertex_index, found) > 0.93
    prompt = found[jets.tracks.vertex_index == 0]
    assert ak.mean(prompt == 0) > 0.93


def test_numbers_are_zero_for_the_primary_then_vertices_then_single_tracks(jets):
    for jet in find_vertices(jets, primary=BEAM_SPOT).tolist():
        numbers, sizes = np.unique(jet, return_counts=True)
        further = sizes[numbers > 0]
        assert numbers[numbers > 0].tolist() == list(range(1, len(further) + 1))
        assert (np.diff((further > 1).astype(int)) <= 0).all()


def test_a_clean_jet_is_one_vertex_and_an_outlier_is_not_in_it():
    rng = np.random.default_rng(0)
    position = np.zeros((12, 3))
    position[5] = [30.0, -20.0, 10.0]
    parameters, covariance = toy_tracks(rng, position, toy_directions(rng, 12))
    found = find_vertices(
        flavour_jets(parameters, covariance, [12]), primary=BEAM_SPOT, cuts=AdaptiveCuts(primary_cutoff=4)
    )
    assert found.tolist() == [[0] * 5 + [1] + [0] * 6]


def test_three_vertices_without_a_beam_spot():
    rng = np.random.default_rng(3)
    position = np.repeat([[0, 0, 0], [8, 1, 2], [1, 15, -9]], [6, 4, 3], axis=0).astype(float)
    parameters, covariance = toy_tracks(rng, position, toy_directions(rng, 13))
    jets = flavour_jets(parameters, covariance, [13])
    assert find_vertices(jets, cuts=AdaptiveCuts(primary_cutoff=4)).tolist() == [[0] * 6 + [1] * 4 + [2] * 3]


def test_jets_do_not_know_of_each_other(jets):
    found = find_vertices(jets, primary=BEAM_SPOT)
    assert find_vertices(jets[100:130], primary=BEAM_SPOT).tolist() == found[100:130].tolist()
    twice = find_vertices(ak.concatenate([jets[:40], jets[:40]]), primary=BEAM_SPOT)
    assert twice.tolist() == found[:40].tolist() * 2


def test_a_permutation_of_tracks_permutes_the_partition(jets):
    order = ak.argsort(jets.tracks.phi, axis=1)
    found = find_vertices(jets, primary=BEAM_SPOT)
    permuted = find_vertices(ak.with_field(jets, jets.tracks[order], "tracks"), primary=BEAM_SPOT)
    assert same(permuted, found[order])


def test_turning_the_jets_changes_nothing(jets):
    turned = ak.with_field(jets, jets.tracks.phi + 2.5, ("tracks", "phi"))
    assert same(find_vertices(turned, primary=BEAM_SPOT), find_vertices(jets, primary=BEAM_SPOT))


def test_each_jet_may_have_a_primary_vertex_of_its_own(jets):
    rng = np.random.default_rng(1)
    z = rng.normal(0, 30, len(jets))
    moved = ak.with_field(jets, jets.tracks.z0 + z, ("tracks", "z0"))
    position = np.stack([0 * z, 0 * z, z], axis=-1)
    prior = np.diag([0.01, 0.01, 0.05]) ** 2
    found = find_vertices(moved, primary=Prior(position, prior))
    assert same(found, find_vertices(jets, primary=Prior((0, 0, 0), prior)))


def test_no_one_and_two_tracks(jets):
    few = ak.with_field(jets, jets.tracks[ak.local_index(jets.tracks.d0) < np.arange(400) % 3], "tracks")
    found = find_vertices(few, primary=BEAM_SPOT)
    assert ak.num(found).tolist() == ak.num(few.tracks).tolist()
    assert find_vertices(few[:0]).tolist() == []
    assert find_vertices(few[ak.num(few.tracks) == 0][:3]).tolist() == [[], [], []]


def test_tracks_that_cannot_be_fitted_are_alone(jets):
    spoilt = ak.with_field(
        jets[:50], ak.where(jets[:50].tracks.d0 > 0.05, np.nan, jets[:50].tracks.d0), ("tracks", "d0")
    )
    with pytest.raises(ValueError, match=r"find_vertices: track .* d0 is nan"):
        find_vertices(spoilt)
    with pytest.warns(UserWarning, match=r"find_vertices: .* left out"):
        found = find_vertices(spoilt, skip_unfit=True)
    for jet, bad in zip(found.tolist(), np.isnan(spoilt.tracks.d0).tolist()):
        assert all(jet.count(number) == 1 for number, alone in zip(jet, bad) if alone)


def test_tuning_takes_the_best_of_all_candidates(jets):
    some = jets[:100]
    tuning = tune(
        some, mean_f1, primary_cutoffs=(0.3, 3.0), secondary_cutoffs=(0.3, 4.0), primary=BEAM_SPOT,
        cuts=AdaptiveCuts(minimum_weight=0.4),
    )  # fmt: skip
    assert (tuning.cuts.primary_cutoff, tuning.cuts.secondary_cutoff) == (3.0, 4.0)
    assert tuning.cuts.minimum_weight == 0.4
    assert len(tuning.scores) == 8
    assert tuning.scores[tuning.cuts] == max(tuning.scores.values())
    found = find_vertices(some, cuts=tuning.cuts, primary=BEAM_SPOT)
    assert tuning.scores[tuning.cuts] == mean_f1(some.tracks.vertex_index, found)


def test_tuning_needs_candidates_and_scores(jets):
    with pytest.raises(ValueError, match=r"no cuts to try: primary_cutoffs=\(\)"):
        tune(jets[:3], mean_f1, primary_cutoffs=())
    with pytest.raises(ValueError, match=r"the score of AdaptiveCuts\(.*\) is nan"):
        tune(jets[:3], lambda truth, found: np.nan)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ({"primary_cutoff": 0.0}, "primary_cutoff is 0.0, must be positive"),
        ({"secondary_cutoff": -1.0}, r"secondary_cutoff is -1\.0"),
        ({"max_vertices": 0}, "max_vertices is 0"),
        ({"minimum_weight": 1.0}, "minimum_weight is 1.0, must be between 0 and 1"),
        ({"temperatures": (1.0, 4.0)}, r"temperatures are \(1\.0, 4\.0\), must be positive and fall"),
        ({"temperatures": ()}, r"temperatures are \(\)"),
    ],
)
def test_unfit_cuts_are_refused(cut, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveCuts(**cut)
