"""The top-tagging reference data, both forms."""

import awkward as ak
import numpy as np
import pytest
import samples
import uproot

from cortado.readers import toptagging


def read_all(path, stop=None):
    with uproot.open(path) as file:
        return file["tree"].arrays(toptagging.branches(file["tree"].keys()), entry_stop=stop)


@pytest.fixture
def events(tmp_path):
    samples.write_toptagging(tmp_path / "top.root", n=50)
    return read_all(tmp_path / "top.root")


@pytest.fixture
def table():
    return ak.Array(samples.toptagging_table(n=50)[0])


def slow_jet(momenta):
    """Sum of four-momenta, and its pt, eta, phi and mass, in double precision with loops."""
    px, py, pz, energy = (sum(float(p[k]) for p in momenta) for k in range(4))
    pt = np.hypot(px, py)
    mass = np.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0))
    return pt, np.arctanh(pz / np.sqrt(pt**2 + pz**2)), np.arctan2(py, px), mass


def check_against_slow_jets(events):
    jets = ak.flatten(toptagging.record(events).jets)
    momenta = zip(*(events[f"part_{name}"].tolist() for name in ("px", "py", "pz", "energy")), strict=True)
    expected = np.array([slow_jet(list(zip(*momentum, strict=True))) for momentum in momenta])
    for k, name in enumerate(("pt", "eta", "phi", "mass")):
        np.testing.assert_allclose(ak.to_numpy(jets[name]), expected[:, k], rtol=1e-5, atol=1e-4)


def test_constituents_come_back(tmp_path):
    jets = samples.write_toptagging(tmp_path / "top.root", n=50)
    record = toptagging.record(read_all(tmp_path / "top.root"))
    assert ak.num(record.jets).tolist() == [1] * 50
    for name in ("pt", "eta", "phi"):
        read, expected = record.jets.constituents[name], jets.constituents[name]
        assert ak.all(ak.isclose(read, expected, rtol=1e-5, atol=1e-6))
    assert ak.all(record.jets.constituents.mass == 0)
    assert record.jets.is_signal.tolist() == (jets.truth_pdg_id == 24).tolist()
    assert record.jets.is_signal.type.content.content.primitive == "int32"


def test_jets_are_the_sum_of_their_constituents(events):
    check_against_slow_jets(events)


def test_real_jets_are_the_sum_of_their_constituents(test_data):
    events = read_all(test_data / "toptagging/val.root", stop=200)
    check_against_slow_jets(events)
    jets = ak.flatten(toptagging.record(events).jets)
    assert ak.all((jets.pt > 550) & (jets.pt < 650))
    assert jets.is_signal.tolist() == events.is_signal_new.tolist()


def test_real_constituents_are_massless(test_data):
    events = read_all(test_data / "toptagging/val.root")
    constituents = ak.flatten(toptagging.jets(events)).constituents
    assert ak.all(ak.isclose(constituents.energy, events.part_energy, rtol=1e-6))


def test_real_keys_tell_jets_apart(test_data):
    keys = ak.to_numpy(toptagging.record(read_all(test_data / "toptagging/val.root")).event_key)
    assert len(np.unique(keys)) == len(keys) == 4999


def test_both_forms_give_the_same(events, table):
    one, other = toptagging.record(events), toptagging.record(table)
    assert one.event_key.tolist() == other.event_key.tolist()
    assert one.jets.tolist() == other.jets.tolist()


def test_filled_slots_need_not_come_first(table):
    columns = {name: np.array(table[name]) for name in table.fields}
    for name in ("E", "PX", "PY", "PZ"):
        columns[f"{name}_199"] = columns[f"{name}_0"]
        columns[f"{name}_0"] = np.zeros(50, dtype=np.float32)
    moved, jets = toptagging.jets(ak.Array(columns)), toptagging.jets(table)
    assert ak.all(ak.num(moved.constituents, axis=2) == ak.num(jets.constituents, axis=2))
    assert ak.all(moved.constituents.pt[..., -1] == jets.constituents.pt[..., 0])


def test_any_number_of_slots(table):
    first = [f"{name}_{slot}" for slot in range(20) for name in ("E", "PX", "PY", "PZ")]
    jets, few = toptagging.jets(table), toptagging.jets(table[first])
    assert few.constituents.pt.tolist() == jets.constituents.pt[..., :20].tolist()


def test_jet_without_constituents(table):
    emptied = {name: np.array(table[name]) for name in table.fields}
    for name in emptied:
        if name != "is_signal_new":
            emptied[name][7] = 0
    jets = ak.flatten(toptagging.jets(ak.Array(emptied)))
    assert len(jets.constituents[7]) == 0
    assert [jets[name][7] for name in ("pt", "eta", "phi", "mass")] == [0, 0, 0, 0]
    assert len(toptagging.record(table[:0])) == 0


def test_labels_are_optional(events, table):
    for entries in (events, table):
        fields = [name for name in entries.fields if name != "is_signal_new"]
        assert "is_signal" not in toptagging.jets(entries[fields]).fields


def test_not_a_number_is_passed_on(table):
    columns = {name: np.array(table[name]) for name in table.fields}
    columns["E_0"][3] = columns["PX_0"][3] = np.nan
    jets = ak.flatten(toptagging.jets(ak.Array(columns)))
    assert np.isnan(jets.constituents.pt[3, 0])
    assert np.isnan(jets.pt[3])
    assert not ak.any(np.isnan(jets.pt[4:]))


def test_momentum_along_the_beam_is_infinitely_forward(table):
    columns = {name: np.array(table[name]) for name in table.fields}
    columns["PX_0"][3] = columns["PY_0"][3] = 0
    columns["PZ_0"][3] = -columns["E_0"][3]
    assert ak.flatten(toptagging.jets(ak.Array(columns))).constituents.eta[3, 0] == -np.inf


def test_missing_column_is_an_error(events, table):
    with pytest.raises(KeyError, match=r"top tagging needs .*\['part_py'\]; nearest: .*part_p"):
        toptagging.jets(events[[name for name in events.fields if name != "part_py"]])
    with pytest.raises(KeyError, match=r"top tagging needs .*\['PY_17'\]"):
        toptagging.jets(table[[name for name in table.fields if name != "PY_17"]])
