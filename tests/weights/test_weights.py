import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from cortado import weights
from cortado.weights import ScaleFactor


def sample(n=4000, seed=1):
    """Scores, truth and weights, some negative as those of next-to-leading-order generators."""
    rng = np.random.default_rng(seed)
    is_signal = rng.random(n) < 0.4
    scores = rng.beta(np.where(is_signal, 4, 2), np.where(is_signal, 2, 4)).astype(np.float32)
    return scores, is_signal, rng.exponential(1, n) * np.where(rng.random(n) < 0.1, -1, 1)


# Efficiencies


def test_efficiency_of_a_known_sample():
    passes = np.repeat([True, False], [30, 70])
    value, error = weights.efficiency(passes)
    assert value == pytest.approx(0.3)
    # Wilson at one standard deviation: sqrt(p q / n + 1 / 4 n^2) / (1 + 1 / n)
    assert error == pytest.approx(np.sqrt(0.3 * 0.7 / 100 + 0.25 / 100**2) / 1.01)
    assert weights.efficiency(passes, np.full(100, 7.0)) == pytest.approx((value, error))


@pytest.mark.parametrize("passes", [True, False])
def test_efficiency_where_all_or_none_pass_is_still_uncertain(passes):
    value, error = weights.efficiency(np.full(50, passes))
    assert value == passes
    assert error == pytest.approx(0.5 / 51)


def test_efficiency_errors_cover_as_often_as_they_should():
    n, true = 200, 0.2
    covered = 0.0
    for k in range(n + 1):
        value, error = weights.efficiency(np.arange(n) < k)
        covered += binom.pmf(k, n, true) * (abs(value - true) < error)
    assert covered == pytest.approx(0.683, abs=0.04)


def test_weighted_efficiency_errors_are_the_spread_of_pseudo_experiments():
    rng = np.random.default_rng(2)
    values, errors = [], []
    for _ in range(400):
        w = rng.exponential(1, 500)
        value, error = weights.efficiency(rng.random(500) < 0.3, w)
        values.append(value)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)


@pytest.mark.parametrize("w, message", [([], "0 jets whose weights sum to 0"), ([1.0, -2.0], "weights sum to -1")])
def test_efficiency_needs_a_positive_sum(w, message):
    with pytest.raises(ValueError, match=message):
        weights.efficiency(np.ones(len(w), bool), w)


def test_efficiency_needs_finite_weights():
    with pytest.raises(ValueError, match="1 of 3 weights are not finite, the first is nan at 1"):
        weights.efficiency([True, True, False], [1.0, np.nan, 1.0])


# Working points


@pytest.mark.parametrize("weighted", [False, True])
def test_working_points_measure_what_they_promise(weighted):
    scores, is_signal, w = sample()
    w = w if weighted else None
    for point, wanted in zip(weights.working_points(scores, is_signal, w, (0.3, 0.5, 0.95)), (0.3, 0.5, 0.95)):
        passes = scores >= point.threshold
        assert point.name == f"{100 * wanted:g}%"
        assert point.efficiency == pytest.approx(wanted, abs=0.005)
        assert point.efficiency >= wanted
        assert (point.efficiency, point.efficiency_err) == weights.efficiency(
            passes[is_signal], None if w is None else w[is_signal]
        )
        assert (point.mistag, point.mistag_err) == weights.efficiency(
            passes[~is_signal], None if w is None else w[~is_signal]
        )
        assert (point.n_signal, point.n_background) == (is_signal.sum(), (~is_signal).sum())


def test_equal_scores_are_kept_or_cut_together():
    (point,) = weights.working_points([0.9, 0.5, 0.5, 0.5, 0.1], [True] * 4 + [False], efficiencies=(0.5,))
    assert point.threshold == 0.5
    assert point.efficiency == 1.0
    assert point.mistag == 0.0


