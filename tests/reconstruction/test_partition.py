"""Connected components against scipy's, jet by jet."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from cortado.reconstruction import components


def toy_scores(n=60, p=13, seed=1):
    rng = np.random.default_rng(seed)
    mask = np.arange(p) < rng.integers(0, p + 1, n)[:, None]
    return rng.random((n, p, p)), mask


def slow(scores, mask, threshold):
    """One jet at a time, numbered by first track."""
    found = np.full(mask.shape, -1)
    for jet, (score, real) in enumerate(zip(scores, mask)):
        m = real.sum()
        _, label = connected_components((score + score.T)[:m, :m] / 2 > threshold, directed=False)
        _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
        found[jet, :m] = np.argsort(np.argsort(first))[inverse]
    return found


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.75, 0.85, 1.0])
def test_agrees_with_scipy(threshold):
    scores, mask = toy_scores()
    found = components(scores, mask, threshold)
    assert found.dtype == np.int32
    assert found.tolist() == slow(scores, mask, threshold).tolist()


def test_a_long_chain_is_one_vertex():
    order = np.random.default_rng(0).permutation(50)
    scores = np.zeros((1, 50, 50))
    scores[0, order[:-1], order[1:]] = scores[0, order[1:], order[:-1]] = 1
    assert components(scores, np.ones((1, 50))).tolist() == [[0] * 50]


def test_both_directions_of_a_pair_count():
    scores = np.array([[[0, 0.7, 0.3], [0.2, 0, 0], [0.9, 0, 0]]])
    assert components(scores, np.ones((1, 3))).tolist() == [[0, 1, 0]]


def test_logits_with_threshold_zero():
    scores, mask = toy_scores()
    logits = np.log(scores / (1 - scores))
    symmetric = 1 / (1 + np.exp(-(logits + np.swapaxes(logits, 1, 2)) / 2))
    assert components(logits, mask, 0.0).tolist() == components(symmetric, mask).tolist()


def test_a_permutation_of_tracks_permutes_the_partition():
    scores, _ = toy_scores()
    every, order = np.ones(scores.shape[:2], dtype=bool), np.random.default_rng(0).permutation(13)
    found = components(scores, every, 0.8)
    permuted = components(scores[:, order][:, :, order], every, 0.8)
    together = found[:, order, None] == found[:, None, order]
    assert np.array_equal(permuted[:, :, None] == permuted[:, None, :], together)


def test_padding_and_diagonal_may_hold_anything():
    scores, mask = toy_scores()
    spoilt = np.where(mask[:, :, None] & mask[:, None, :] & ~np.eye(13, dtype=bool), scores, np.nan)
    assert components(spoilt, mask).tolist() == components(scores, mask).tolist()
    assert (components(scores, mask)[~mask] == -1).all()


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
def test_no_jets_or_no_tracks(shape):
    assert components(np.zeros((*shape, shape[-1])), np.zeros(shape)).shape == shape


def test_unfit_scores_are_refused():
    with pytest.raises(ValueError, match=r"edge_scores \(2, 3, 4\) and mask \(2, 3\) must have shapes"):
        components(np.zeros((2, 3, 4)), np.ones((2, 3)))
    scores = np.zeros((2, 3, 3))
    scores[1, 0, 2] = np.nan
    with pytest.raises(ValueError, match="score of tracks 0 and 2 of jet 1 is NaN"):
        components(scores, np.ones((2, 3)))
