"""Decorrelation: slow twins over all pairs, limits, invariances, errors against repetition, and bad input."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from cortado.metrics import distance_correlation, mass_sculpting


def slow(x, y, w):
    """From the distances of all pairs."""
    w = w / w.sum()

    def centred(values):
        distance = np.abs(values[:, None] - values)
        mean = distance @ w
        return distance - mean[:, None] - mean + w @ mean

    a, b, pairs = centred(x), centred(y), np.outer(w, w)
    return np.sqrt((pairs * a * b).sum() / np.sqrt((pairs * a * a).sum() * (pairs * b * b).sum()))


@pytest.fixture(params=["line", "circle", "ties", "heavy"])
def numbers(request):
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(2, 301))
    return {
        "line": (x, x + noise),
        "circle": (np.cos(x * 3), np.sin(x * 3) + 0.1 * noise),
        "ties": (np.round(x), np.round(x + noise)),
        "heavy": (np.exp(3 * x), 1e6 + noise / x),
    }[request.param]


@pytest.mark.parametrize("weighted", [False, True])
def test_distance_correlation_equals_that_of_all_pairs(numbers, weighted):
    w = np.random.default_rng(2).exponential(size=301) if weighted else np.ones(301)
    found = distance_correlation(*numbers, w if weighted else None)
    assert found.distance.value == pytest.approx(slow(*numbers, w), rel=1e-7)


def test_distance_correlation_does_not_mind_order_units_sign_or_which_is_first(numbers):
    x, y = numbers
    reference = distance_correlation(x, y).distance.value
    shuffled = np.random.default_rng(3).permutation(301)
    assert distance_correlation(x[shuffled], y[shuffled]).distance.value == pytest.approx(reference, rel=1e-9)
    assert distance_correlation(5 - 1000 * x, y).distance.value == pytest.approx(reference, rel=1e-9)
    assert distance_correlation(y, x).distance.value == pytest.approx(reference, rel=1e-9)


def test_whole_weights_count_as_repetition(numbers):
    x, y = numbers
    w = np.random.default_rng(4).integers(0, 4, 301)
    repeated = distance_correlation(np.repeat(x, w), np.repeat(y, w)).distance.value
    assert distance_correlation(x, y, w).distance.value == pytest.approx(repeated, rel=1e-9)


def test_lines_are_fully_correlated_and_independent_numbers_lie_on_the_floor():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 3000))
    assert distance_correlation(x, 3 - 2 * x).distance.value == pytest.approx(1)
    none = distance_correlation(x, y)
    assert none.distance.value == pytest.approx(none.floor, abs=0.015)
    hidden = distance_correlation(x, x**2)  # linear correlation is 0
    assert hidden.distance.value > 10 * hidden.floor


def test_the_error_of_the_distance_correlation_is_its_scatter():
    rng = np.random.default_rng(6)
    found = []
    for _ in range(60):
        x, noise = rng.normal(size=(2, 400))
        found.append(distance_correlation(x, x + noise, permutations=1).distance)
    values, errors = np.array([estimate[:2] for estimate in found]).T
    assert np.mean(errors) == pytest.approx(values.std(), rel=0.35)


EDGES = np.linspace(0, 4, 9)


@pytest.mark.parametrize("weighted", [False, True])
def test_sculpting_is_the_divergence_of_the_two_spectra(weighted):
    rng = np.random.default_rng(7)
    masses = rng.exponential(size=5000)
    scores = masses + rng.normal(size=5000)
    w = rng.exponential(size=5000) if weighted else np.ones(5000)
    found = mass_sculpting(masses, scores, EDGES, w if weighted else None, efficiency=0.2)
    order = np.argsort(-scores)
    passed = np.zeros(5000, bool)
    passed[order[: np.searchsorted(np.cumsum(w[order]), 0.2 * w.sum() * (1 - 1e-12)) + 1]] = True
    inside = np.minimum(masses, 3.999)
    spectra = [np.histogram(inside[chosen], EDGES, weights=w[chosen])[0] for chosen in (passed, ~passed)]
    assert found.distance.value == pytest.approx(jensenshannon(*spectra, base=2) ** 2, rel=1e-9)
    assert found.distance.value > 10 * found.floor


def test_a_score_that_does_not_know_the_mass_lies_on_the_floor_and_one_that_is_the_mass_at_the_top():
    rng = np.random.default_rng(8)
    masses, scores = rng.exponential(size=20_000), rng.normal(size=20_000)
    none = mass_sculpting(masses, scores, EDGES, efficiency=0.05)
    assert none.distance.value < 3 * none.floor
    assert mass_sculpting(masses, masses, [0, np.quantile(masses, 0.95), 99], efficiency=0.05).distance.value > 0.98


def test_the_error_of_sculpting_is_its_scatter():
    rng = np.random.default_rng(9)
    found = []
    for _ in range(60):
        masses = rng.exponential(size=2000)
        found.append(
            mass_sculpting(masses, masses + rng.normal(size=2000), EDGES, efficiency=0.3, resamples=50).distance
        )
    values, errors = np.array([estimate[:2] for estimate in found]).T
    assert np.mean(errors) == pytest.approx(values.std(), rel=0.35)


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        (([1.0] * 30, np.arange(30)), {}, "all 30 numbers of first are 1"),
        ((np.arange(30), np.arange(29)), {}, "first has 30 numbers, second 29"),
        ((np.arange(30), np.arange(30)), {"groups": 16}, "needed are 2 groups of 2 events"),
        ((np.arange(30), np.arange(30)), {"permutations": 0}, "1 permutation, or more"),
        (([np.nan] * 30, np.arange(30)), {}, "30 of 30 values of the first sample are not finite"),
        ((np.arange(30), np.arange(30), -np.ones(30)), {}, "30 of 30 weights of the first sample are negative"),
    ],
)
def test_numbers_that_have_no_distance_correlation_are_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        distance_correlation(*arguments, **options)


@pytest.mark.parametrize(
    "scores, edges, options, message",
    [
        ([1.0, 2.0], [0, 1], {}, "there are 3 masses and 2 scores"),
        ([1.0, 1.0, 1.0], [0, 1], {}, "all 3 events pass the threshold 1"),
        ([1.0, 2.0, 3.0], [1, 0], {}, "two or more rising numbers"),
        ([1.0, 2.0, 3.0], [0, 1], {"efficiency": 1.0}, "efficiency is 1.0"),
        ([1.0, 2.0, 3.0], [0, 1], {"resamples": 1}, "resamples 1"),
        ([1.0, 2.0, np.inf], [0, 1], {}, "score sample are not finite"),
    ],
)
def test_cuts_whose_sculpting_is_not_defined_are_named(scores, edges, options, message):
    with pytest.raises(ValueError, match=message):
        mass_sculpting([1.0, 2.0, 3.0], scores, edges, **options)
