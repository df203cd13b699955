"""HDF5 in the layouts that published jet data have, and parquet."""

import os
import pickle
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pyarrow.parquet
import pytest
import uproot

from cortado import ntuples
from cortado.ntuples import columnar
from cortado.ntuples.reading import Step

NAMES = ["E_0", "PX_0", "PY_0", "PZ_0", "E_1", "PX_1", "PY_1", "PZ_1"]


def write_pandas_table(path, entries=10, **block_names):
    """The layout of ``DataFrame.to_hdf(path, key="table", format="table")``, names of columns pickled as there."""
    block_names = block_names or {"values_block_0": NAMES, "values_block_1": ["ttv", "is_signal_new"]}
    kinds = {"values_block_0": "f4", "values_block_1": "i8"}
    rows = np.zeros(entries, [("index", "i8"), *((b, kinds[b], (len(n),)) for b, n in block_names.items())])
    rng = np.random.default_rng(1)
    rows["index"] = np.arange(entries)
    for block, names in block_names.items():
        rows[block] = rng.integers(0, 100, (entries, len(names)))
    with h5py.File(path, "w") as file:
        table = file.create_dataset("table/table", data=rows, chunks=(4,), maxshape=(None,))
        file["table"].attrs["pandas_type"] = np.bytes_("frame_table")
        for block, names in block_names.items():
            table.attrs[f"{block}_kind"] = np.bytes_(pickle.dumps(names, 0))
    return rows


def test_pandas_table_gives_its_columns(tmp_path):
    rows = write_pandas_table(tmp_path / "train.h5")
    assert ntuples.find_tree(tmp_path / "train.h5") == "table"
    assert ntuples.branch_names(tmp_path / "train.h5") == ("index", *NAMES, "ttv", "is_signal_new")
    (step,) = ntuples.steps(tmp_path / "train.h5")
    events = ntuples.arrays(step, ["PX_1", "is_signal_new", "E_0"])
    assert events.fields == ["PX_1", "is_signal_new", "E_0"]
    assert events.PX_1.tolist() == rows["values_block_0"][:, 5].tolist()
    assert events.is_signal_new.tolist() == rows["values_block_1"][:, 1].tolist()
    assert str(events.type) == "10 * {PX_1: float32, is_signal_new: int64, E_0: float32}"


def test_pandas_table_in_steps(tmp_path):
    rows = write_pandas_table(tmp_path / "train.h5")
    read = list(ntuples.iterate(tmp_path / "train.h5", ["index"], size=5))
    assert [step[2:] for step, _ in read] == [(0, 4), (4, 8), (8, 10)]
    assert ak.concatenate([events.index for _, events in read]).tolist() == rows["index"].tolist()