def test_three_tenths_of_ten_jets_are_three():
    (point,) = weights.working_points(np.arange(11) / 10, [False] + [True] * 10, efficiencies=(0.3,))
    assert point.efficiency == pytest.approx(0.3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_working_points_at_a_mistag_rate(dtype):
    """Ten of a thousand background jets, and not the eleventh, whatever rounds the threshold."""
    rng = np.random.default_rng(1)
    scores, is_signal = rng.random(1500).astype(dtype), np.arange(1500) < 500
    (point,) = weights.working_points(scores, is_signal, efficiencies=(), mistags=(0.01,))
    assert point.name == "1% mistag"
    assert point.mistag == pytest.approx(0.01)
    assert np.sum(scores[~is_signal] >= point.threshold) == 10
    assert point.efficiency == pytest.approx(np.mean(scores[is_signal] >= point.threshold))


def test_equal_scores_stay_below_the_mistag_rate():
    scores = [0.9, 0.8, 0.5, 0.5, 0.5, 0.1]
    (point,) = weights.working_points(scores, [True] + [False] * 5, efficiencies=(), mistags=(0.5,))
    assert point.mistag == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("mistag", "message"),
    [(0.001, "mistag rate of 0.001 cannot be measured with 3 background jets"), (1.0, r"must lie in \(0, 1\), got 1")],
)
def test_mistag_rates_say_what_is_wrong(mistag, message):
    with pytest.raises(ValueError, match=message):
        weights.working_points([0.9, 0.5, 0.2, 0.1], [True] + [False] * 3, efficiencies=(), mistags=(mistag,))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([0.1, 0.2], [True, False], None, (0.0,)), r"must lie in \(0, 1\), got 0.0"),
        (([0.1, 0.2], [True, False], None, (50,)), r"must lie in \(0, 1\), got 50"),
        (([0.1, np.nan], [True, False]), "1 of 2 scores are not finite, the first is nan at 1"),
        (([0.1, 0.2], [True, True]), "of 2 jets none is background"),
        (([0.1, 0.2], [False, False]), "of 2 jets none is signal"),
    ],
)
def test_working_points_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        weights.working_points(*arguments)


# Scale factors of working points


def loop_over_jets(passes, efficiency, s):
    """Slow twin."""
    return [
        np.prod([s if jet else (1 - s * efficiency) / (1 - efficiency) for jet in event if jet is not None])
        for event in passes
    ]


@pytest.mark.parametrize(
    "passes",
    [
        [[True, False], [], [False, False, True]],
        [[True, None], [None], [False]],
        [[], []],
    ],
)
def test_event_weights_are_products_over_jets(passes):
    varied = weights.working_point_weights(
        ak.values_astype(ak.Array(passes), bool), efficiency=0.5, scale_factor=0.9, scale_factor_err=0.1
    )
    for weight, s in zip(varied, (0.9, 1.0, 0.8)):
        assert weight.dtype == np.float64
        np.testing.assert_allclose(weight, loop_over_jets(passes, 0.5, s))


def test_efficiencies_and_scale_factors_of_each_jet():
    passes = ak.Array([[True, False], [False]])
    efficiency, s = ak.Array([[0.5, 0.2], [0.4]]), ak.Array([[0.9, 1.1], [1.2]])
    varied = weights.working_point_weights(passes, efficiency=efficiency, scale_factor=s, scale_factor_err=0.0)
    expected = [0.9 * (1 - 1.1 * 0.2) / 0.8, (1 - 1.2 * 0.4) / 0.6]
    for weight in varied:
        np.testing.assert_allclose(weight, expected)


def test_flat_and_optional_jets_are_one_per_event():
    passes = ak.Array([True, None, False])
    nominal, _, _ = weights.working_point_weights(passes, efficiency=0.5, scale_factor=0.9, scale_factor_err=0.1)
    np.testing.assert_allclose(nominal, [0.9, 1.0, 1.1])


