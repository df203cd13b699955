"""Partitions of tracks: values worked by hand, brute force, and chance by enumeration."""

import itertools
import math
from fractions import Fraction

import awkward as ak
import numpy as np
import pytest

from cortado.metrics import (
    adjusted_rand_index,
    count_pairs,
    pairwise_f1,
    partition_merits,
    rand_index,
    vertex_finding,
)
from cortado.metrics.vertexing import bell_ratios


def toy(jets=200, seed=0, most=9):
    """True and found partitions with equal numbers of tracks, some jets with none."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most, jets)
    truth = rng.integers(0, 4, counts.sum())
    found = np.where(rng.random(counts.sum()) < 0.6, truth + 7, rng.integers(0, 5, counts.sum()))
    return ak.unflatten(truth, counts), ak.unflatten(found, counts)


def partitions(n):
    """All partitions of n objects as lists of labels, each new label the lowest unused."""
    if n == 0:
        yield []
        return
    for head in partitions(n - 1):
        for label in range(max(head, default=-1) + 2):
            yield [*head, label]


def slow_merits(truth, found):
    """F1, Rand index and adjusted Rand index of one jet, pair by pair, with chance as a Fraction."""
    tp = fp = fn = tn = 0
    for i, j in itertools.combinations(range(len(truth)), 2):
        true, taken = truth[i] == truth[j], found[i] == found[j]
        tp, fp, fn, tn = tp + (true and taken), fp + (taken > true), fn + (true > taken), tn + (not (true or taken))
    pairs = tp + fp + fn + tn
    precision, recall = tp / (tp + fp) if tp + fp else 0, tp / (tp + fn) if tp + fn else 0
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0
    together = Fraction(sum(1 for _ in partitions(len(truth) - 1)), sum(1 for _ in partitions(len(truth))))
    q = Fraction(tp + fn, pairs)
    chance = together * q + (1 - together) * (1 - q)
    rand = Fraction(tp + tn, pairs)
    return f1, float(rand), float((rand - chance) / (1 - chance))


def test_values_worked_by_hand():
    """Four tracks, truth {01}{23}, found {012}{3}: of 6 pairs 2 are true, 3 found, 1 both; B_3 / B_4 = 5 / 15."""
    truth, found = [[0, 0, 1, 1]], [[4, 4, 4, 9]]
    assert [int(x[0]) for x in count_pairs(truth, found)] == [4, 6, 2, 3, 1]
    assert pairwise_f1(truth, found) == pytest.approx(2 / 5)
    assert rand_index(truth, found) == pytest.approx(3 / 6)
    chance = 1 / 3 * 1 / 3 + 2 / 3 * 2 / 3
    assert adjusted_rand_index(truth, found) == pytest.approx((0.5 - chance) / (1 - chance))


def test_pair_by_pair():
    truth, found = toy()
    merits = [pairwise_f1(truth, found), rand_index(truth, found), adjusted_rand_index(truth, found)]
    for index, jet in enumerate(zip(truth.tolist(), found.tolist())):
        expected = slow_merits(*jet) if len(jet[0]) > 1 else [math.nan] * 3
        assert [values[index] for values in merits] == pytest.approx(expected, nan_ok=True)


def test_all_partitions_of_four_tracks_are_on_average_chance():
    found = list(partitions(4))
    assert len(found) == 15
    for truth in partitions(4):
        values = adjusted_rand_index([truth] * 15, found)
        assert values.mean() == pytest.approx(0, abs=1e-14)
        assert values.max() == 1


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_chance_is_zero_for_any_number_of_tracks(n):
    found = list(partitions(n))
    truth = [[0] * (n - 1) + [1]] * len(found)
    assert adjusted_rand_index(truth, found).mean() == pytest.approx(0, abs=1e-14)


def test_perfect_partitions_have_one_but_for_f1_without_pairs():
    truth, _ = toy()
    renamed = ak.unflatten(np.array([5, 1, 9, 0])[ak.flatten(truth).to_numpy()], ak.num(truth))
    several = ak.num(truth).to_numpy() > 1
    assert (rand_index(truth, renamed)[several] == 1).all()
    np.testing.assert_allclose(adjusted_rand_index(truth, renamed)[several], 1)
    has_pairs = count_pairs(truth, truth).true > 0
    assert (pairwise_f1(truth, renamed)[several] == has_pairs[several]).all()
    assert not has_pairs[several].all()


def test_no_true_positive_is_no_f1_as_published():
    assert pairwise_f1([[0, 1, 2]], [[0, 1, 2]]).tolist() == [0]
    assert rand_index([[0, 1, 2]], [[0, 1, 2]]).tolist() == [1]
    assert pairwise_f1([[0, 0, 2]], [[0, 1, 1]]).tolist() == [0]


def test_jets_of_fewer_than_two_tracks_have_no_merits():
    merits = partition_merits([[], [3], [0, 0]], [[], [1], [2, 2]])
    np.testing.assert_array_equal(merits.f1, [np.nan, np.nan, 1])
    np.testing.assert_array_equal(merits.adjusted_rand_index, [np.nan, np.nan, 1])


def test_padded_partitions_are_as_good_as_jagged():
    truth, found = toy()
    padded = [ak.fill_none(ak.pad_none(x, 11), -1).to_numpy() for x in (truth, found)]
    for one, other in zip(partition_merits(truth, found), partition_merits(*padded)):
        np.testing.assert_array_equal(one, other)
    holes = (x[:, np.random.default_rng(1).permutation(11)] for x in padded)
    for one, other in zip(partition_merits(truth, found), partition_merits(*holes)):
        np.testing.assert_array_equal(one, other)


def test_order_of_tracks_and_names_of_vertices_do_not_matter():
    truth, found = toy()
    merits = partition_merits(truth, found)
    for one, other in zip(merits, partition_merits(truth[:, ::-1], 3 * found[:, ::-1] + 1)):
        np.testing.assert_array_equal(one, other)


def test_layout_does_not_matter():
    truth, found = toy()
    order = np.random.default_rng(0).permutation(len(truth))
    expected = partition_merits(truth, found).f1[order]
    np.testing.assert_array_equal(partition_merits(truth[order], found[order]).f1, expected)


def test_bell_numbers():
    """B_0 to B_10, OEIS A000110; and far beyond the range of a float."""
    bell = [1, 1, 2, 5, 15, 52, 203, 877, 4140, 21147, 115975]
    ratios = bell_ratios(400)
    assert np.isnan(ratios[0])
    assert ratios[1:11].tolist() == [before / after for before, after in itertools.pairwise(bell)]
    assert (np.diff(ratios[1:]) < 0).all()
    # B_n ~ (n / ln n)^n: the ratio tends to ln n / n, slowly.
    assert 0.5 < ratios[400] * 400 / math.log(400) < 1.5


def test_jets_of_a_hundred_tracks():
    truth, found = np.zeros((1, 150), int), np.arange(150)[None]
    assert rand_index(truth, found).tolist() == [0]
    assert -1 < adjusted_rand_index(truth, found)[0] < 0


def test_no_jets():
    assert partition_merits(ak.Array([[0]])[:0], ak.Array([[0]])[:0]).f1.shape == (0,)
    assert partition_merits(np.zeros((0, 4), int), np.zeros((0, 4), int)).f1.shape == (0,)
    assert partition_merits([[], []], [[], []]).f1.shape == (2,)


def test_means_of_flavours():
    truth, found = toy()
    flavour = np.random.default_rng(2).choice([5, 4, 0], len(truth))
    means = vertex_finding(truth, found, flavour)
    assert list(means) == [0, 4, 5]
    for value, mean in means.items():
        used = (flavour == value) & (ak.num(truth).to_numpy() > 1)
        assert (mean.jets, mean.jets + mean.left_out) == (used.sum(), (flavour == value).sum())
        for estimate, of_jets in zip(mean, (pairwise_f1, rand_index, adjusted_rand_index)):
            values = of_jets(truth, found)[used]
            assert estimate.value == pytest.approx(values.mean())
            assert estimate.error == pytest.approx(values.std(ddof=1) / np.sqrt(len(values)))


def test_errors_are_the_spread_of_repeated_samples():
    repeated = [vertex_finding(*toy(seed=seed), np.zeros(200))[0.0] for seed in range(200)]
    for field in ("f1", "rand_index", "adjusted_rand_index"):
        spread = np.std([getattr(mean, field).value for mean in repeated])
        assert np.mean([getattr(mean, field).error for mean in repeated]) == pytest.approx(spread, rel=0.15)


def test_few_jets_have_no_error():
    means = vertex_finding([[0, 0], [1]], [[0, 0], [1]], [5, 4])
    assert means[5].f1.value == 1
    assert math.isnan(means[5].f1.error)
    assert (means[4].jets, means[4].left_out) == (0, 1)
    assert str(means[4].f1) == "undefined"


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        ([[0, 1]], [[0, 1], [0]], "truth has 1 jets, reconstructed 2; they must be the same"),
        ([[0], [0, 1]], [[0], [0, 1, 2]], "jet 1 has 2 tracks in truth and 3 in reconstructed"),
        ([[0, -1]], [[0, 1]], "truth has the vertex index -1; a jagged partition must have none below 0"),
        (
            [[0, 1]],
            [[0, 0.5]],
            r"reconstructed must be vertex indices of shape \(n, var\) or \(n, p\), got 1 \* var \* float64",
        ),
        ([[0, 1]], [[0, None]], r"reconstructed must be vertex indices of shape .* got 1 \* var \* \?int64"),
        ([0, 1], [0, 1], r"truth must be vertex indices of shape .* got 2 \* int64"),
        ([[[0]]], [[0]], "truth must be vertex indices"),
        (np.array([[0, -1]]), np.array([[-1, 0]]), "must have their tracks in the same places, not of jet 0"),
        (np.array([[0, -1]]), np.array([[0]]), r"must have their tracks in the same places, not \(1, 2\), \(1, 1\)"),
    ],
)
def test_unfit_partitions_are_refused(truth, found, message):
    with pytest.raises(ValueError, match=message):
        count_pairs(truth, found)


def test_a_flavour_is_needed_for_each_jet():
    with pytest.raises(ValueError, match=r"flavour has shape \(1,\), needed is \(2,\), one a jet"):
        vertex_finding([[0], [1]], [[0], [1]], [5])
