"""HDF5 out: what is read is what was written, in pieces of bounded size, and a failure leaves nothing behind."""

import awkward as ak
import h5py
import numpy as np
import pytest

from cortado import ntuples


def chunk(entries=50, seed=1):
    """One of each thing that can be stored."""
    source = np.random.default_rng(seed)
    kinds = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
    return {kind: source.integers(0, 100, entries).astype(kind) for kind in kinds} | {
        "passed": source.random(entries) > 0.5,
        "row": source.random((entries, 3)),
        "layer_0": source.random((entries, 3, 96), np.float32),
        "cube": source.random((entries, 2, 3, 4), np.float32),
        "MET": ak.zip({"pt": source.random(entries), "phi": source.random(entries)}),
    }


def read_all(path):
    branches = ntuples.branch_names(path)
    return ak.concatenate([events for _, events in ntuples.iterate(path, branches)])


def test_round_trip_of_names_types_and_values(tmp_path):
    chunks = [chunk(entries=0), chunk(seed=1), chunk(seed=2), chunk(entries=1, seed=3)]
    assert ntuples.write_hdf5(tmp_path / "a.h5", iter(chunks)) == 101
    events = read_all(tmp_path / "a.h5")
    expected = {name: ak.concatenate([ak.Array(part[name]) for part in chunks]) for name in chunks[0]}
    met = expected.pop("MET")
    assert set(events.fields) == {*expected, "MET_pt", "MET_phi"}
    for name, column in (expected | {"MET_pt": met.pt, "MET_phi": met.phi}).items():
        assert ak.array_equal(events[name], column, dtype_exact=True), name


def test_datasets_lie_at_the_top(tmp_path):
    ntuples.write_hdf5(tmp_path / "a.h5", [{"energy": np.ones((7, 1)), "layer_0": np.ones((7, 3, 96))}])
    assert ntuples.find_tree(tmp_path / "a.h5") == "/"
    with h5py.File(tmp_path / "a.h5") as file:
        assert {name: dataset.shape for name, dataset in file.items()} == {"energy": (7, 1), "layer_0": (7, 3, 96)}


def test_a_record_array_is_a_chunk_too(tmp_path):
    showers = ak.zip({"energy": [1.0, 2.0], "layer_0": np.ones((2, 3, 4))}, depth_limit=1)
    ntuples.write_hdf5(tmp_path / "a.h5", [showers])
    assert read_all(tmp_path / "a.h5").to_list() == showers.to_list()


def test_what_was_read_can_be_written_again(tmp_path):
    ntuples.write_hdf5(tmp_path / "a.h5", [chunk()])
    first = read_all(tmp_path / "a.h5")
    ntuples.write_hdf5(tmp_path / "b.h5", [first[10:40]])
    assert ak.array_equal(read_all(tmp_path / "b.h5"), first[10:40], dtype_exact=True)


@pytest.mark.parametrize("compression", ["gzip", "lzf", "none"])
def test_every_compression_is_read_back(tmp_path, compression):
    ntuples.write_hdf5(tmp_path / "a.h5", [{"cells": np.zeros((500, 12, 12))}], compression=compression)
    assert ak.all(read_all(tmp_path / "a.h5").cells == 0)
    assert ((tmp_path / "a.h5").stat().st_size < 50_000) == (compression != "none")


@pytest.mark.parametrize("shape, entries", [((), 10_000), ((10,), 10_000), ((45, 16, 9), 20), ((100, 100, 100), 1)])
def test_pieces_have_a_bounded_size_and_end_together(tmp_path, shape, entries):
    ntuples.write_hdf5(tmp_path / "a.h5", [{"cells": np.ones((2, *shape)), "energy": np.ones(2)}])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["cells"].chunks == (entries, *shape)
        assert file["energy"].chunks == (entries,)


def test_chunks_without_entries_make_typed_empty_datasets(tmp_path):
    assert ntuples.write_hdf5(tmp_path / "a.h5", [chunk(entries=0)]) == 0
    step = ntuples.reading.Step(f"{tmp_path}/a.h5", "/", 0, 0)
    events = ntuples.arrays(step, ["layer_0", "int8"])
    assert str(events.type) == "0 * {layer_0: 3 * 96 * float32, int8: int8}"