@given(st.floats(0.01, 0.9), st.floats(0.5, 1.1), st.integers(1, 300))
@settings(max_examples=50, deadline=None)
def test_the_sum_of_weights_is_conserved(efficiency, s, n):
    passing = round(efficiency * n)
    measured = passing / n
    passes = np.arange(n) < passing
    if measured in (0, 1) or s * measured > 1:
        return
    nominal, _, _ = weights.working_point_weights(passes, efficiency=measured, scale_factor=s, scale_factor_err=0.0)
    assert nominal.sum() == pytest.approx(n)
    assert nominal[passes].sum() == pytest.approx(s * passing)


def test_results_alias_nothing():
    s = np.full(3, 0.9)
    varied = weights.working_point_weights(np.ones(3, bool), efficiency=0.5, scale_factor=s, scale_factor_err=0.0)
    for weight in varied:
        weight *= 2
    assert s.tolist() == [0.9] * 3
    assert not any(np.shares_memory(a, b) for a in varied for b in varied if a is not b)


@pytest.mark.parametrize(
    "passes, efficiency, s, s_err, message",
    [
        (False, 1.0, 1.0, 0.0, "1 jets fail the working point where its efficiency is 1"),
        (
            False,
            0.9,
            1.2,
            0.0,
            r"scale factor times efficiency must lie in \[0, 1\], got 1.08 at 0 \(1 of 1\)",
        ),
        (False, 0.9, 1.0, 0.2, "scale factor up times efficiency .* got 1.08"),
        (True, 1.5, 1.0, 0.0, r"efficiency must lie in \[0, 1\], got 1.5"),
        (True, 0.5, -0.1, 0.0, r"scale factor must lie in \[0, inf\], got -0.1"),
        (True, 0.5, np.inf, 0.0, "scale factor must lie in .* got inf"),
        (True, 0.5, np.nan, 0.0, "scale factor must lie in .* got nan"),
        (True, 0.5, 1.0, -0.1, "scale factor error must lie in .* got -0.1"),
        (True, 0.1, 1.0, 1.1, "scale factor down must lie in .* got -0.1"),
    ],
)
def test_impossible_scale_factors(passes, efficiency, s, s_err, message):
    with pytest.raises(ValueError, match=message):
        weights.working_point_weights([passes], efficiency=efficiency, scale_factor=s, scale_factor_err=s_err)


def test_scale_factors_may_vary_by_different_amounts_up_and_down():
    s = weights.WeightVariations(ak.Array([[0.9, None]]), ak.Array([[1.0, None]]), 0.5)
    varied = weights.working_point_weights(ak.Array([[True, None]]), efficiency=0.5, scale_factor=s)
    assert [weight.tolist() for weight in varied] == [[0.9], [1.0], [0.5]]
    failed = weights.working_point_weights(
        [False], efficiency=0.5, scale_factor=weights.WeightVariations(0.9, 1.0, 0.5)
    )
    np.testing.assert_allclose(failed, [[1.1], [1.0], [1.5]])


@pytest.mark.parametrize("given", [{}, {"scale_factor": weights.WeightVariations(1, 1, 1), "scale_factor_err": 0.1}])
def test_the_uncertainty_of_a_scale_factor_is_given_once(given):
    with pytest.raises(ValueError, match="required is scale_factor_err=, or WeightVariations, not both"):
        weights.working_point_weights([True], efficiency=0.5, **{"scale_factor": 1.0, **given})


def test_jets_may_all_pass_where_the_efficiency_is_one():
    varied = weights.working_point_weights([True], efficiency=1.0, scale_factor=0.9, scale_factor_err=0.05)
    np.testing.assert_allclose(varied, [[0.9], [0.95], [0.85]])


def test_binned_scale_factors():
    factor = ScaleFactor(value=(0.9, 1.1), error=(0.1, 0.2), pt_edges=(200, 500, np.inf))
    value, error = factor([200, 499.9, 500, 5000])
    assert value.tolist() == [0.9, 0.9, 1.1, 1.1]
    assert error.tolist() == [0.1, 0.1, 0.2, 0.2]
    assert [x.shape for x in factor([])] == [(0,), (0,)]
    assert ScaleFactor(value=0.9, error=0.1)([1, 2])[0].tolist() == [0.9, 0.9]
    assert ScaleFactor(value=(0.9,), error=(0.1,), pt_edges=(0, 10))([5])[0].tolist() == [0.9]


