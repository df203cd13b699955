"""What stands behind a mask is no number: metrics, weights and histograms refuse it, wherever it comes from."""

import awkward as ak
import hist
import numpy as np
import pytest

from cortado import histograms, metrics, weights
from cortado.masks import unmasked

MISSING = ak.to_numpy(ak.firsts(ak.Array([[3], [], [5], [1]])))
SCORES = np.ma.masked_array([0.9, 0.8, 0.1, 0.99], [0, 0, 0, 1])
LABELS = [1, 1, 0, 0]


def filled(values, given):
    histogram = histograms.book(hist.axis.Regular(10, 0, 10, name="n"))
    histograms.fill_variations(histogram, "qcd", {"n": values}, given)
    return histogram.sum(flow=True).value


@pytest.mark.parametrize(
    "use",
    [
        lambda: filled(MISSING, np.ones(4)),
        lambda: filled(np.ones(4), np.ma.masked_array(np.ones(4), [False, True, False, False])),
        lambda: metrics.auc(MISSING == 1, np.arange(4.0)),
        lambda: metrics.auc(LABELS, SCORES),
        lambda: metrics.auc(LABELS, np.arange(4.0), np.ma.masked_equal([1.0, 2.0, 1.0, 1.0], 2.0)),
        lambda: metrics.residuals(np.ma.masked_array(np.arange(9.0), np.arange(9) == 3)),
        lambda: weights.working_points(SCORES, LABELS, efficiencies=(0.5,)),
        lambda: weights.efficiency(np.ma.masked_array([True, False], [True, False])),
        lambda: weights.score_cuts(SCORES, (0.5,)),
    ],
)
def test_masked_values_are_refused(use):
    with pytest.raises(ValueError, match=r"1 of \d values are masked \(missing\): select without them, or fill them"):
        use()


def test_a_mask_that_hides_nothing_is_none():
    assert metrics.auc(LABELS, np.ma.masked_array([0.9, 0.8, 0.1, 0.2])).value == 1
    assert unmasked(np.ma.masked_array([1, 2]), np.float64).tolist() == [1.0, 2.0]
    assert not isinstance(unmasked(np.ma.masked_array([1, 2])), np.ma.MaskedArray)
