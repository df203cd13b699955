import awkward as ak
import h5py
import numpy as np
import pytest
import uproot

pytest.importorskip("pythia8mc", reason="needs the extra `sim`", exc_type=ImportError)

from cortado.simulation import simulate_showers
from cortado.simulation.showers import simulate as simulate_room

LAYERS = {"layer_0": (3, 96), "layer_1": (12, 12), "layer_2": (12, 6), "overflow": (3,)}


def simulate(path, **options):
    summary = simulate_showers(path, **({"showers": 20, "energy": (0.1, 0.5), "workers": 1} | options))
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return summary, {name: values[...] for name, values in file.items()}
    with uproot.open(path) as file:
        return summary, {name: ak.to_numpy(values) for name, values in file["showers"].arrays(how=dict).items()}


@pytest.mark.parametrize("name", ["showers.root", "showers.h5"])
def test_dialect_of_calogan(tmp_path, name):
    summary, columns = simulate(tmp_path / name, particle="positron", energy=(1.0, 2.0))
    assert (summary.path, summary.particle, summary.showers) == (tmp_path / name, "positron", 20)
    assert list(columns) == ["energy", *LAYERS, "pdg_id"] or set(columns) == {"energy", *LAYERS, "pdg_id"}
    for layer, shape in LAYERS.items():
        assert columns[layer].shape == (20, *shape)
        assert columns[layer].dtype == np.float32
        assert columns[layer].min() >= 0
    assert columns["pdg_id"].tolist() == [-11] * 20
    assert 1 <= columns["energy"].min() < columns["energy"].max() <= 2  # GeV
    total = sum(columns[layer].reshape(20, -1).sum(axis=1) for layer in LAYERS)  # MeV
    assert total / 1000 / columns["energy"] == pytest.approx(np.full(20, 0.995), abs=0.03)


def test_root_and_hdf5_hold_the_same(tmp_path):
    first, second = (simulate(tmp_path / name)[1] for name in ("showers.root", "showers.h5"))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_summary_says_where_the_energy_went(tmp_path):
    summary, columns = simulate(tmp_path / "photons.root", energy=(0.5, 1.0))
    incident = columns["energy"].astype(float).sum() * 1000
    assert summary.in_cells * incident == pytest.approx(
        sum(columns[f"layer_{number}"].astype(float).sum() for number in range(3)), rel=1e-5
    )
    assert summary.overflow * incident == pytest.approx(columns["overflow"].astype(float).sum(), rel=1e-5)
    assert summary.in_cells + summary.overflow + summary.leaked + summary.lost == pytest.approx(1, abs=1e-6)


def test_same_showers_for_any_number_of_workers(tmp_path, monkeypatch, one_worker):
    monkeypatch.setattr(simulate_room, "UNIT", 8)
    ticks = []
    one, first = simulate(tmp_path / "one.root", seed=4)
    two, again = simulate(tmp_path / "two.root", seed=4, workers=2, progress=ticks.append)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert one._replace(path=None) == two._replace(path=None)
    assert ticks == [8, 8, 4]


def test_units_do_not_show_and_longer_samples_start_alike(tmp_path, monkeypatch):
    _, whole = simulate(tmp_path / "whole.root")
    monkeypatch.setattr(simulate_room, "UNIT", 3)
    _, pieces = simulate(tmp_path / "pieces.root", showers=10)
    assert np.array_equal(whole["layer_1"][:10], pieces["layer_1"])


def test_no_two_samples_share_a_shower(tmp_path):
    samples = [{"seed": 1}, {"seed": 2}, {"particle": "electron"}, {"particle": "positron"}, {"particle": "pion"}]
    energies = [simulate(tmp_path / "showers.root", **options)[1]["energy"] for options in samples]
    assert len(np.unique(np.concatenate(energies))) == 100


def test_spectra(tmp_path):
    options = {"showers": 400, "energy": (0.1, 1.0)}
    _, flat = simulate(tmp_path / "flat.root", **options)
    _, logarithmic = simulate(tmp_path / "log.root", **options, spectrum="log-uniform")
    assert np.median(flat["energy"]) == pytest.approx(0.55, abs=0.09)
    assert np.median(logarithmic["energy"]) == pytest.approx(0.1**0.5, abs=0.09)
    _, single = simulate(tmp_path / "single.root", energy=(0.3, 0.3), showers=5)
    assert np.all(single["energy"] == np.float32(0.3))


def test_liquid_argon_alone_fluctuates_but_has_the_same_mean(tmp_path):
    options = {"showers": 200, "energy": (1.0, 1.0)}
    totals = []
    for readout in ("total", "active"):
        _, columns = simulate(tmp_path / "showers.root", **options, readout=readout)
        totals.append(sum(columns[layer].reshape(200, -1).sum(axis=1) for layer in LAYERS) / 1000)
    assert totals[1].mean() == pytest.approx(totals[0].mean(), abs=0.025)
    assert totals[1].std() > 5 * totals[0].std()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"particle": "positorn"}, "particle = 'positorn', required: one of .*; nearest: positron"),
        ({"spectrum": "log"}, "spectrum = 'log', required: one of uniform, log-uniform"),
        ({"readout": "activ"}, "readout = 'activ', .*; nearest: active"),
        ({"energy": (0.0, 1.0)}, r"energy is \(0.0, 1.0\); it must be \(low, high\) with 0.1 <= low <= high <= 1000"),
        ({"energy": (-5.0, 1.0)}, "energy is"),
        ({"energy": (2.0, 1.0)}, r"energy is \(2.0, 1.0\)"),
        ({"energy": (1.0, 2000.0)}, "energy is"),
        ({"energy": (float("nan"), 1.0)}, "energy is"),
        ({"showers": 0}, "showers is 0; it must be from 1 to 2000000"),
        ({"seed": 0}, "seed is 0"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        simulate(tmp_path / "showers.root", **options)
    assert not list(tmp_path.iterdir())


def test_a_failed_simulation_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "showers.root"
    path.write_text("earlier")

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(path, progress=stop)
    assert path.read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1
