"""Training, validation and test by event."""

import awkward as ak
import numpy as np
import pytest
from toys import toy_event_jets

from cortado.splits import TEST, TRAIN, VALIDATION, Split, event_key, event_key_of_momenta, fold, fraction

KEYS = event_key(1, np.arange(100_000) // 1000, np.arange(100_000))
REFERENCE = {
    "event_key": 15020427595393229491,
    "momenta": [15858395487524255194],
    "fraction": 0.23472480257092043,
    "fold": [0, 2, 0, 1, 2, 0, 1, 1, 0, 1, 1, 0],
    "split": [0, 0, 2, 1, 1, 0, 0, 2, 0, 1, 1, 2],
}


def splitmix64(state):
    """Output of the published generator for one state, in Python integers."""
    wrap = 2**64 - 1
    z = (state + 0x9E3779B97F4A7C15) & wrap
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & wrap
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & wrap
    return z ^ (z >> 31)


def test_slow_twin_agrees():
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 2**32, (50, 3)).astype(np.uint64)
    expected = [splitmix64(splitmix64(splitmix64(r) ^ b) ^ e) for r, b, e in numbers.tolist()]
    assert event_key(*numbers.T).tolist() == expected


def test_reference_values_never_change():
    assert splitmix64(1234567) == 6457827717110365317  # first output of the reference program with this seed
    assert event_key(1, 2, 3).tolist() == REFERENCE["event_key"]
    assert event_key_of_momenta([1.5], [-2.0], [0.0], [3.25]).tolist() == REFERENCE["momenta"]
    assert fraction(event_key(1, 2, 3), seed=4).item() == REFERENCE["fraction"]
    assert fold(event_key(1, 2, np.arange(12)), folds=3, seed=4).tolist() == REFERENCE["fold"]
    assert Split(validation=0.2, test=0.2, seed=4).subset(event_key(1, 2, np.arange(12))).tolist() == REFERENCE["split"]


def test_types_and_shapes():
    jagged = ak.unflatten(KEYS[:6], [2, 0, 4])
    assert event_key(np.int64([1, 2]), np.uint32([1, 2]), [3, 4]).dtype == np.uint64
    assert fraction(KEYS).dtype == np.float64
    assert fold(KEYS, 3).dtype == np.int64
    assert Split().subset(KEYS).dtype == np.int8
    assert fraction(jagged).tolist() == ak.unflatten(fraction(KEYS[:6]), [2, 0, 4]).tolist()
    assert fold(jagged, 3).tolist() == ak.unflatten(fold(KEYS[:6], 3), [2, 0, 4]).tolist()
    assert Split().subset(jagged).tolist() == ak.unflatten(Split().subset(KEYS[:6]), [2, 0, 4]).tolist()
    assert event_key(jagged, jagged, jagged).tolist()[1] == []
    assert event_key([], [], []).shape == fraction([]).shape == (0,)


def test_all_jets_of_an_event_fall_together():
    jets = toy_event_jets(500)
    for assigned in (Split().subset(jets.event_key), fold(jets.event_key, 5)):
        assert ak.all(ak.max(assigned, axis=1) == ak.min(assigned, axis=1))


def test_each_number_changes_the_key():
    everything = np.concatenate([event_key(1, 1, np.arange(1000)), event_key(1, np.arange(2, 1000), 1)])
    everything = np.concatenate([everything, event_key(np.arange(2, 1000), 1, 1)])
    assert len(np.unique(everything)) == len(everything)
    assert len(np.unique(KEYS)) == len(KEYS)


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


def test_momenta_make_keys():
    rng = np.random.default_rng(3)
    momenta = rng.normal(0, 100, (4, 50_000)).astype(np.float32)
    keys = event_key_of_momenta(*momenta)
    assert keys.dtype == np.uint64
    assert len(np.unique(keys)) == len(keys)
    assert np.array_equal(event_key_of_momenta(*momenta.astype(np.float64)), keys)
    assert not np.any(event_key_of_momenta(*np.nextafter(momenta, np.float32(0))) == keys)
    zero = np.zeros(1, np.float32)
    assert event_key_of_momenta(-zero, zero, -zero, zero) == event_key_of_momenta(zero, zero, zero, zero)


def test_keys_must_be_integers():
    with pytest.raises(TypeError, match="event must be integers, got float64"):
        event_key(1, 2, [1.0, 2.0])
    with pytest.raises(TypeError, match="luminosity_block must be integers, got float64"):
        event_key(1, ak.Array([[1.5], []]), 1)


def test_one_fold_is_no_fold():
    with pytest.raises(ValueError, match="folds = 1; at least 2"):
        fold(KEYS, 1)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.5, 0.5), (0.1, float("nan")), (0.1, -1)])
def test_shares_must_leave_something_to_train_on(shares):
    with pytest.raises(ValueError, match=rf"validation = {shares[0]}, test = {shares[1]}: shares must not be negative"):
        Split(validation=shares[0], test=shares[1])
