"""Parametric dijets: the distributions they promise, the same from the same seed, and numbers that are refused."""

import numpy as np
import pytest
from scipy import stats

from cortado import ntuples
from cortado.simulation import dijets, simulate_dijets

NAMES = ["run", "luminosityBlock", "event", "mjj", "mj1", "mj2", "tau21_1", "tau21_2", "delta_eta", "weight", "label"]


def read(path):
    chunks = [ntuples.arrays(step, NAMES) for step in ntuples.steps(str(path))]
    return {name: np.concatenate([np.asarray(chunk[name]) for chunk in chunks]) for name in NAMES}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("dijets") / "mixed.root"
    summary = simulate_dijets(path, events=40_000, signal=8000, mass=3500, seed=3)
    return summary, read(path)


def test_what_was_made(sample):
    summary, events = sample
    assert summary[1:] == (40_000, 8000)
    assert list(ntuples.branch_names(str(summary.path))) == NAMES
    assert events["label"].sum() == 8000
    assert np.all(events["weight"] == 1)
    assert np.all(events["event"] == np.arange(40_000))
    halves = events["label"].reshape(2, -1).sum(axis=1)
    assert abs(halves[0] - 4000) < 4 * np.sqrt(8000 * 0.25 * 0.8)


def test_background_falls_as_promised(sample):
    _, events = sample
    masses = events["mjj"][events["label"] == 0]
    grid = np.linspace(*dijets.RANGE, 20_001)
    density = (1 - grid / 13_000) ** 10 / (grid / 13_000) ** 5
    cumulative = np.cumsum(density) / density.sum()
    assert stats.kstest(masses, lambda m: np.interp(m, grid, cumulative)).pvalue > 1e-3


def test_signal_is_a_gaussian_with_two_massive_jets_of_two_prongs(sample):
    _, events = sample
    signal = events["label"] == 1
    assert stats.kstest(events["mjj"][signal], "norm", (3500, 140)).pvalue > 1e-3
    for name, mass in (("mj1", 500), ("mj2", 100)):
        assert np.median(events[name][signal]) == pytest.approx(mass, rel=0.01)
    for name in ("tau21_1", "tau21_2"):
        assert events[name][signal].mean() < events[name][~signal].mean() - 0.2
    assert events["delta_eta"][signal].mean() < events["delta_eta"][~signal].mean() - 0.1


def test_features_are_in_their_ranges_and_weakly_correlated_with_the_dijet_mass(sample):
    _, events = sample
    background = events["label"] == 0
    assert np.all(events["mj1"] >= events["mj2"])
    assert np.all((events["delta_eta"] >= 0) & (events["delta_eta"] <= 1.4))
    for name, low, high in (("mj1", 0.05, 0.3), ("tau21_1", -0.3, -0.05), ("delta_eta", -0.02, 0.02)):
        assert low < stats.spearmanr(events["mjj"][background], events[name][background]).statistic < high


def test_same_seed_same_file_and_more_units_continue_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dijets, "UNIT", 100)
    seen = []
    simulate_dijets(tmp_path / "a.root", events=250, seed=5, progress=seen.append)
    simulate_dijets(tmp_path / "b.root", events=250, seed=5)
    simulate_dijets(tmp_path / "c.root", events=250, seed=6)
    assert seen == [100, 100, 50]
    a, b, c = (read(tmp_path / name)["mjj"] for name in ("a.root", "b.root", "c.root"))
    np.testing.assert_array_equal(a, b)
    assert not np.isin(c, a).any()
    assert len(np.unique(a)) == 250


@pytest.mark.parametrize(
    "options, message",
    [
        ({"events": 0}, "events is 0"),
        ({"seed": 0}, "seed is 0"),
        ({"events": 10, "signal": 11}, "signal is 11; it must be from 0 to the number of events, 10"),
        ({"mass": 1000}, "mass is 1000 GeV"),
        ({"resolution": 0}, "resolution is 0"),
        ({"daughters": (2000, 100)}, "half of 3500 GeV"),
    ],
)
def test_bad_numbers_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        simulate_dijets(tmp_path / "a.root", **options)
