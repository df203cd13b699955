"""JetClass and JetClass-II."""

import awkward as ak
import numpy as np
import pytest
import samples
import uproot

from cortado.readers import jetclass


def read_all(path):
    with uproot.open(path) as file:
        return file["tree"].arrays(jetclass.branches(file["tree"].keys()))


@pytest.fixture
def events(tmp_path):
    samples.write_jetclass(tmp_path / "jetclass.root", n=50)
    return read_all(tmp_path / "jetclass.root")


def test_jets_and_constituents_come_back(tmp_path):
    jets = samples.write_jetclass(tmp_path / "jetclass.root", n=50)
    record = jetclass.record(read_all(tmp_path / "jetclass.root"))
    assert ak.num(record.jets).tolist() == [1] * 50
    for name in ("pt", "eta", "phi", "soft_drop_mass", "tau1", "tau2", "tau3"):
        assert record.jets[name].tolist() == jets[name].tolist()
    constituents = record.jets.constituents
    for name in ("charge", "d0", "d0_err", "dz", "dz_err", "pdg_id"):
        assert constituents[name].tolist() == jets.constituents[name].tolist()
    for name in ("pt", "eta", "phi"):
        assert ak.all(ak.isclose(constituents[name], jets.constituents[name], rtol=1e-5, atol=1e-6))
    assert ak.all(ak.isclose(record.jets.mass, jets.mass, rtol=1e-3, atol=1))
    assert record.event_key.tolist() == ak.flatten(record.jets.event_key).tolist()
    assert len(set(record.event_key.tolist())) == 50


def test_energy_is_that_of_the_file(events):
    jets = ak.flatten(jetclass.jets(events))
    assert ak.all(ak.isclose(jets.constituents.energy, events.part_energy, rtol=1e-6))
    assert ak.all(ak.isclose(jets.energy, events.jet_energy, rtol=1e-6))


def test_flags_of_the_labels_come_as_they_are(events):
    jets = ak.flatten(jetclass.jets(events))
    assert jets.label_QCD.tolist() == events.label_QCD.tolist()
    assert jets.label_Wqq.tolist() == events.label_Wqq.tolist()
    assert "label" not in jets.fields


def test_numbered_label_comes_as_it_is(tmp_path):
    samples.write_jetclass(tmp_path / "jetclass.root", numbered=True)
    events = read_all(tmp_path / "jetclass.root")
    assert jetclass.record(events).jets.label.tolist() == [[label] for label in events.jet_label.tolist()]


def test_lepton_codes_are_opposite_to_their_charge(events):
    charged = events.part_charge != 0
    flags = {
        "isElectron": charged,
        "isMuon": ak.zeros_like(charged),
        "isChargedHadron": ak.zeros_like(charged),
    }
    for name, flag in flags.items():
        events = ak.with_field(events, flag, f"part_{name}")
    constituents = ak.flatten(jetclass.jets(events)).constituents
    assert ak.all(constituents.pdg_id == ak.where(charged, -11 * events.part_charge, 22))


def test_without_flags_there_is_no_pdg_id(events):
    fields = [name for name in events.fields if not name.startswith("part_is")]
    constituents = jetclass.jets(events[fields]).constituents
    assert constituents.fields == ["pt", "eta", "phi", "mass", "charge", "d0", "d0_err", "dz", "dz_err"]


def test_jet_without_constituents_and_no_jets(events):
    empty = {name: events[name][:, :0] if name.startswith("part") else events[name] for name in events.fields}
    jets = jetclass.jets(ak.zip(empty, depth_limit=1))
    assert ak.num(jets.constituents, axis=2).tolist() == [[0]] * 50
    assert len(jetclass.record(events[:0])) == 0


def test_not_a_number_is_passed_on(events):
    broken = ak.with_field(events, events.part_px * np.float32(np.nan), "part_px")
    assert ak.all(np.isnan(jetclass.jets(broken).constituents.pt))


def test_missing_column_is_an_error(events):
    fields = [name for name in events.fields if name != "jet_energy"]
    with pytest.raises(KeyError, match=r"JetClass needs .*\['jet_energy'\]; nearest: part_energy, jet_eta, jet_pt"):
        jetclass.jets(events[fields])


def test_real_jets_have_the_angles_of_the_file(test_data):
    path = test_data / "jets/JetClassII_example.root"
    with uproot.open(path) as file:
        angles = file["tree"].arrays(["part_deta", "part_dphi", "jet_eta"])
    jets = ak.flatten(jetclass.record(read_all(path)).jets)
    delta_phi = (jets.constituents.phi - jets.phi + np.pi) % (2 * np.pi) - np.pi
    delta_eta = (jets.constituents.eta - jets.eta) * np.sign(jets.eta)  # the files mirror eta of backward jets
    assert ak.all(ak.isclose(delta_phi, angles.part_dphi, atol=1e-5))
    assert ak.all(ak.isclose(delta_eta, angles.part_deta, atol=1e-5))
    constituents = ak.flatten(jets.constituents)
    codes = np.abs(ak.to_numpy(constituents.pdg_id))
    assert set(codes.tolist()) == {11, 13, 22, 130, 211}
    assert np.array_equal(ak.to_numpy(constituents.charge) != 0, np.isin(codes, [11, 13, 211]))


def test_real_jets_are_the_transverse_sum_of_their_constituents(test_data):
    jets = ak.flatten(jetclass.record(read_all(test_data / "jets/JetClassII_example.root")).jets)
    total = ak.sum(jets.constituents, axis=1)
    assert ak.all(ak.isclose(total.pt, jets.pt, rtol=1e-5))
    assert ak.all(ak.isclose(total.phi, jets.phi, atol=1e-5))
    assert ak.all(ak.isclose(total.eta, jets.eta, atol=0.1))  # the sum does not hold along the beam in this file
    assert ak.all(ak.isclose(total.energy, jets.energy, rtol=5e-2))
