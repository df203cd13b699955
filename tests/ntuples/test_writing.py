"""Writing: what is read is what was written, coffea understands it, and a failure leaves nothing behind."""

import awkward as ak
import numpy as np
import pytest
import uproot

from cortado import ntuples
from cortado.ntuples.reading import Step

WRITERS = [ntuples.write, ntuples.write_rntuple]


def chunk(entries=50, seed=1):
    """One of each thing that can be stored."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, entries)
    jets = ak.zip({"pt": rng.random(counts.sum(), np.float32), "jetId": np.arange(counts.sum(), dtype=np.uint8)})
    return {
        "run": np.ones(entries, np.uint32),
        "luminosityBlock": np.full(entries, 7, np.uint32),
        "event": np.arange(entries, dtype=np.uint64) + 2**60,
        "passed": rng.random(entries) > 0.5,
        "genWeight": rng.normal(size=entries).astype(np.float32),
        "FatJet": ak.unflatten(jets, counts),
        "PSWeight": ak.unflatten(rng.random(counts.sum()), counts),
        "covariance": rng.random((entries, 3)),
        "MET": ak.zip({"pt": rng.random(entries), "phi": rng.random(entries)}),
    }


def read_all(path, tree="Events"):
    branches = ntuples.branch_names(path, tree)
    return ak.concatenate([events for _, events in ntuples.iterate(path, branches, tree=tree)])


@pytest.mark.parametrize("write", WRITERS)
def test_round_trip_of_names_types_and_values(tmp_path, write):
    chunks = [chunk(seed=1), chunk(entries=0), chunk(seed=2), chunk(entries=1, seed=3)]
    assert write(tmp_path / "a.root", "Events", iter(chunks)) == 101
    events = read_all(tmp_path / "a.root")
    expected = {name: ak.concatenate([ak.Array(part[name]) for part in chunks]) for name in chunks[0]}
    assert ak.array_equal(events.FatJet_pt, expected["FatJet"].pt, dtype_exact=True)
    assert ak.array_equal(events.FatJet_jetId, expected["FatJet"].jetId, dtype_exact=True)
    assert ak.array_equal(events.MET_phi, expected["MET"].phi, dtype_exact=True)
    for name in ("run", "event", "passed", "genWeight", "PSWeight", "covariance"):
        assert ak.array_equal(events[name], expected[name], dtype_exact=True), name
    assert ak.array_equal(events.nFatJet, ak.values_astype(ak.num(expected["FatJet"]), np.int32), dtype_exact=True)
    assert set(events.fields) == {
        "run", "luminosityBlock", "event", "passed", "genWeight", "nFatJet", "FatJet_pt", "FatJet_jetId", "nPSWeight",
        "PSWeight", "covariance", "MET_pt", "MET_phi",
    }  # fmt: skip


@pytest.mark.parametrize("write", WRITERS)
def test_arrays_of_any_dimension(tmp_path, write):
    def cells(entries):
        source = np.random.default_rng(entries)
        layers = {"layer_0": source.random((entries, 3, 96), np.float32), "layer_1": source.random((entries, 12, 1))}
        return layers | {"cube": source.integers(0, 9, (entries, 2, 3, 4))}

    parts = [cells(entries) for entries in (0, 5, 2, 1)]
    assert write(tmp_path / "a.root", "showers", iter(parts)) == 8
    read = read_all(tmp_path / "a.root", "showers")
    for name in parts[0]:
        expected = np.concatenate([part[name] for part in parts])
        assert ak.array_equal(read[name], expected, dtype_exact=True), name


def test_cells_of_showers_are_fixed_size_leaves(tmp_path):
    ntuples.write(tmp_path / "a.root", "showers", [{"layer_0": np.zeros((2, 3, 96), np.float32)}])
    with uproot.open(tmp_path / "a.root") as file:
        assert file["showers/layer_0"].typename == "float[3][96]"


@pytest.mark.parametrize("compression", ["zstd", "lz4", "lzma", "none"])
def test_every_compression_is_read_back(tmp_path, compression):
    ntuples.write(tmp_path / "a.root", "Events", [chunk()], compression=compression)
    assert ak.array_equal(read_all(tmp_path / "a.root").FatJet_pt, chunk()["FatJet"].pt)


def test_one_cluster_per_chunk(tmp_path):
    ntuples.write(tmp_path / "a.root", "Events", (chunk(entries=10, seed=seed) for seed in range(4)))
    assert [step[2:] for step in ntuples.steps(tmp_path / "a.root", size=20)] == [(0, 20), (20, 40)]


def test_a_record_array_is_a_chunk_too_and_its_behaviour_is_left_behind(tmp_path):
    vectors = ak.zip({"pt": [[1.0], []]}, with_name="Momentum4D")
    ntuples.write(tmp_path / "a.root", "Events", [ak.zip({"Jet": vectors, "event": [1, 2]}, depth_limit=1)])
    assert read_all(tmp_path / "a.root").tolist() == [
        {"nJet": 1, "Jet_pt": [1.0], "event": 1},
        {"nJet": 0, "Jet_pt": [], "event": 2},
    ]


@pytest.mark.parametrize("write", WRITERS)
def test_what_was_read_can_be_written_again(tmp_path, write):
    write(tmp_path / "a.root", "Events", [chunk()])
    first = read_all(tmp_path / "a.root")
    write(tmp_path / "b.root", "Events", [first[10:40]])
    assert ak.array_equal(read_all(tmp_path / "b.root"), first[10:40], dtype_exact=True)


def test_jagged_branches_share_a_counter_that_is_given(tmp_path):
    columns = {
        "nJet": np.array([1, 2], np.uint32),
        "Jet_pt": ak.Array([[1.0], [2, 3]]),
        "Jet_eta": ak.Array([[1], [2, 3]]),
    }
    ntuples.write(tmp_path / "a.root", "Events", [columns])
    assert ntuples.branch_names(tmp_path / "a.root") == ("nJet", "Jet_pt", "Jet_eta")
    with uproot.open(tmp_path / "a.root") as file:
        assert file["Events/Jet_pt"].count_branch.name == file["Events/Jet_eta"].count_branch.name == "nJet"


def test_input_is_not_modified(tmp_path):
    given, twin = chunk(), chunk()
    ntuples.write(tmp_path / "a.root", "Events", [given])
    assert given.keys() == twin.keys()
    assert all(ak.array_equal(ak.Array(given[name]), ak.Array(twin[name]), dtype_exact=True) for name in twin)


def test_chunks_without_entries_make_a_typed_empty_tree(tmp_path):
    assert ntuples.write(tmp_path / "a.root", "Events", [chunk(entries=0)]) == 0
    events = ntuples.arrays(Step(f"{tmp_path}/a.root", "Events", 0, 0), ["FatJet_pt", "run"])
    assert str(events.type) == "0 * {FatJet_pt: var * float32, run: uint32}"


@pytest.mark.filterwarnings("ignore")
def test_coffea_reads_it_as_nanoaod(tmp_path):
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    parts = [{key: column for key, column in chunk(seed=seed).items() if key != "covariance"} for seed in (1, 2)]
    for part in parts:
        part["FatJet"] = ak.zip(dict.fromkeys(("pt", "eta", "phi", "mass"), part["FatJet"].pt))
    ntuples.write(tmp_path / "a.root", "Events", parts)
    events = NanoEventsFactory.from_root({f"{tmp_path}/a.root": "Events"}, schemaclass=NanoAODSchema).events()
    assert ak.to_list(events.FatJet.pt) == ak.to_list(ak.concatenate([part["FatJet"].pt for part in parts]))
    assert ak.to_list(events.MET.pt) == ak.to_list(ak.concatenate([part["MET"].pt for part in parts]))


def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path):
    tracemalloc = pytest.importorskip("tracemalloc")

    def peak(chunks):
        big = {"x": np.random.default_rng(1).random(50_000)}
        tracemalloc.start()
        ntuples.write(tmp_path / "a.root", "Events", (big for _ in range(chunks)))
        for _ in ntuples.iterate(tmp_path / "a.root", ["x"], size=50_000):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)
    assert peak(20) < 1.2 * peak(4)


# ---- bad input: an error, the old file intact, nothing else in the folder


@pytest.fixture
def old_file(tmp_path):
    """A file that an attempt to write anew must not harm."""
    ntuples.write(tmp_path / "a.root", "Events", [{"x": np.arange(3)}])
    content = (tmp_path / "a.root").read_bytes()
    yield tmp_path / "a.root"
    assert (tmp_path / "a.root").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["a.root"]


def chunks_then(error):
    yield chunk()
    raise error


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("no more"), OSError(28, "No space left on device")]
)
def test_an_interruption_keeps_the_old_file(old_file, write, error):
    with pytest.raises(type(error)):
        write(old_file, "Events", chunks_then(error))


def test_a_full_disk_keeps_the_old_file(old_file):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            ntuples.write(old_file, "Events", ({"x": np.random.default_rng(1).random(50_000)} for _ in range(20)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", WRITERS)
def test_no_chunks(old_file, write):
    with pytest.raises(ValueError, match=r"no chunks to write to .*a.root"):
        write(old_file, "Events", [])


@pytest.mark.parametrize(
    "second, message",
    [
        ({"x": np.arange(2.0)}, "chunk 1 lacks y: all chunks must have the branches of the first"),
        ({"x": np.arange(2.0), "y": np.arange(2), "z": np.arange(2)}, "chunk 1 also has z"),
        ({}, r"chunk 1 needs branches of equal length, it has none"),
        ({"x": np.arange(2.0), "y": np.arange(3)}, r"chunk 1 needs branches of equal length, it has x \(2\), y \(3\)"),
    ],
)
def test_chunks_with_other_branches(old_file, second, message):
    with pytest.raises(ValueError, match=message):
        ntuples.write(old_file, "Events", [{"x": np.arange(2.0), "y": np.arange(2)}, second])


@pytest.mark.parametrize("write", WRITERS)
def test_chunks_with_another_type(old_file, write):
    chunks = [{"x": np.arange(2, dtype=np.float32)}, {"x": np.arange(2.0)}]
    with pytest.raises(TypeError, match="branch 'x' is float64 in chunk 1, it was float32 in the first"):
        write(old_file, "Events", chunks)


@pytest.mark.parametrize(
    "column",
    [
        ak.Array(["W", "QCD"]),
        ak.Array([1.0, None]),
        ak.Array([[1.0, None], []]),
        ak.Array([[[1.0]], []]),
        ak.to_regular(ak.Array([[[1.0], []], [[2.0], [3.0, 4.0]]]), axis=1),
        ak.Array([[], []]),
        np.array([1j, 2j]),
        ak.Array([1.0, [2.0]]),
    ],
)
@pytest.mark.parametrize("write", WRITERS)
def test_types_that_cannot_be_stored(old_file, write, column):
    with pytest.raises(TypeError, match=r"branch 'x' has the type .*, which cannot be stored; what can: numbers"):
        write(old_file, "Events", [{"x": column}])


@pytest.mark.parametrize("write", WRITERS)
def test_a_counter_that_does_not_count(old_file, write):
    with pytest.raises(ValueError, match="chunk 0: 'nJet' does not count the elements of 'Jet_pt'"):
        write(old_file, "Events", [{"nJet": np.array([1, 1]), "Jet_pt": ak.Array([[1.0], [2.0, 3.0]])}])


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"cannot write .*: the folder .*nowhere does not exist"):
        ntuples.write(tmp_path / "nowhere" / "a.root", "Events", [chunk()])


def test_unknown_compression(old_file):
    with pytest.raises(ValueError, match="compression = 'zip', required: one of zstd, lz4, lzma, none"):
        ntuples.write(old_file, "Events", [chunk()], compression="zip")
