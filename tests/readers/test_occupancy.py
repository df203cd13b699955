import awkward as ak
import numpy as np
import pytest
from toy_maps import toy_maps

from cortado import event_keys, ntuples, readers, reading, splits

VALUES = np.arange(24).reshape(2, 3, 4)


def events(**others):
    columns = {"run": np.array([7, 8], np.uint32), "luminosityBlock": np.array([1, 2], np.uint32), "map_values": VALUES}
    return ak.zip({**columns, **others}, depth_limit=1)


def test_a_record_has_one_map_an_entry():
    record = readers.record(events())
    assert record.run.tolist() == [7, 8]
    assert record.luminosity_block.tolist() == [1, 2]
    maps = record.maps[:, 0]
    assert maps.name.tolist() == ["map", "map"]
    assert maps.entries.tolist() == VALUES.sum(axis=(1, 2)).tolist()
    np.testing.assert_array_equal(ak.to_numpy(maps["values"]), VALUES)
    assert ak.to_numpy(maps["values"]).dtype == np.float32


def test_the_key_is_that_of_the_run():
    record = readers.record(events(luminosityBlock=np.array([3, 4])))
    assert record.event_key.tolist() == event_keys.event_key(np.array([7, 8]), 0, 0).tolist()
    maps = toy_maps(500)
    subset = splits.Split(seed=1).subset(ak.to_numpy(maps.event_key))
    assert all(len(set(subset[ak.to_numpy(maps.run) == run])) == 1 for run in set(maps.run.tolist()))


def test_names_are_texts_or_bytes():
    letters = ak.Array([list(b"digi"), list(b"cluster")])
    for names in (ak.Array(["digi", "cluster"]), letters):
        assert readers.record(events(map_name=names)).maps.name[:, 0].tolist() == ["digi", "cluster"]


def test_jagged_branches_of_equal_length_are_histograms():
    record = readers.record(events(map_values=ak.Array([[1, 2, 3], [4, 5, 6]])))
    assert ak.to_numpy(record.maps["values"][:, 0]).tolist() == [[1, 2, 3], [4, 5, 6]]


def test_truth_is_kept():
    truth = {"map_fault": np.array([0, 2]), "map_fault_cells": VALUES > 20, "map_label": np.array([1, 0])}
    maps = readers.record(events(**truth)).maps[:, 0]
    assert maps.fault.tolist() == [0, 2]
    assert maps.label.tolist() == [1, 0]
    np.testing.assert_array_equal(ak.to_numpy(maps.fault_cells), VALUES > 20)


def test_maps_that_are_written_are_read_again(tmp_path):
    maps = readers.occupancy.map_record(
        [7, 8], [1, 2], ["digi", "cluster"], VALUES + 0.5, {"fault": np.array([0, 2]), "fault_cells": VALUES > 20}
    )
    ntuples.write(tmp_path / "maps.root", "maps", [readers.occupancy.columns_of(maps)])
    again = reading.read_maps(tmp_path / "maps.root")
    assert set(again.fields) == set(maps.fields)
    for field in maps.fields:
        assert again[field].tolist() == maps[field].tolist(), field


def test_no_maps_are_a_record(tmp_path):
    ntuples.write(tmp_path / "none.root", "maps", [{name: events()[name][:0] for name in events().fields}])
    assert len(reading.read(tmp_path / "none.root").maps) == 0


def test_maps_of_another_shape_are_refused_by_name():
    ragged = ak.Array([np.ones((2, 3)).tolist(), np.ones((2, 4)).tolist()])
    with pytest.raises(ValueError, match=r"run 8, lumisection 2, 'map': has 2 x 4 bins.*run 7, lumisection 1.*2 x 3"):
        readers.record(events(map_values=ragged))
    with pytest.raises(ValueError, match=r"run 8.*has 2 bins.*: 3; 1 of 2 maps differ"):
        readers.record(events(map_values=ak.Array([[1, 2, 3], [4, 5]])))
    uneven = ak.Array([[[1, 2], [3, 4]], [[1, 2], [3]]])
    with pytest.raises(ValueError, match="run 8, lumisection 2, 'map': has 2 x 2 bins"):
        readers.record(events(map_values=uneven))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_what_is_no_count_is_refused_by_name(value):
    values = VALUES.astype(float)
    values[1, 2, 0] = value
    with pytest.raises(
        ValueError, match=r"run 8, lumisection 2, 'map': .* in cell \(2, 0\) is no count.*1 such cells in 1 maps"
    ):
        readers.record(events(map_values=values))


def test_numbers_are_no_maps():
    with pytest.raises(ValueError, match="must be arrays of bins, or of rows and columns"):
        readers.record(events(map_values=np.array([1, 2])))


def test_missing_columns_are_named():
    with pytest.raises(KeyError, match=r"occupancy needs columns that are missing: \['map_values'\]"):
        readers.occupancy.record(ak.zip({"run": [1], "luminosityBlock": [1]}))
