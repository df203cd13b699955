"""Robust fits: how tracks are weighted, and where a fit begins."""

import numpy as np
import pytest
from reconstruction.helix_toys import toy_directions, toy_tracks

from cortado.reconstruction.annealing import _weights, seeds
from cortado.reconstruction.matrices import inverse
from cortado.reconstruction.priors import constraint


def test_weights():
    assert _weights(np.array([9.0]), 3.0, 5.0) == pytest.approx(0.5)
    assert _weights(np.array([4.0, 300.0]), 3.0, 2.0) == pytest.approx(1 / (1 + np.exp(np.array([-5, 291]) / 4)))
    assert _weights(np.array([1e9]), 3.0, 1.0).tolist() == [0.0]


def test_a_fit_begins_at_a_crossing_of_the_first_tracks_with_which_most_of_all_agree():
    """The first tracks are of the smaller of two vertices; the larger is found once two of its own are tried."""
    rng = np.random.default_rng(4)
    position = np.repeat([[5.0, 0, 0], [0, 0, 8.0]], [4, 8], axis=0)
    parameters, covariance = toy_tracks(rng, position, toy_directions(rng, 12))
    group = np.zeros(12, dtype=int)

    def found(most, cells=2**21):
        known = constraint(None, 1)
        return seeds(parameters, inverse(covariance), group, known, 3.0, 2.0, most=most, cells=cells)[0]

    assert found(4) == pytest.approx([5, 0, 0], abs=0.1)
    assert found(6) == pytest.approx([0, 0, 8], abs=0.1)
    assert found(12).tolist() == found(99).tolist() == found(None).tolist() == found(None, cells=1).tolist()
