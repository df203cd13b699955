import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import kstest

from cortado.scaling import QuantileScaling, fit_quantiles


class Inputs(NamedTuple):
    features: np.ndarray
    mask: np.ndarray | None = None


def sample(n=20_000, seed=0):
    """A narrow peak with a far tail, and a feature that is zero for 30 % of the entries."""
    rng = np.random.default_rng(seed)
    peak = 15 + rng.standard_cauchy(n)
    layer = np.where(rng.random(n) < 0.3, 0, rng.exponential(2, n))
    return Inputs(np.stack([peak, layer], axis=1).astype(np.float32))


NAMES = ("width", "energy")


def test_entries_that_were_not_in_the_fit_become_normal():
    mapped = fit_quantiles([sample()], NAMES)(sample(seed=1)).features
    assert mapped.dtype == np.float32
    inner = mapped[np.abs(mapped[:, 0]) < 3.4, 0]
    assert kstest(inner, "norm").pvalue > 1e-3
    assert np.abs(mapped).max() <= 3.5


def test_the_order_stays_and_equal_values_become_their_mean_quantile():
    inputs = sample()
    mapped = fit_quantiles([inputs], NAMES)(inputs).features
    order = inputs.features[:, 0].argsort()
    assert (np.diff(mapped[order, 0]) >= 0).all()
    zeros = mapped[inputs.features[:, 1] == 0, 1]
    assert len(set(zeros.tolist())) == 1
    assert -3.5 < zeros[0] < -0.52  # of the lowest 30 %: -0.52 is where they end


@pytest.mark.parametrize("edges", [[1], [10, 11, 300], list(range(1, 1000, 7))])
@pytest.mark.parametrize("most", [300, 10**6])
def test_the_fit_does_not_depend_on_the_chunks(edges, most):
    features = sample(2_000).features
    parts = [Inputs(part) for part in np.split(features, edges)]
    assert fit_quantiles(parts, NAMES, most=most) == fit_quantiles([Inputs(features)], NAMES, most=most)


def test_a_part_of_a_large_sample_is_enough():
    whole, part = (fit_quantiles([sample()], NAMES, most=most)(sample(seed=1)).features for most in (10**6, 5_000))
    assert np.abs(whole - part)[np.abs(whole) < 2].mean() < 0.03


def test_padded_entries_stay_zero_and_are_not_in_the_fit():
    features = sample(600).features.reshape(100, 6, 2)
    mask = np.arange(6) < np.arange(100)[:, None] % 7
    inputs = Inputs(np.where(mask[..., None], features, 0), mask)
    scaling = fit_quantiles([inputs], NAMES)
    assert scaling == fit_quantiles([Inputs(features[mask])], NAMES)
    assert not scaling(inputs).features[~mask].any()


def test_what_cannot_be_fitted():
    with pytest.raises(ValueError, match="cannot fit a scaling: b is the same for all of 5 entries"):
        fit_quantiles([Inputs(np.stack([np.arange(5), np.ones(5)], axis=1).astype(np.float32))], ("a", "b"))
    with pytest.raises(ValueError, match="cannot fit a scaling: a is not finite"):
        fit_quantiles([Inputs(np.array([[1.0], [np.nan]], np.float32))], ("a",))
    with pytest.raises(ValueError, match="the sample has no entries"):
        fit_quantiles([], ("a",))
    with pytest.raises(ValueError, match=r"scaling of 2 features \(width, energy\), got 3"):
        fit_quantiles([sample()], NAMES)(Inputs(np.ones((4, 3), np.float32)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "b")}, "2 names"),
        ({"quantiles": ((1.0, 1.0),)}, "rising"),
        ({"normal": ((0.0, 1.0, 2.0),)}, "a has 2 quantiles and 3 normal values"),
    ],
)
def test_scalings_that_cannot_be(changes, message):
    scaling = QuantileScaling(names=("a",), quantiles=((1.0, 2.0),), normal=((-1.0, 1.0),))
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(scaling, **changes)


def test_there_is_no_way_back():
    with pytest.raises(ValueError, match="no inverse"):
        fit_quantiles([sample()], NAMES).inverse(np.zeros((1, 2), np.float32))
