"""Dijets of LHC Olympics events: four-momenta by hand, the published dijet mass, and bad events."""

import awkward as ak
import h5py
import numpy as np
import pytest

pytest.importorskip("fastjet", reason="needs FastJet (extra `sim`)", exc_type=ImportError)

import cortado
from cortado.readers import dijets as dialect
from cortado.representations import HighLevel
from cortado.simulation import cluster_dijets, dijet_columns


def events_of(particles):
    """Events of (pt, eta, phi) tuples, massless."""
    candidates = ak.Array(
        [[{"pt": pt, "eta": eta, "phi": phi, "mass": 0.0} for pt, eta, phi in event] for event in particles]
    )
    return ak.Array(
        {"candidates": candidates, "event_key": np.arange(len(particles)), "is_signal": [1] * len(particles)}
    )


TWO_AND_ONE = ((300.0, 0.0, 0.0), (200.0, 0.0, 0.5), (450.0, 0.2, 3.0), (30.0, 2.0, 1.5))


def test_two_jets_by_hand():
    (event,) = cluster_dijets(events_of([TWO_AND_ONE]))
    assert event.jets.pt.tolist() == pytest.approx([np.hypot(300 + 200 * np.cos(0.5), 200 * np.sin(0.5)), 450])
    assert event.jets.mass[0] == pytest.approx(np.sqrt(2 * 300 * 200 * (1 - np.cos(0.5))), rel=1e-5)
    assert ak.num(event.jets.constituents).tolist() == [2, 1]
    momenta = [
        (pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)) for pt, eta, phi in TWO_AND_ONE
    ]
    energy, px, py, pz = np.sum(momenta[:3], axis=0)
    assert event.mjj == pytest.approx(np.sqrt(energy**2 - px**2 - py**2 - pz**2), rel=1e-6)


def test_columns_put_the_heavier_jet_first():
    reversed_event = ((450.0, 0.0, 0.0), (200.0, 0.2, 3.0), (200.0, 0.2, 2.5))
    columns = dijet_columns(cluster_dijets(events_of([TWO_AND_ONE, reversed_event])))
    assert np.all(columns["mj1"] > columns["mj2"])
    record = dialect.record(ak.Array(columns))
    assert record.is_signal.tolist() == [1, 1]
    assert ak.all(record.delta_mj > 0)


def test_events_with_fewer_jets_stay_and_say_so():
    found = cluster_dijets(events_of([TWO_AND_ONE, TWO_AND_ONE[:1], ()]))
    assert ak.num(found.jets).tolist() == [2, 1, 0]
    assert np.isnan(found.mjj).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="2 of 3 events have fewer than two jets"):
        dijet_columns(found)


def test_jets_and_masses_are_those_of_others(test_data):
    """Rows 0 to 499 of the R&D set, clustered by clustering-lhco."""
    found = cluster_dijets(cortado.read(test_data / "anomaly/lhco_rnd_500.h5"))
    with h5py.File(test_data / "anomaly/lhco_features_01-02.h5") as file:
        names = [name.decode() for name in file.attrs["columns"]]
        index = np.concatenate([file[f"{kind}_index"][:] for kind in ("bkg", "sig")])
        expected = np.concatenate([file[kind][:] for kind in ("bkg", "sig")])[index < 500]
    mine = found[index[index < 500]]
    assert len(mine) == 500
    np.testing.assert_allclose(mine.mjj, expected[:, names.index("mjj")], rtol=1e-5)
    for jet in (1, 2):
        for name in ("pt", "mass"):
            np.testing.assert_allclose(
                mine.jets[name][:, jet - 1], expected[:, names.index(f"{name}_{jet}")], rtol=1e-4
            )
    jets = ak.flatten(found.jets)
    assert np.isfinite(HighLevel(features=("mass", "tau21", "tau32", "multiplicity"))(jets).features).all()