@pytest.mark.parametrize("pt", [199.0, 1000.0, np.nan])
def test_jets_outside_the_bins_of_a_scale_factor(pt):
    factor = ScaleFactor(value=(0.9, 1.1), error=(0.1, 0.2), pt_edges=(200, 500, 1000))
    with pytest.raises(ValueError, match=rf"1 of 2 jets, such as one of pT = {pt:g} GeV, lie outside .* 200 to 1000"):
        factor([300, pt])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"value": (1.0, 1.0), "error": 0.1}, "2 values and 1 errors for 1 pT bins"),
        ({"value": 1.0, "error": 0.1, "pt_edges": (0, 1, 2)}, "1 values and 1 errors for 2 pT bins"),
        ({"value": (1.0, 1.0), "error": (0.1, 0.1), "pt_edges": (0, 2, 1)}, r"must rise, got \(0, 2, 1\)"),
    ],
)
def test_scale_factors_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScaleFactor(**arguments)


# Likelihood ratios


def test_likelihood_ratio_of_two_gaussians_is_recovered():
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 200_000)
    # A perfect classifier, trained on three times as much of N(0.5, 1) as of N(0, 1).
    ratio = np.exp(0.5 * x - 0.125)
    nominal, _, _ = weights.likelihood_ratio_weights(3 * ratio / (1 + 3 * ratio), prior=3.0)
    np.testing.assert_allclose(nominal, ratio)
    assert np.average(x, weights=nominal) == pytest.approx(0.5, abs=0.01)


def test_likelihood_ratio_variations():
    score, error = np.array([0.2, 0.5, 0.9]), np.array([0.01, 0.0, 0.02])
    nominal, up, down = weights.likelihood_ratio_weights(score, score_err=error)
    np.testing.assert_allclose(nominal, [0.25, 1, 9])
    # To first order the variations are those of the ratio at score +- error.
    np.testing.assert_allclose(up, (score + error) / (1 - score - error), rtol=0.03)
    np.testing.assert_allclose(up * down, nominal**2)


def test_clipped_ratios_are_reported():
    with pytest.warns(UserWarning, match=r"2 of 3 likelihood-ratio weights clipped to 0.1 .. 10; .* from 0 to inf"):
        varied = weights.likelihood_ratio_weights([0.0, 0.5, 1.0], score_err=0.01, clip=(0.1, 10))
    np.testing.assert_allclose(varied.nominal, [0.1, 1, 10])
    assert np.isfinite(varied).all()


def test_ratios_inside_the_clip_are_not_reported(recwarn):
    weights.likelihood_ratio_weights([0.4, 0.5], clip=(0.1, 10))
    assert len(recwarn) == 0
    assert len(weights.likelihood_ratio_weights([]).nominal) == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"score": [0.5, 1.0]}, r"1 of 2 scores are 0 or 1, where the ratio is zero or infinite; give clip="),
        ({"score": [1.5]}, r"score must lie in \[0, 1\], got 1.5"),
        ({"score": [0.5, np.nan]}, r"score must lie in \[0, 1\], got nan at 1 \(1 of 2\)"),
        ({"score": [0.5], "prior": 0.0}, "prior must be positive, got 0.0"),
        ({"score": [0.5], "score_err": -0.1}, "score error must lie in .* got -0.1"),
        ({"score": [0.5], "clip": (0.0, 1.0)}, r"clip must be two rising positive numbers, got \(0.0, 1.0\)"),
    ],
)
def test_impossible_ratios(arguments, message):
    with pytest.raises(ValueError, match=message):
        weights.likelihood_ratio_weights(**arguments)