def test_nothing_in_a_pickled_attribute_is_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    write_pandas_table(tmp_path / "train.h5")
    with h5py.File(tmp_path / "train.h5", "a") as file:
        file["table/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([*NAMES, Trap()], 0))
    with pytest.raises(OSError, match=r"train.h5: .*'values_block_0' has 8 columns and 9 names"):
        ntuples.branch_names(tmp_path / "train.h5")
    assert not (tmp_path / "executed").exists()


def test_pandas_frame_of_fixed_format(tmp_path):
    values = np.arange(12.0).reshape(4, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frame/axis0"] = np.array([b"a", b"b", b"c"])
        file["frame/block0_items"] = np.array([b"b", b"a", b"c"])
        file["frame/block0_values"] = values
    (step,) = ntuples.steps(tmp_path / "a.h5")
    assert ntuples.arrays(step, ["a", "b"]).tolist() == [{"a": row[1], "b": row[0]} for row in values]


def test_plain_datasets_are_the_columns_of_the_top_folder(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = np.arange(24.0).reshape(6, 2, 2)
        file["signal"] = np.arange(6)
        file["version"] = 3
    (step,) = ntuples.steps(tmp_path / "a.h5")
    assert step.tree == "/"
    events = ntuples.arrays(step._replace(start=4), ["image", "signal"])
    assert events.image.tolist() == [[[16, 17], [18, 19]], [[20, 21], [22, 23]]]
    assert events.signal.tolist() == [4, 5]


def test_datasets_with_named_columns_are_tables(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["bkg"], file["sig"] = np.arange(6.0).reshape(3, 2), np.arange(4.0).reshape(2, 2)
        file.attrs["columns"] = ["mjj", "pt"]
    assert ntuples.num_entries(tmp_path / "a.h5", "sig") == 2
    (step,) = ntuples.steps(f"{tmp_path}/a.h5:bkg")
    assert ntuples.arrays(step, ["pt"]).pt.tolist() == [1, 3, 5]
    with pytest.raises(ValueError, match=r"a.h5 has 2 trees: bkg, sig; choose one with tree="):
        ntuples.steps(tmp_path / "a.h5")


def test_datasets_of_different_lengths(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["y"] = np.arange(3), np.arange(4)
    with pytest.raises(ValueError, match=r"'/' have different numbers of entries: x \(3\), y \(4\)"):
        ntuples.steps(tmp_path / "a.h5")


def test_hdf5_without_a_table(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["version"] = 3
    with pytest.raises(KeyError, match="holds no tree; it holds version"):
        ntuples.steps(tmp_path / "a.h5")


def test_hdf5_table_without_entries(tmp_path):
    write_pandas_table(tmp_path / "a.h5", entries=0)
    assert ntuples.steps(tmp_path / "a.h5") == []
    assert ntuples.arrays(Step(f"{tmp_path}/a.h5", "table", 0, 0), ["E_0"]).E_0.tolist() == []


def test_hdf5_missing_column(tmp_path):
    write_pandas_table(tmp_path / "a.h5")
    with pytest.raises(KeyError, match=r"no branch 'is_signal' in tree 'table' of .*; nearest: is_signal_new"):
        ntuples.arrays(Step(f"{tmp_path}/a.h5", "table", 0, 1), ["is_signal"])


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.parquet"])
@pytest.mark.parametrize("content", [b"not at all", b"\x89HDF\r\n\x1a\n" + bytes(100), b"PAR1" + bytes(20)])
def test_files_of_another_format(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OSError, match=rf"cannot open .*{name} as (HDF5|parquet)"):
        ntuples.steps(tmp_path / name)


def test_truncated_hdf5(tmp_path):
    write_pandas_table(tmp_path / "a.h5", entries=5000)
    os.truncate(tmp_path / "a.h5", 40_000)
    with pytest.raises(OSError, match=r"cannot open .*a.h5 as HDF5: .*truncated"):
        ntuples.steps(tmp_path / "a.h5")


def test_real_hdf5_files(test_data):
    assert ntuples.num_entries(test_data / "calorimeter/calogan_showers.h5") == 25
    (step,) = ntuples.steps(test_data / "anomaly/lhco_features_01-02.h5", tree="sig")
    with h5py.File(test_data / "anomaly/lhco_features_01-02.h5") as file:
        expected = file["sig"][:, 0]
    assert ntuples.arrays(step, ["mjj"]).mjj.tolist() == expected.tolist()


def write_parquet(path):
    events = ak.zip({"event": np.arange(10), "pt": ak.unflatten(np.arange(20.0), [0, 4] * 5)}, depth_limit=1)
    ak.to_parquet(events, path, row_group_size=4)
    return events


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_parquet_in_steps_along_its_row_groups(tmp_path, size):
    events = write_parquet(tmp_path / "a.parquet")
    read = list(ntuples.iterate(tmp_path / "a.parquet", ["pt", "event"], size=size))
    assert ak.concatenate([part for _, part in read]).tolist() == events[["pt", "event"]].tolist()
    if size == 5:
        assert [step[2:] for step, _ in read] == [(0, 4), (4, 8), (8, 10)]


def test_parquet_types_are_those_of_plain_numbers(tmp_path):
    write_parquet(tmp_path / "a.parquet")
    events = ntuples.arrays(Step(f"{tmp_path}/a.parquet", "", 3, 9), ["pt", "event"])
    assert str(events.type) == "6 * {pt: var * float64, event: int64}"


def test_parquet_of_pandas_may_be_nullable_but_not_null(tmp_path):
    table = pyarrow.table({"full": [1.0, 2.0], "holes": [1.0, None]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    (step,) = ntuples.steps(tmp_path / "a.parquet")
    assert str(ntuples.arrays(step, ["full"]).type) == "2 * {full: float64}"
    with pytest.raises(OSError, match=r"cannot read branch 'holes'.*missing values"):
        ntuples.arrays(step, ["full", "holes"])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs the list of open files in /proc")
@pytest.mark.parametrize("name", ["a.h5", "a.parquet"])
def test_files_are_closed_also_when_reading_stops_early(tmp_path, name):
    write = write_pandas_table if name == "a.h5" else write_parquet
    write(tmp_path / name)
    reading = ntuples.iterate(tmp_path / name, ntuples.branch_names(tmp_path / name)[:1], size=5)
    next(reading)
    assert str(tmp_path / name) in open_files()
    reading.close()
    assert str(tmp_path / name) not in open_files()


def open_files():
    return {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}


def test_a_compression_that_needs_another_package_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "find_spec", lambda name: None)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options.set_chunk((4,))
        options.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())  # a number that belongs to no filter
        space, kind = h5py.h5s.create_simple((4,)), h5py.h5t.NATIVE_DOUBLE
        dataset = h5py.h5d.create(file.id, b"x", kind, space, dcpl=options)
        dataset.write_direct_chunk((0,), bytes(32))
    (step,) = ntuples.steps(tmp_path / "a.h5")
    with pytest.raises(OSError, match=r"cannot read branch 'x'.*needs hdf5plugin, of the extra `blosc`: pip install"):
        ntuples.arrays(step, ["x"])


def test_a_virtual_data_set_over_several_files_is_read(tmp_path):
    """How shards are joined without a copy: HDF5 opens the others by their paths."""
    for part in range(2):
        with h5py.File(tmp_path / f"part{part}.h5", "w") as file:
            file["pt"] = np.arange(3.0) + 10 * part
    with h5py.File(tmp_path / "all.h5", "w", libver="latest") as file:
        layout = h5py.VirtualLayout((6,), "f8")
        for part in range(2):
            layout[3 * part : 3 * part + 3] = h5py.VirtualSource(f"part{part}.h5", "pt", shape=(3,))
        file.create_virtual_dataset("pt", layout)
    (step,) = ntuples.steps(tmp_path / "all.h5")
    assert ntuples.arrays(step, ["pt"]).pt.tolist() == [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]


@pytest.mark.parametrize("name", ["a::b.h5", "what?.h5", "müller [1].h5"])
def test_local_names_are_no_urls(name, tmp_path):
    with h5py.File(tmp_path / name, "w") as file:
        file["x"], file["gone"] = np.arange(2.0), h5py.SoftLink("/missing")
    assert ntuples.branch_names(tmp_path / name) == ("x",)
    (step,) = ntuples.steps(tmp_path / name)
    assert ntuples.arrays(step, ["x"]).x.tolist() == [0.0, 1.0]


def test_texts_are_no_lists_of_a_collection(tmp_path):
    texts = {"sample_name": ["ttbar", "qcd"], "sample_tag": ["v1", "v12"]}
    pyarrow.parquet.write_table(pyarrow.table(texts), tmp_path / "a.parquet")
    (step,) = ntuples.steps(tmp_path / "a.parquet")
    assert ntuples.arrays(step, list(texts)).sample_tag.tolist() == texts["sample_tag"]
    with uproot.recreate(tmp_path / "a.root") as file:
        lists = ak.Array([[500.0], [600.0, 510.0]])
        file["Events"] = {"jet_algo": ak.Array(["ak8", "ak8"]), "jet_pt": lists}
    (step,) = ntuples.steps(tmp_path / "a.root")
    assert ntuples.arrays(step, ["jet_algo", "jet_pt"]).jet_pt.tolist() == lists.tolist()
