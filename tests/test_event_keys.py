"""The 64 bits that name an event."""

import awkward as ak
import numpy as np
import pytest

from cortado.event_keys import event_key, event_key_of_lists, event_key_of_momenta

KEYS = event_key(1, np.arange(100_000) // 1000, np.arange(100_000))


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
    assert event_key(1, 2, 3).tolist() == 15020427595393229491
    assert event_key_of_momenta([1.5], [-2.0], [0.0], [3.25]).tolist() == [15858395487524255194]


def test_types_and_shapes():
    jagged = ak.unflatten(KEYS[:6], [2, 0, 4])
    assert event_key(np.int64([1, 2]), np.uint32([1, 2]), [3, 4]).dtype == np.uint64
    assert event_key(jagged, jagged, jagged).tolist()[1] == []
    assert event_key([], [], []).shape == (0,)


def test_each_number_changes_the_key():
    everything = np.concatenate([event_key(1, 1, np.arange(1000)), event_key(1, np.arange(2, 1000), 1)])
    everything = np.concatenate([everything, event_key(np.arange(2, 1000), 1, 1)])
    assert len(np.unique(everything)) == len(everything)
    assert len(np.unique(KEYS)) == len(KEYS)


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


def test_lists_make_keys():
    """Order in the list, the list in which a number is, and each number count; neither position nor neighbours do."""
    rng = np.random.default_rng(4)
    counts = rng.integers(1, 5, 20_000)
    pt, eta = (ak.unflatten(rng.normal(0, 100, counts.sum()).astype(np.float32), counts) for _ in range(2))
    keys = event_key_of_lists(pt, eta)
    assert keys.dtype == np.uint64
    assert len(np.unique(keys)) == len(keys)
    shuffled = rng.permutation(len(counts))
    assert np.array_equal(event_key_of_lists(pt[shuffled], eta[shuffled]), keys[shuffled])
    assert not np.any(event_key_of_lists(eta, pt) == keys)
    several = counts > 1
    assert not np.any(event_key_of_lists(pt[:, ::-1], eta[:, ::-1])[several] == keys[several])
    one, two = event_key_of_lists(ak.Array([[1.0, 2.0], []]), ak.Array([[3.0], [1.0, 2.0]]))
    assert one != two
    assert len(set(event_key_of_lists(ak.Array([[], [0.0], [0.0, 0.0], []])).tolist())) == 3
    assert abs(np.mean(keys >> np.uint64(63)) - 0.5) < 0.02  # uniform, as a split needs them


def test_keys_must_be_integers():
    with pytest.raises(TypeError, match="event must be integers, got float64"):
        event_key(1, 2, [1.0, 2.0])
    with pytest.raises(TypeError, match="luminosity_block must be integers, got float64"):
        event_key(1, ak.Array([[1.5], []]), 1)
