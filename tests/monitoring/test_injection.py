"""Faults that are put into good maps change what they say they change, and nothing else."""

import awkward as ak
import numpy as np
import pytest
from toy_maps import SHAPE, toy_maps

from cortado import monitoring
from cortado.readers.occupancy import map_record

BINS = 40


@pytest.fixture(scope="module")
def histograms():
    """Peaks of many entries; and one without any."""
    rng = np.random.default_rng(3)
    peaks = np.exp(-0.5 * ((np.arange(BINS) - rng.uniform(15, 25, (50, 1))) / 3) ** 2)
    values = rng.poisson(200 * peaks)
    values[-1] = 0
    return map_record(np.arange(50) + 7, np.arange(50) % 5, ["digi"] * 50, values)


def counts(maps):
    return ak.to_numpy(maps["values"]).astype(int)


def broken(histograms, fault, **options):
    made = monitoring.with_histogram_fault(histograms, fault, **options)
    for field in ("run", "lumi", "name"):
        assert made[field].tolist() == histograms[field].tolist()
    assert counts(made)[-1].sum() == 0
    return counts(histograms)[:-1], counts(made)[:-1]


def test_a_shifted_peak_is_the_same_peak(histograms):
    before, after = broken(histograms, "peak shifted by 3 bins")
    sides = [[k for k in (-3, 3) if (np.roll(b, k) == a).all()] for b, a in zip(before, after)]
    assert all(len(each) == 1 for each in sides)
    assert len({each[0] for each in sides}) == 2


def test_half_of_the_entries_are_missing_beside_the_median(histograms):
    before, after = broken(histograms, "half missing")
    for b, a in zip(before, after):
        middle = next(k for k in range(BINS) if 2 * b[: k + 1].sum() >= b.sum())
        left, right = (b * (np.arange(BINS) <= middle), b * (np.arange(BINS) >= middle))
        assert (a == left).all() or (a == right).all()


def test_a_spike_adds_a_tenth_in_one_bin_with_entries(histograms):
    before, after = broken(histograms, "spike")
    more = after - before
    assert ((more > 0).sum(axis=1) == 1).all()
    assert (before[more > 0] > 0).all()
    assert more.sum() / before.sum() == pytest.approx(0.1, abs=5 * np.sqrt(0.1 / before.sum()))


def test_nine_bins_lose_a_part(histograms):
    before, after = broken(histograms, "lower efficiency")
    lost, touched = before - after, np.zeros_like(before, bool)
    assert (lost >= 0).all()
    for mine, each in zip(touched, lost):
        (where,) = np.nonzero(each)
        assert where[-1] - where[0] < 9
        mine[where[0] : where[-1] + 1] = True
    assert after[touched].sum() / before[touched].sum() == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("fault", monitoring.HISTOGRAM_FAULTS)
def test_the_places_follow_from_the_seed(histograms, fault):
    _, first = broken(histograms, fault, seed=2)
    _, again = broken(histograms, fault, seed=2)
    _, other = broken(histograms, fault, seed=3)
    assert (first == again).all()
    assert (first != other).any()


def test_only_known_faults_of_histograms_are_made(histograms):
    with pytest.raises(
        ValueError, match=r"fault = 'spikes', required: one of peak shifted by 3 bins, .*; nearest: spike"
    ):
        monitoring.with_histogram_fault(histograms, "spikes")
    with pytest.raises(ValueError, match="maps have 8 x 12 cells, required: one dimension"):
        monitoring.with_histogram_fault(toy_maps(3), "spike")


@pytest.mark.parametrize(("side", "factor"), [(1, 0.0), (2, 2.0), (3, 0.5)])
def test_a_square_holds_a_live_cell_and_goes_over_the_seam_of_the_rows(side, factor):
    live = np.zeros(SHAPE, bool)
    live[[0, -1, 3], [0, -1, 5]] = True
    one = toy_maps(1)[0]
    made = monitoring.with_squares(one, live, side, factor, places=200, seed=[1, side])
    assert set(made.run.tolist()) == {one.run}
    before, tops = counts(toy_maps(1))[0], set()
    for after in counts(made):
        matches = []
        for top in range(SHAPE[0]):  # the slow way: every square that can be
            for left in range(SHAPE[1] - side + 1):
                inside = np.zeros(SHAPE, bool)
                for row in range(top, top + side):
                    inside[row % SHAPE[0], left : left + side] = True
                if (after == np.where(inside, np.round(before * factor), before)).all():
                    matches.append((top, (inside & live).any()))
        assert [holds for _, holds in matches] == [True]
        tops.add(matches[0][0])
    over_the_seam = {top for top in tops if top + side > SHAPE[0]}
    assert len(over_the_seam) == side - 1


def test_a_map_without_live_cells_is_refused():
    with pytest.raises(ValueError, match="no cell works, required: at least one"):
        monitoring.with_squares(toy_maps(1)[0], np.zeros(SHAPE, bool), 1, 0.0, places=3)
