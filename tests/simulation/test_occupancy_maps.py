import awkward as ak
import numpy as np
import pytest

import cortado
from cortado.simulation import FAULTS, simulate_maps
from cortado.simulation.occupancy_maps import detector


def made(path, **settings):
    summary = simulate_maps(path, **{"maps": 400, "hits": 20_000, "shape": (16, 24), **settings})
    return summary, ak.flatten(cortado.read(path).maps)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return made(tmp_path_factory.mktemp("maps") / "maps.root", maps=2000, faulty=1.0, drift=0.0)


def test_good_maps_are_poisson_around_the_detector(tmp_path):
    summary, maps = made(tmp_path / "maps.root", maps=1000, drift=0.0)
    values = ak.to_numpy(maps["values"]).astype(float)
    assert summary.faults == {"good": 1000, "dead": 0, "hot": 0, "noisy": 0, "low_efficiency": 0, "stripe": 0}
    assert summary.hits == pytest.approx(values.sum() / 1000)
    expected = values.sum(axis=(1, 2), keepdims=True) * detector((16, 24))
    live = detector((16, 24)) > 0
    chi2 = ((values - expected) ** 2)[:, live] / expected[:, live]
    assert chi2.mean() == pytest.approx(1, abs=0.02)
    assert not values[:, ~live].any()


def test_drift_is_of_runs(tmp_path):
    _, maps = made(tmp_path / "maps.root", hits=1e7, drift=0.05)
    share = ak.to_numpy(maps["values"]) / ak.to_numpy(maps["values"]).sum(axis=(1, 2), keepdims=True)
    ratio = (share / np.maximum(detector((16, 24)), 1e-12)).reshape(20, 20, 16, 24)[..., detector((16, 24)) > 0]
    within, between = ratio.std(axis=1).mean(), ratio.mean(axis=1).std(axis=0).mean()
    assert between > 5 * within * 0.8
    assert between == pytest.approx(0.05, rel=0.6)


def test_hits_fall_within_a_run(tmp_path):
    _, maps = made(tmp_path / "maps.root", maps=2000)
    by_lumi = ak.to_numpy(maps.entries).reshape(100, 20).mean(axis=0)
    assert by_lumi[-1] / by_lumi[0] == pytest.approx(2 ** (-19 / 20), rel=0.02)
    assert by_lumi.mean() == pytest.approx(20_000, rel=0.1)


@pytest.mark.parametrize(
    "kind, factor", [("dead", 0), ("hot", 2), ("noisy", 10), ("low_efficiency", 0.7), ("stripe", 0.5)]
)
def test_cells_of_a_fault_have_its_factor(faulty, kind, factor):
    _, maps = faulty
    chosen = maps[maps.fault == FAULTS.index(kind)]
    values, inside = ak.to_numpy(chosen["values"]), ak.to_numpy(chosen.fault_cells)
    share = detector((16, 24))
    level = (values * ~inside).sum(axis=(1, 2)) / (share * ~inside).sum(axis=(1, 2))
    expected = (level[:, None, None] * share * inside).sum()
    assert len(chosen) > 300
    assert (values * inside).sum() / expected == pytest.approx(factor, rel=0.05)


def test_faults_have_their_size(faulty):
    _, maps = faulty
    cells = ak.to_numpy(ak.sum(ak.sum(maps.fault_cells, axis=-1), axis=-1))
    kind = ak.to_numpy(maps.fault)
    assert set(cells[kind == FAULTS.index("hot")]) == {4, 6, 8, 9, 12, 16}
    assert set(cells[kind == FAULTS.index("noisy")]) == {1, 2, 3}
    assert set(cells[kind == FAULTS.index("low_efficiency")]) == {16 * 3}
    assert set(cells[kind == FAULTS.index("stripe")]) == {16, 24}
    assert (cells > 0).all()


def test_lasting_faults_stay_to_the_end_of_their_run(tmp_path):
    _, maps = made(tmp_path / "maps.root", faulty=0.8, lasting=True)
    kind = ak.to_numpy(maps.fault).reshape(20, 20)
    assert (np.diff((kind > 0).astype(int), axis=1) >= 0).all()
    assert all(len(set(run) - {0}) <= 1 for run in kind)
    assert 0 < (kind > 0).mean() < 0.8


def test_starved_maps_have_hardly_any_hits(tmp_path):
    _, maps = made(tmp_path / "maps.root", starved=0.2)
    assert np.mean(ak.to_numpy(maps.entries) < 200) == pytest.approx(0.2, abs=0.07)


def test_the_same_seed_gives_the_same_maps_and_another_one_others(tmp_path):
    maps = [made(tmp_path / f"{k}.root", maps=60, faulty=0.5, seed=seed)[1] for k, seed in enumerate((1, 1, 2))]
    assert maps[0].tolist() == maps[1].tolist()
    assert set(ak.to_numpy(maps[0].run)).isdisjoint(ak.to_numpy(maps[2].run))
    assert maps[0]["values"].tolist() != maps[2]["values"].tolist()


def test_progress_counts_all_maps(tmp_path):
    seen = []
    simulate_maps(tmp_path / "maps.root", maps=1500, hits=100, shape=(4, 4), progress=seen.append)
    assert sum(seen) == 1500


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"maps": 0}, "maps is 0; it must be from 1"),
        ({"faulty": 1.5}, "faulty is 1.5; it must be a probability"),
        ({"starved": -0.1}, "starved is -0.1; it must be a probability"),
        ({"hits": 0}, "hits is 0, drift 0.03; required"),
        ({"drift": 0.9}, "drift 0.9; required"),
        ({"kinds": ("dead", "hott")}, "kind of fault = 'hott', required: one of dead, hot, .*; nearest: hot"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        simulate_maps(tmp_path / "maps.root", **{"maps": 10, **settings})
