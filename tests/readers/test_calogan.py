"""Showers in the form of the CaloGAN data: HDF5, our ROOT tree, plain arrays and NanoEvents."""

import awkward as ak
import h5py
import numpy as np
import pytest
from toy_showers import toy_showers

import cortado
from cortado import ntuples, readers, splits
from cortado.calorimeter import CALOCHALLENGE_1_PIONS, CALOGAN, cells
from cortado.readers import calogan

REAL = "calorimeter/calogan_showers.h5"


def entries(n=8, seed=1, geometry=CALOGAN, **options):
    """Columns of a file, in MeV, and the showers that it must give back."""
    showers = toy_showers(n, seed, geometry, **options)
    columns = {name: showers[name] for name in showers.fields if name != "event_key"}
    return columns | {name: 1000 * column for name, column in columns.items() if name.startswith("layer_")}, showers


def same(found, expected):
    """Whether showers have the same energies, apart from the way to MeV and back, and the same truth."""
    names = [name for name in expected.fields if name != "event_key"]
    return all(np.allclose(found[name], expected[name], rtol=1e-6, atol=0) for name in names)


@pytest.fixture
def events():
    return ak.zip(entries()[0], depth_limit=1)


def test_what_was_written_is_read(tmp_path):
    columns, showers = entries(pdg_id=-11, is_generated=True)
    columns |= {"overflow": np.arange(24.0).reshape(8, 3), "weight": np.linspace(0.5, 2, 8)}
    ntuples.write(tmp_path / "a.root", "showers", [columns])
    ntuples.write_hdf5(tmp_path / "a.h5", [columns])
    for path in (tmp_path / "a.root", tmp_path / "a.h5"):
        record = cortado.read(path)
        read = ak.flatten(record.showers)
        assert ak.num(record.showers).to_list() == [1] * 8
        assert same(read, showers)
        assert read.overflow.to_list() == np.float32(np.arange(24).reshape(8, 3) / 1000).tolist()
        assert record.weight.to_list() == columns["weight"].tolist()
        assert record.event_key.to_list() == read.event_key.to_list()


def test_types_of_the_record():
    columns, _ = entries(pdg_id=22, is_generated=False)
    record = calogan.record(ak.zip(columns, depth_limit=1))
    assert str(ak.flatten(record.showers).type) == (
        "8 * {energy: float32, pdg_id: int32, is_generated: bool, layer_0: 3 * 96 * float32, "
        "layer_1: 12 * 12 * float32, layer_2: 12 * 6 * float32, event_key: uint64}"
    )


def test_what_a_file_lacks_is_not_in_the_record(events):
    record = calogan.record(events)
    assert record.fields == ["showers", "event_key"]
    assert record.showers.fields == ["energy", "layer_0", "layer_1", "layer_2", "event_key"]


def test_the_energy_may_be_a_column_of_a_table(events):
    wide = ak.with_field(events, np.asarray(events.energy)[:, np.newaxis], "energy")
    assert calogan.record(wide).to_list() == calogan.record(events).to_list()


def test_layers_of_another_calorimeter():
    columns, showers = entries(geometry=CALOCHALLENGE_1_PIONS)
    assert same(ak.flatten(calogan.showers(ak.zip(columns, depth_limit=1))), showers)


def test_more_than_ten_layers_stay_in_their_order(events):
    many = ak.zip(
        {"energy": events.energy} | {f"layer_{k}": events.layer_2 * (k + 1) for k in range(12)}, depth_limit=1
    )
    assert calogan.branches(reversed(many.fields)) == many.fields
    showers = ak.flatten(calogan.showers(many[many.fields[::-1]]))
    assert showers.fields == [*many.fields, "event_key"]
    assert np.allclose(showers.layer_11, showers.layer_0 * 12)


