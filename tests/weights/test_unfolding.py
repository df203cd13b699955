"""Learned weights against samples whose ratio is known."""

import numpy as np
import pytest

from cortado.weights import learned_ratio, unfold

N = 20_000


def moments(values, weights):
    mean = np.average(values, weights=weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, weights=weights))


def test_gaussians_are_reweighted_by_their_ratio():
    """ln r = x mu - mu^2 / 2 for a mean of mu."""
    rng = np.random.default_rng(1)
    source, target = rng.normal(0, 1, N), rng.normal(0.5, 1, 2 * N)
    ratio = learned_ratio(source, target, members=2).nominal
    centre = np.abs(source) < 1.5
    true = 0.5 * source - 0.125 + np.log(2)  # twice as many events
    assert np.std(np.log(ratio)[centre] - true[centre]) < 0.12
    assert ratio.sum() == pytest.approx(len(target), rel=0.02)
    mean, width = moments(source, ratio)
    assert mean == pytest.approx(0.5, abs=0.03)
    assert width == pytest.approx(1.0, abs=0.04)


def test_equal_samples_get_weights_of_about_one():
    rng = np.random.default_rng(2)
    ratio = learned_ratio(rng.normal(size=(N, 2)), rng.normal(size=(N, 2)), members=2)
    assert np.std(np.log(ratio.nominal)) < 0.15  # noise of classifiers of 10,000 events each
    assert np.all((ratio.down <= ratio.nominal) & (ratio.nominal <= ratio.up))


def test_negative_weights_take_a_background_away():
    rng = np.random.default_rng(3)
    source, signal, background = rng.normal(0, 1, N), rng.normal(0.5, 1, N), rng.normal(-1, 1, N // 2)
    control = rng.normal(-1, 1, N // 2)
    target = np.concatenate([signal, background, control])
    weight = np.concatenate([np.ones(N + N // 2), -np.ones(N // 2)])
    # A classifier cannot be fitted well to negative weights event by event, but their mean is right.
    mean, _ = moments(source, learned_ratio(source, target, target_weight=weight, members=2).nominal)
    assert mean == pytest.approx(0.5, abs=0.08)


@pytest.fixture(scope="module")
def smeared():
    """Simulation of mean 0 and width 1, nature of mean 0.3 and width 0.8, seen with a resolution of one half."""
    rng = np.random.default_rng(4)
    particle, nature = rng.normal(0, 1, N), rng.normal(0.3, 0.8, N)
    return particle, particle + rng.normal(0, 0.5, N), nature, nature + rng.normal(0, 0.5, N)


def test_data_are_unfolded_to_nature(smeared):
    particle, detector, nature, data = smeared
    result = unfold(particle, detector, data, iterations=3)
    mean, width = moments(particle, result.weights.nominal)
    assert mean == pytest.approx(nature.mean(), abs=0.03)
    assert width == pytest.approx(nature.std(), abs=0.05)
    first, _ = moments(particle, result.by_iteration[0])
    assert abs(mean - 0.3) < abs(first - 0.3)  # iterations lead away from the simulation
    assert len(particle) / 3 < result.effective < len(particle)


def test_events_that_are_not_measured_follow_those_that_are(smeared):
    """Half of the events are lost, more of them on one side; the unfolded spectrum is that of all."""
    particle, detector, nature, data = smeared
    rng = np.random.default_rng(5)
    passed, seen = (rng.random(N) < 0.5 + 0.4 * np.tanh(values) for values in (particle, nature))
    lost = np.where(passed, detector, np.nan)  # they have no measured value
    result = unfold(particle, lost, data[seen], passed=passed, iterations=4)
    mean, width = moments(particle, result.weights.nominal)
    assert mean == pytest.approx(nature.mean(), abs=0.05)
    assert width == pytest.approx(nature.std(), abs=0.06)
    assert result.weights.nominal.sum() == pytest.approx(N, rel=0.06)


def test_any_classifier_of_scikit_learn_is_taken(smeared):
    from sklearn.linear_model import LogisticRegression

    particle, _, _, _ = smeared
    target = np.random.default_rng(6).normal(0.5, 1, N)
    ratio = learned_ratio(particle, target, classifier=lambda seed: LogisticRegression()).nominal
    centre = np.abs(particle) < 2
    np.testing.assert_allclose(np.log(ratio)[centre], 0.5 * particle[centre] - 0.125, atol=0.12)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"source": np.zeros((20, 2))}, "source has 2 features, target 1"),
        ({"source": np.zeros(5)}, r"source has the shape \(5, 1\), required: at least 10 events"),
        ({"target": np.full(20, np.nan)}, "target has 20 numbers that are not finite"),
        ({"source_weight": np.ones(3)}, r"weights of source need the shape \(20,\)"),
        ({"target_weight": -np.ones(20)}, "weights of target add up to -20, required: above 0"),
    ],
)
def test_samples_that_do_not_fit_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        learned_ratio(**{"source": np.zeros(20), "target": np.zeros(20), **given})


def test_bad_unfoldings_are_named():
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        unfold(np.zeros(20), np.zeros(20), np.zeros(20), iterations=0)
    with pytest.raises(ValueError, match="detector level"):
        unfold(np.zeros(20), np.zeros(10), np.zeros(20))
