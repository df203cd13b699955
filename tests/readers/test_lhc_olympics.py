"""LHC Olympics events: both forms, and dijets as columns."""

import awkward as ak
import h5py
import numpy as np
import pytest

import cortado
from cortado import ntuples, readers
from cortado.readers import dijets, lhc_olympics


def rows(number=5, seed=1, label=True):
    """Rows with a few particles each, the last event without any."""
    rng = np.random.default_rng(seed)
    table = np.zeros((number, 2101), np.float32)
    slots = table[:, :2100].reshape(number, 700, 3)
    for k in range(number - 1):
        slots[k, : k + 1] = np.stack(
            [rng.exponential(10, k + 1) + 1, rng.normal(size=k + 1), rng.uniform(-3, 3, k + 1)], axis=1
        )
    table[:, -1] = np.arange(number) % 2
    return table if label else table[:, :-1]


@pytest.fixture
def plain(tmp_path):
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["events"] = rows()
    return tmp_path / "plain.h5"


@pytest.fixture
def published(tmp_path):
    """As pandas wrote it: one block of float64, with numbers for names of columns."""
    with h5py.File(tmp_path / "published.h5", "w") as file:
        group = file.create_group("df")
        group["axis0"], group["axis1"], group["block0_items"] = np.arange(2101), np.arange(5), np.arange(2101)
        group["block0_values"] = rows().astype(np.float64)
    return tmp_path / "published.h5"


def test_particles_come_back(plain):
    record = cortado.read(plain)
    assert ak.num(record.candidates).tolist() == [1, 2, 3, 4, 0]
    for event, row in zip(record, rows()):
        slots = row[:2100].reshape(700, 3)
        found = np.stack([ak.to_numpy(event.candidates[name]) for name in ("pt", "eta", "phi")], axis=1)
        np.testing.assert_array_equal(found, slots[: len(found)])
        assert not slots[len(found) :].any()
    assert ak.all(record.candidates.mass == 0)
    assert record.is_signal.tolist() == [0, 1, 0, 1, 0]


def test_both_forms_are_the_same_events(plain, published):
    assert cortado.read(published).tolist() == cortado.read(plain).tolist()
    assert readers.dialect(ntuples.branch_names(published)) is lhc_olympics


def test_events_without_labels_can_be_read(plain):
    record = lhc_olympics.record(ak.Array({"events": rows(label=False)}))
    assert "is_signal" not in record.fields
    assert record.event_key.tolist() == cortado.read(plain).event_key.tolist()


def test_events_have_keys_of_their_own(test_data):
    record = cortado.read(test_data / "anomaly/lhco_rnd_500.h5")
    assert len(set(record.event_key.tolist())) == len(record) == 500
    assert ak.sum(record.is_signal) == 44


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"LHC Olympics: rows have shape \(30,\), required: \(2100,\) or \(2101,\)"):
        lhc_olympics.record(ak.Array({"events": np.zeros((3, 30))}))


def test_a_missing_column_is_named():
    with pytest.raises(KeyError, match="LHC Olympics needs the columns 0 to 2099: 2098 are missing, the first '2'"):
        lhc_olympics.record(ak.Array({"0": [1.0], "1": [1.0]}))


# ---------------------------------------------------------------- dijets

SIGNAL_REGION = np.array([[3.4, 0.1, 0.3, 0.2, 0.6, 0], [3.5, 0.1, 0.4, 0.3, 0.5, 1]], np.float32)


def test_arrays_of_the_signal_region_become_events(tmp_path):
    chunks = [dijets.columns_of_signal_region(SIGNAL_REGION, sample=sample) for sample in (0, 2)]
    ntuples.write_hdf5(tmp_path / "dijets.h5", chunks)
    record = cortado.read(tmp_path / "dijets.h5")
    assert readers.dialect(record.fields) is dijets
    assert record["sample"].tolist() == [0, 0, 2, 2]
    assert record.is_signal.tolist() == [0, 1, 0, 1]
    expected = {"mjj": [3400, 3500], "mj1": [400, 500], "mj2": [100, 100], "delta_mj": [300, 400]}
    expected |= {"tau21_1": [0.6, 0.5], "tau21_2": [0.2, 0.3]}
    for name, values in expected.items():
        np.testing.assert_allclose(record[name][:2], values, rtol=1e-6)
    assert record.event_key[0] == record.event_key[2] != record.event_key[1]


def test_event_numbers_are_keys_where_there_are_some():
    columns = dijets.columns_of_signal_region(SIGNAL_REGION[[0, 0]])
    numbers = {"run": np.array([1, 1]), "luminosityBlock": np.array([1, 1]), "event": np.array([1, 2])}
    keys = dijets.record(ak.Array(columns | numbers)).event_key
    assert keys[0] != keys[1]
    assert len(set(dijets.record(ak.Array(columns)).event_key.tolist())) == 1


def test_all_arrays_of_the_paper_can_be_read(test_data):
    rows = np.load(test_data / "anomaly/lhco_signal_region/innerdata_test_even.npy")
    record = dijets.record(ak.Array(dijets.columns_of_signal_region(rows)))
    assert ak.sum(record.is_signal) == 10_000
    assert ak.all((record.mjj > 3299.9) & (record.mjj < 3700.1))
    # The heavier jet of the signal is X (500 GeV), the lighter Y (100 GeV).
    assert np.median(record.mj1[record.is_signal == 1]) == pytest.approx(500, abs=25)
    assert np.median(record.mj2[record.is_signal == 1]) == pytest.approx(100, abs=15)


def test_a_lighter_first_jet_is_refused():
    columns = dijets.columns_of_signal_region(SIGNAL_REGION)
    columns["mj1"], columns["mj2"] = columns["mj2"], columns["mj1"]
    with pytest.raises(ValueError, match="mj1 < mj2 in 2 of 2 events"):
        dijets.record(ak.Array(columns))


def test_a_missing_column_of_dijets_is_named():
    with pytest.raises(KeyError, match=r"dijets needs columns that are missing: \['mjj'"):
        dijets.record(ak.Array({"mj1": [1.0]}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((3, 5)), r"features have shape \(3, 5\), required: \(n, 6\)"),
        (np.full((3, 6), 0.5), r"labels \(last column\) must be 0 or 1, but there are \[0.5\]"),
    ],
)
def test_arrays_of_another_form_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        dijets.columns_of_signal_region(rows)