@pytest.mark.parametrize("write", [ntuples.write_hdf5, lambda path, chunks: ntuples.write(path, "showers", chunks)])
@pytest.mark.parametrize("is_generated", [True, False])
def test_showers_are_written_in_the_units_of_the_dialect(tmp_path, write, is_generated):
    showers = toy_showers(5)
    path = tmp_path / ("a.h5" if write is ntuples.write_hdf5 else "a.root")
    write(path, [calogan.columns_of(showers, is_generated=is_generated)])
    read = ak.flatten(cortado.read(path).showers)
    assert same(read, showers)
    assert read.is_generated.to_list() == [is_generated] * 5


@pytest.mark.filterwarnings("ignore")
def test_nanoevents_give_the_same(tmp_path):
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    ntuples.write(tmp_path / "a.root", "showers", [entries(pdg_id=22)[0]])
    factory = NanoEventsFactory.from_root({f"{tmp_path}/a.root": "showers"}, schemaclass=BaseSchema)
    showers = readers.showers(factory.events())
    assert ak.array_equal(showers, cortado.read(tmp_path / "a.root").showers, dtype_exact=True)


def test_input_is_not_modified(events):
    twin = ak.copy(events)
    calogan.record(events)
    assert ak.array_equal(events, twin, dtype_exact=True)


def test_no_entries(events):
    record = calogan.record(events[:0])
    assert len(record) == 0
    assert record.showers.type.content.content.content("layer_0").size == 3


# ---- keys


def test_keys_tell_showers_apart_and_copies_share_theirs(events):
    keys = calogan.record(events).event_key
    assert len(set(keys.to_list())) == len(events)
    order = [3, 3, 0, 7]
    assert calogan.record(events[order]).event_key.to_list() == keys[order].to_list()


def test_keys_tell_showers_of_one_energy_apart(events):
    mono = ak.with_field(events, np.float32(50), "energy")
    assert len(set(calogan.record(mono).event_key.to_list())) == len(events)


def test_keys_of_an_entry_do_not_depend_on_the_others(events):
    keys = [calogan.record(events[k : k + 1]).event_key[0] for k in range(len(events))]
    assert keys == calogan.record(events).event_key.to_list()


def test_the_split_has_the_shares_that_were_asked_for():
    keys = calogan.record(ak.zip(entries(2000)[0], depth_limit=1)).event_key
    test = np.mean(splits.Split(validation=0.0, test=0.3).subset(keys) == splits.TEST)
    assert abs(test - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 2000)


# ---- the published file


def test_real_showers_are_what_the_file_says(test_data):
    record = cortado.read(test_data / REAL)
    showers = ak.flatten(record.showers)
    with h5py.File(test_data / REAL) as file:
        for name in ("layer_0", "layer_1", "layer_2", "overflow"):
            np.testing.assert_allclose(showers[name], file[name][:] / 1000, rtol=1e-6)
        np.testing.assert_allclose(showers.energy, file["energy"][:, 0], rtol=1e-6)
    assert len(set(record.event_key.to_list())) == len(record) == 25


def test_real_showers_leave_nearly_all_their_energy(test_data):
    """Absorber and liquid argon are both summed in this data set, so the response is near one."""
    showers = ak.flatten(cortado.read(test_data / REAL).showers)
    response = cells(showers, CALOGAN).sum(axis=1) / showers.energy
    assert ak.min(response) > 0.97
    assert ak.max(response) < 1
    assert ak.mean(response) == pytest.approx(0.994, abs=0.001)


# ---- bad input: numbers are passed on, shapes are refused


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -5.0, 0.0])
def test_numbers_are_passed_on(events, value):
    broken = np.array(events.layer_1)
    broken[2, 3, 4] = value
    showers = ak.flatten(calogan.showers(ak.with_field(events, broken, "layer_1")))
    expected = np.asarray(broken / 1000, np.float32)
    np.testing.assert_array_equal(showers.layer_1, expected)


@pytest.mark.filterwarnings("error")
def test_showers_without_energy_are_passed_on(events):
    empty = ak.zip({name: events[name] * 0 for name in events.fields}, depth_limit=1)
    showers = ak.flatten(calogan.showers(empty))
    assert cells(showers, CALOGAN).sum() == 0
    assert len(set(showers.event_key.to_list())) == 1


def without(events, *names):
    return events[[name for name in events.fields if name not in names]]