def test_input_is_not_modified(tmp_path):
    given, twin = chunk(), chunk()
    ntuples.write_hdf5(tmp_path / "a.h5", [given])
    assert given.keys() == twin.keys()
    assert all(ak.array_equal(ak.Array(given[name]), ak.Array(twin[name]), dtype_exact=True) for name in twin)


def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path):
    tracemalloc = pytest.importorskip("tracemalloc")

    def peak(chunks):
        tracemalloc.start()
        source = np.random.default_rng(1)
        ntuples.write_hdf5(tmp_path / "a.h5", ({"x": source.random(50_000)} for _ in range(chunks)), compression="none")
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)
    assert peak(20) < 1.2 * peak(4)


# ---- bad input: an error, the old file intact, nothing else in the folder


@pytest.fixture
def old_file(tmp_path):
    """A file that an attempt to write anew must not harm."""
    ntuples.write_hdf5(tmp_path / "a.h5", [{"x": np.arange(3)}])
    content = (tmp_path / "a.h5").read_bytes()
    yield tmp_path / "a.h5"
    assert (tmp_path / "a.h5").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def chunks_then(error):
    yield chunk()
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("no more"), OSError(28, "No space left")])
def test_an_interruption_keeps_the_old_file(old_file, error):
    with pytest.raises(type(error)):
        ntuples.write_hdf5(old_file, chunks_then(error))


@pytest.mark.parametrize("limit", [1_000_000, 5_000, 100])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_full_disk_keeps_the_old_file(old_file, limit, compression):
    """Wherever the space ends, at the first byte or when the file is closed."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            ntuples.write_hdf5(
                old_file, ({"x": np.random.default_rng(1).random(50_000)} for _ in range(4)), compression=compression
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_chunks(old_file):
    with pytest.raises(ValueError, match=r"no chunks to write to .*a.h5; one, perhaps without entries, gives the type"):
        ntuples.write_hdf5(old_file, [])


@pytest.mark.parametrize(
    "second, message",
    [
        ({"x": np.arange(2.0)}, "chunk 1 lacks y: all chunks must have the branches of the first"),
        ({"x": np.arange(2.0), "y": np.arange(2), "z": np.arange(2)}, "chunk 1 also has z"),
        ({"x": np.arange(2.0), "y": np.arange(3)}, r"chunk 1 needs branches of equal length, it has x \(2\), y \(3\)"),
    ],
)
def test_chunks_with_other_branches(old_file, second, message):
    with pytest.raises(ValueError, match=message):
        ntuples.write_hdf5(old_file, [{"x": np.arange(2.0), "y": np.arange(2)}, second])


def test_chunks_with_another_shape(old_file):
    message = r"branch 'x' is 3 \* 95 \* float64 in chunk 1, it was 3 \* 96 \* float64 in the first"
    with pytest.raises(TypeError, match=message):
        ntuples.write_hdf5(old_file, [{"x": np.ones((2, 3, 96))}, {"x": np.ones((2, 3, 95))}])


@pytest.mark.parametrize(
    "column",
    [
        ak.Array([[1.0], []]),
        ak.Array([[{"pt": 1.0}], []]),
        ak.Array(["W", "QCD"]),
        ak.Array([1.0, None]),
        np.array([1j, 2j]),
    ],
)
def test_types_that_cannot_be_stored(old_file, column):
    message = r"branch '.*' has the type .*, which cannot be stored; what can: numbers, fixed-size arrays of them, rec"
    with pytest.raises(TypeError, match=message):
        ntuples.write_hdf5(old_file, [{"x": column}])


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write .*: the folder .*nowhere does not exist"):
        ntuples.write_hdf5(tmp_path / "nowhere" / "a.h5", [chunk()])


def test_unknown_compression(old_file):
    with pytest.raises(ValueError, match="compression = 'zstd', required: one of gzip, lzf, none"):
        ntuples.write_hdf5(old_file, [chunk()], compression="zstd")
