"""Training, validation and test by event."""

import awkward as ak
import numpy as np
import pytest
from toys import toy_event_jets

from cortado.event_keys import event_key
from cortado.splits import TEST, TRAIN, VALIDATION, Split, fold, fraction

KEYS = event_key(1, np.arange(100_000) // 1000, np.arange(100_000))
REFERENCE = {
    "fraction": 0.23472480257092043,
    "fold": [0, 2, 0, 1, 2, 0, 1, 1, 0, 1, 1, 0],
    "split": [0, 0, 2, 1, 1, 0, 0, 2, 0, 1, 1, 2],
}


def test_reference_values_never_change():
    assert fraction(event_key(1, 2, 3), seed=4).item() == REFERENCE["fraction"]
    assert fold(event_key(1, 2, np.arange(12)), folds=3, seed=4).tolist() == REFERENCE["fold"]
    assert Split(validation=0.2, test=0.2, seed=4).subset(event_key(1, 2, np.arange(12))).tolist() == REFERENCE["split"]


def test_types_and_shapes():
    jagged = ak.unflatten(KEYS[:6], [2, 0, 4])
    assert fraction(KEYS).dtype == np.float64
    assert fold(KEYS, 3).dtype == np.int64
    assert Split().subset(KEYS).dtype == np.int8
    assert fraction(jagged).tolist() == ak.unflatten(fraction(KEYS[:6]), [2, 0, 4]).tolist()
    assert fold(jagged, 3).tolist() == ak.unflatten(fold(KEYS[:6], 3), [2, 0, 4]).tolist()
    assert Split().subset(jagged).tolist() == ak.unflatten(Split().subset(KEYS[:6]), [2, 0, 4]).tolist()
    assert fraction([]).shape == (0,)


def test_all_jets_of_an_event_fall_together():
    jets = toy_event_jets(500)
    for assigned in (Split().subset(jets.event_key), fold(jets.event_key, 5)):
        assert ak.all(ak.max(assigned, axis=1) == ak.min(assigned, axis=1))


def test_fractions_are_uniform():
    counts, _ = np.histogram(fraction(KEYS, seed=3), bins=100, range=(0, 1))
    chi2 = np.sum((counts - 1000) ** 2 / 1000)
    assert 50 < chi2 < 160  # 99 degrees of freedom
    assert 0 <= fraction(KEYS).min() < fraction(KEYS).max() < 1


def test_seeds_are_independent():
    correlation = np.corrcoef([fraction(KEYS, seed) for seed in range(4)])
    assert np.abs(correlation - np.eye(4)).max() < 0.015
    assert fraction(KEYS, seed=2**63).tolist() != fraction(KEYS, seed=0).tolist()


def test_folds_are_balanced_and_independent_of_the_split():
    subset = Split(seed=1).subset(KEYS)
    for part in (TRAIN, VALIDATION, TEST):
        counts = np.bincount(fold(KEYS[subset == part], 5, seed=1), minlength=5)
        expected = counts.sum() / 5
        assert len(counts) == 5
        assert np.sum((counts - expected) ** 2 / expected) < 20  # 4 degrees of freedom


def test_split_has_the_shares_that_were_asked_for():
    shares = np.bincount(Split(validation=0.1, test=0.3).subset(KEYS)) / len(KEYS)
    np.testing.assert_allclose(shares, [0.6, 0.1, 0.3], atol=0.006)
    assert np.all(Split(validation=0, test=0).subset(KEYS) == TRAIN)


def test_the_test_events_do_not_depend_on_the_validation_share():
    one, other = Split(validation=0.1).subset(KEYS), Split(validation=0.3).subset(KEYS)
    assert np.array_equal(one == TEST, other == TEST)
    assert np.all(other[one == VALIDATION] == VALIDATION)


def test_order_and_chunks_do_not_matter():
    order = np.random.default_rng(2).permutation(len(KEYS))
    assert np.array_equal(Split().subset(KEYS[order]), Split().subset(KEYS)[order])
    assert np.array_equal(fold(KEYS[:777], 4), fold(KEYS, 4)[:777])


def test_one_fold_is_no_fold():
    with pytest.raises(ValueError, match="folds = 1; at least 2"):
        fold(KEYS, 1)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.5, 0.5), (0.1, float("nan")), (0.1, -1)])
def test_shares_must_leave_something_to_train_on(shares):
    with pytest.raises(ValueError, match=rf"validation = {shares[0]}, test = {shares[1]}: shares must not be negative"):
        Split(validation=shares[0], test=shares[1])