@pytest.mark.parametrize(
    "names, message",
    [
        (["energy"], r"CaloGAN needs columns that are missing: \['energy'\]; there are layer_0"),
        (["layer_0", "layer_1", "layer_2"], r"columns that are missing: \['layer_0'\]"),
    ],
)
def test_missing_columns(events, names, message):
    with pytest.raises(KeyError, match=message):
        calogan.showers(without(events, *names))


@pytest.mark.parametrize(
    "name, column, message",
    [
        ("layer_1", np.ones((8, 144)), r"layer_1 must have the shape \(n, rows, columns\), here it has \(8, 144\)"),
        ("layer_1", np.ones((8, 1, 12, 12)), r"layer_1 must have the shape .*, here it has \(8, 1, 12, 12\)"),
        (
            "layer_1",
            ak.Array([[[1.0]], [[1.0], [2.0]]] * 4),
            "layer_1 must have the same size for all showers, here it",
        ),
        (
            "layer_1",
            ak.Array([[[1.0]], None] * 4),
            r"layer_1 must have the same size for all showers, here it is 8 . option",
        ),
        ("energy", np.ones((8, 2)), r"energy must be one number for each shower, here it has the shape \(8, 2\)"),
        ("pdg_id", ak.Array([[11], []] * 4), "pdg_id must have the same size for all showers, here it is 8 . var"),
        ("weight", np.ones((8, 3)), r"weight must be one number for each shower, here it has the shape \(8, 3\)"),
        ("overflow", np.ones(8), r"overflow must have the shape \(n, layers\), here it has \(8,\)"),
    ],
)
def test_wrong_shapes(events, name, column, message):
    with pytest.raises(ValueError, match=message):
        calogan.record(ak.with_field(events, column, name))


def test_a_gap_in_the_layers_names_the_file(tmp_path):
    columns, _ = entries()
    ntuples.write(tmp_path / "a.root", "showers", [columns | {"layer_4": columns["layer_2"]}])
    message = r"a.root, tree 'showers', .*: layers must be numbered without a gap, but there is no layer_3$"
    with pytest.raises(ValueError, match=message):
        cortado.read(tmp_path / "a.root")


def test_wrong_shapes_name_the_file(tmp_path):
    columns, _ = entries()
    ntuples.write_hdf5(tmp_path / "a.h5", [columns | {"layer_0": np.ones((8, 288))}])
    with pytest.raises(ValueError, match=r"a.h5, tree '/', events counted from entry 0: layer_0 must have the shape"):
        cortado.read(tmp_path / "a.h5")


# ---- jets and showers are told apart


def test_recognised_by_energy_and_first_layer():
    assert readers.dialect(["layer_0", "energy"]) is calogan
    assert calogan.branches(["label", "weight", "layer_1", "energy", "layer_0", "layer_x"]) == [
        "energy",
        "layer_0",
        "layer_1",
        "weight",
    ]


def test_a_file_of_showers_has_no_jets(events):
    with pytest.raises(ValueError, match=r"CaloGAN events have no jets, they have showers: use readers.showers"):
        readers.jets(events)


def test_a_file_of_jets_has_no_showers():
    jets = {name: np.ones(3) for name in ("jet_px", "part_px", "part_py", "part_pz", "part_energy")}
    with pytest.raises(ValueError, match=r"top tagging events have no showers, they have jets: use readers.jets"):
        readers.showers(ak.Array(jets))


@pytest.mark.parametrize("write", [ntuples.write_hdf5, lambda path, chunks: ntuples.write(path, "showers", chunks)])
def test_a_generated_shower_keeps_the_key_of_another(tmp_path, write):
    keys = np.array([2**63 + 1, 2**53 + 1, 7], np.uint64)  # a float64 holds none but the last
    showers = ak.with_field(toy_showers(3), keys, "event_key")
    path = tmp_path / ("a.h5" if write is ntuples.write_hdf5 else "a.root")
    write(path, [calogan.columns_of(showers, is_generated=True)])
    record = cortado.read(path)
    assert record.event_key.to_list() == ak.flatten(record.showers).event_key.to_list() == keys.tolist()
