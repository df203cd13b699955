"""Cuts at stated parts of the background, and planing: laws, slow twins, and what is refused."""

import numpy as np
import pytest

from cortado.weights import planing_weights, score_cuts, working_points


def test_cuts_pass_what_is_asked_for_and_no_more():
    rng = np.random.default_rng(1)
    scores = np.round(rng.normal(size=5000), 2).astype(np.float32)  # with ties
    cuts = score_cuts(scores, [0.01, 0.1])
    assert [cut.name for cut in cuts] == ["10%", "1%"]
    assert cuts[0].threshold < cuts[1].threshold
    for cut, wanted in zip(cuts, (0.1, 0.01)):
        passing = np.mean(scores >= cut.threshold)
        assert cut.efficiency.value == pytest.approx(passing)
        assert passing <= wanted
        assert np.mean(scores >= cut.threshold - 0.01) > wanted
        assert cut.efficiency.error == pytest.approx(np.sqrt(passing * (1 - passing) / 5000), rel=0.05)


def test_cuts_are_those_of_the_working_points_of_labelled_samples():
    rng = np.random.default_rng(2)
    background, w = rng.normal(size=800), rng.uniform(0.5, 2, 800)
    points = working_points(
        np.append(background, 3.0), np.arange(801) == 800, np.append(w, 1.0), efficiencies=(), mistags=(0.2, 0.03)
    )
    cuts = score_cuts(background, [0.2, 0.03], w)
    assert [cut.threshold for cut in cuts] == [point.threshold for point in points]
    assert [cut.efficiency.value for cut in cuts] == pytest.approx([point.mistag for point in points])


@pytest.mark.parametrize(
    "scores, efficiencies, message",
    [
        ([], [0.1], r"shape \(0,\)"),
        ([1.0, np.nan], [0.5], "1 of 2 scores are not finite"),
        ([1.0, 2.0], [], r"efficiencies are \[\]"),
        ([1.0, 2.0], [0.5, 0.5], "each once"),
        ([1.0, 2.0], [1.5], r"must lie in \(0, 1\), got 1.5"),
        ([1.0, 2.0], [0.01], "0.01 cannot be measured with 2"),
    ],
)
def test_cuts_that_cannot_be_measured_are_named(scores, efficiencies, message):
    with pytest.raises(ValueError, match=message):
        score_cuts(scores, efficiencies)


EDGES = np.array([0.0, 1.0, 3.0, 4.0])


def test_planed_masses_are_flat():
    rng = np.random.default_rng(3)
    masses, given = 4 * rng.beta(1, 3, 4000), rng.uniform(0.5, 2, 4000)
    for weights in (None, given):
        planed = planing_weights(masses, EDGES, weights=weights)
        total = planed if weights is None else planed * weights
        density = np.histogram(masses, EDGES, weights=total)[0] / np.diff(EDGES)
        np.testing.assert_allclose(density, density[0])
        before = np.ones(4000) if weights is None else weights
        assert total.sum() == pytest.approx(before.sum())


def test_planed_masses_are_like_others():
    rng = np.random.default_rng(4)
    masses, others = 4 * rng.beta(1, 3, 4000), 4 * rng.beta(2, 2, 3000)
    planed = planing_weights(masses, EDGES, like=others)
    ours = np.histogram(masses, EDGES, weights=planed)[0] / 4000
    np.testing.assert_allclose(ours, np.histogram(others, EDGES)[0] / 3000)
    np.testing.assert_allclose(planing_weights(masses, EDGES, like=masses), 1)


@pytest.mark.parametrize(
    "values, edges, options, message",
    [
        ([0.5, 5.0], EDGES, {}, "1 of 2 values, from 0.5 to 5, are outside of the bins, 0 to 4"),
        ([0.5, np.inf], EDGES, {}, "values are not finite"),
        ([0.5], [1.0], {}, "two or more rising numbers"),
        ([0.5], EDGES, {"like": [1.0], "weights": [1.0]}, "a sample to be like has none"),
        ([0.5, 2.0], EDGES, {"weights": [1.0, -1.0]}, "1 of 2 values are in bins whose weights sum to no positive"),
    ],
)
def test_masses_that_cannot_be_planed_are_named(values, edges, options, message):
    with pytest.raises(ValueError, match=message):
        planing_weights(values, edges, **options)
