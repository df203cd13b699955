"""The domain guard: silent on what the training has seen, in any mixture; outspoken where working points would move."""

import json
import warnings

import numpy as np
import pytest

from cortado.bundle import domain as domains

CUTS = {"50%": 2.0, "70%": 1.475}


def sample(n, seed, *, signal=0.5, shift=0.0):
    """Two numbers that tell signal, N(2, 1), from background, N(0, 1), and one that is the same for both.

    Only the first is shifted: the others say in which mixture the classes are.
    """
    rng = np.random.default_rng(seed)
    is_signal = rng.random(n) < signal
    x, y = rng.normal(2.0 * is_signal, 1.0, (2, n))
    return {"x": x + shift, "y": y, "pt": rng.exponential(1.0, n)}, is_signal.astype(int)


def trained(n=3000, seed=0):
    watched, category = sample(n, seed)
    passes = {name: watched["x"] >= cut for name, cut in CUTS.items()}
    return domains.domain_of(watched, category, 2, signal=1, passes=passes)


def shifts(domain, watched, **options):
    return domains.shifts_of(domain, domains.counts_of(domain, watched, **options))


@pytest.mark.parametrize("size", [500, 5_000, 50_000])
def test_objects_of_the_same_kind_raise_no_alarm(size):
    """Drawn with replacement from an independent sample: less than one in a hundred, here none of 200."""
    domain, (watched, _) = trained(), sample(20_000, 1)
    rng = np.random.default_rng(2)
    for _ in range(200):
        drawn = rng.integers(0, 20_000, size)
        assert not any(shift.matters for shift in shifts(domain, {name: each[drawn] for name, each in watched.items()}))


@pytest.mark.parametrize("signal", [0.0, 0.01, 0.3, 1.0])
def test_classes_may_come_in_any_mixture(signal):
    domain = trained()
    found = shifts(domain, sample(20_000, 3, signal=signal)[0])
    assert max(shift.significance for shift in found) < domains.SIGNIFICANT


@pytest.mark.parametrize("signal", [0.5, 1.0])
@pytest.mark.parametrize("shift", [-0.7, 0.7])
def test_a_shift_that_moves_working_points_is_told_with_its_sign(signal, shift):
    domain = trained()
    worst = shifts(domain, sample(5_000, 4, signal=signal, shift=shift)[0])[0]
    assert worst.quantity == "x"
    assert worst.matters
    assert np.sign(worst.change) == np.sign(shift)
    assert worst.working_point == "50%"
    assert worst.outside < 0.05
    with pytest.warns(UserWarning, match=r"data is unlike .*: x: .* sigma, efficiency of the working point 50%"):
        domains.warn_of_shifts("data", (worst,))


def test_a_small_shift_is_no_alarm_however_significant():
    """Data always differ a little from simulation."""
    worst = shifts(trained(300_000), sample(200_000, 5, shift=0.1)[0])[0]
    assert worst.significance > domains.SIGNIFICANT
    assert abs(worst.change) < domains.LARGE
    assert not worst.matters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        domains.warn_of_shifts("data", (worst,))


def test_a_quantity_on_which_the_score_does_not_depend_moves_no_working_point():
    watched, _ = sample(20_000, 6)
    worst = shifts(trained(), {**watched, "pt": watched["pt"] * 1.5})[0]
    assert worst.quantity == "pt"
    assert worst.significance > 20
    assert worst.outside > 0.001
    assert not worst.matters


def test_objects_out_of_the_range_of_the_training_are_told():
    """Of them no efficiency is known, whether or not the score depends on the quantity."""
    watched, _ = sample(5_000, 10)
    far = np.arange(5_000) % 4 == 0
    worst = shifts(trained(), {**watched, "pt": np.where(far, 50.0, watched["pt"])})[0]
    assert worst.quantity == "pt"
    assert worst.outside == pytest.approx(0.25, abs=0.01)
    assert worst.matters
    assert "25 % out of the range of the training" in str(worst)


def test_chunks_add_up_and_weights_count():
    domain, (watched, _) = trained(), sample(1_000, 7)
    whole = domains.counts_of(domain, watched)
    parts = [domains.counts_of(domain, {name: each[k::3] for name, each in watched.items()}) for k in range(3)]
    np.testing.assert_allclose(sum(parts), whole)
    np.testing.assert_allclose(whole[:, :-1, 0].sum(axis=1), 1_000)
    weighted = domains.counts_of(domain, watched, np.full(1_000, 2.0))
    np.testing.assert_allclose(weighted[..., 0], 2 * whole[..., 0])
    np.testing.assert_allclose(weighted[..., 1], 4 * whole[..., 1])
    for one, other in zip(domains.shifts_of(domain, weighted), domains.shifts_of(domain, whole)):
        assert one.significance == pytest.approx(other.significance)


def test_numbers_that_are_none_are_out_of_range():
    domain, (watched, _) = trained(), sample(1_000, 8)
    watched["x"][:10] = np.nan
    counts = domains.counts_of(domain, watched)
    assert counts[0, -1, 0] >= 10
    assert counts[0, :-1, 0].sum() == 990


def test_few_objects_say_nothing():
    assert shifts(trained(), sample(150, 9, shift=3.0)[0]) == ()


def test_a_domain_comes_back_from_json():
    domain = trained()
    again = domains.from_json(json.loads(json.dumps(domains.to_json(domain))))
    for one, other in zip(again, domain):
        np.testing.assert_array_equal(one, other)


def test_a_quantity_of_few_values_has_few_bins():
    rng = np.random.default_rng(1)
    watched = {"number": rng.integers(0, 4, 2000).astype(float), "always": np.ones(2000)}
    domain = domains.domain_of(watched, rng.integers(0, 2, 2000), 2)
    assert domain.quantities == ("number",)
    assert domain.members.sum() == 2000
    assert not any(shift.matters for shift in shifts(domain, {"number": rng.integers(0, 4, 5000).astype(float)}))
