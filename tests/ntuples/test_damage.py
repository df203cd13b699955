"""Flipped bits and numbers: every entry is read, or an error names the file; values change only without checksums."""

import struct
import time
import tracemalloc

import awkward as ak
import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import uproot
import xxhash

from cortado import ntuples
from cortado.ntuples import columnar, reading
from cortado.ntuples.table import Table, checked_clusters

ENTRIES = 50


def chunks():
    """Two clusters."""
    rng = np.random.default_rng(1)
    for start, stop in ((0, 20), (20, ENTRIES)):
        counts = rng.integers(0, 4, stop - start)
        jets = ak.unflatten(ak.zip({"pt": rng.random(counts.sum()), "eta": rng.random(counts.sum())}), counts)
        yield {"event": np.arange(start, stop), "Jet": jets}


def flat():
    rng = np.random.default_rng(1)
    return {"energy": rng.random(ENTRIES), "shower": rng.random((ENTRIES, 3)), "event": np.arange(ENTRIES)}


def write_flat(path, **options):
    ntuples.write_hdf5(path, [flat()], **options)


def write_parquet(path):
    columns = {name: list(values) for name, values in flat().items()}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, write_page_checksum=True, row_group_size=20)


WRITERS = {
    "a.root": lambda path: ntuples.write(path, "Events", chunks(), compression="none"),
    "lz4.root": lambda path: ntuples.write(path, "Events", chunks(), compression="lz4"),
    "tuple.root": lambda path: ntuples.write_rntuple(path, "Events", chunks(), compression="none"),
    "a.h5": write_flat,
    "none.h5": lambda path: write_flat(path, compression="none"),
    "a.parquet": write_parquet,
}
CHECKED = {"a.h5", "none.h5", "a.parquet"}  # formats whose checksums cover the values


@pytest.fixture(scope="module", params=WRITERS)
def whole(request, tmp_path_factory):
    """A file, its name and what it holds."""
    path = tmp_path_factory.mktemp("whole") / request.param
    WRITERS[request.param](path)
    return path.read_bytes(), request.param, everything(path)


def everything(path):
    parts = [events for _, events in ntuples.iterate(path, ntuples.branch_names(path), size=20)]
    return ak.concatenate(parts) if parts else ak.Array([])


def told_or_read(path):
    """What is read of a file, or None if an error of one line names it."""
    found, told = None, f"{path}"
    try:
        found = everything(path)
    except (OSError, KeyError, ValueError) as error:
        told = str(error)
    assert str(path) in told
    assert len(told.splitlines()) == 1
    return found


def test_a_flipped_bit_loses_no_entry(whole, tmp_path):
    content, name, expected = whole
    path, told = tmp_path / name, 0
    for bit in np.random.default_rng(2).integers(0, 8 * len(content), 60):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        found = told_or_read(path)
        told += found is None
        if found is not None:
            assert len(found) == ENTRIES, bit
            if name in CHECKED and set(found.fields) == set(expected.fields):
                assert ak.array_equal(found, expected, dtype_exact=False, equal_nan=True), bit
    assert told > 0


@pytest.mark.parametrize("number", [0, ENTRIES - 1, ENTRIES + 1, 1 << 20, 1 << 62, -1])
def test_another_number_of_entries_is_noticed(tmp_path, number):
    """Wherever the file states how many there are: in the tree, in branches, and where baskets begin and end."""
    WRITERS["a.root"](path := tmp_path / "a.root")
    content, told = path.read_bytes(), 0
    places = {*places_of(content, struct.pack(">q", ENTRIES))}
    for place in places_of(content, struct.pack(">3q", 0, 20, ENTRIES)):  # fBasketEntry of a branch
        places |= {place, place + 8, place + 16}
    for place in places:
        path.write_bytes(content[:place] + struct.pack(">q", number) + content[place + 8 :])
        found = told_or_read(path)
        told += found is None
        assert found is None or len(found) == ENTRIES, place
    assert told >= 4


def places_of(content, pattern):
    place = content.find(pattern)
    while place >= 0:
        yield place
        place = content.find(pattern, place + 1)


def test_baskets_of_one_branch_that_begin_elsewhere_are_named(tmp_path):
    """As a flipped bit in fBasketEntry, which once made the file one without entries."""
    WRITERS["a.root"](path := tmp_path / "a.root")
    content = path.read_bytes()
    place = content.find(struct.pack(">3q", 0, 20, ENTRIES))
    path.write_bytes(content[:place] + struct.pack(">q", 1 << 20) + content[place + 8 :])
    with pytest.raises(
        OSError, match=r"a.root: .* baskets of branch '\w+' hold entries 1048576 to 50, the tree states"
    ):
        ntuples.steps(path)


def test_clusters_cover_all_entries(tmp_path):
    for clusters in ([20, 50], [0, 20], [0, 30, 20, 50], []):
        table = Table("a.root", "Events", ENTRIES, ("x",), lambda clusters=clusters: clusters, lambda *_: None)
        with pytest.raises(OSError, match=r"'Events' of a.root: .*its clusters go from .* the table states 50 entries"):
            checked_clusters(table)
    nothing = Table("a.root", "Events", 0, ("x",), lambda: [0], lambda *_: None)
    assert checked_clusters(nothing) == [0]


def test_a_reader_that_gives_fewer_entries_is_noticed(tmp_path, monkeypatch):
    write_flat(path := tmp_path / "a.h5")
    rows = columnar._rows
    monkeypatch.setattr(columnar, "_rows", lambda dataset, start, stop: rows(dataset, start, stop - 1))
    with pytest.raises(OSError, match=r"cannot read .*, entries 0 to 50 of .*a.h5: ValueError: 49 entries were there"):
        ntuples.arrays(ntuples.steps(path)[0], ["event"])


def test_jagged_rows_of_negative_length_are_named(tmp_path, monkeypatch):
    WRITERS["a.root"](path := tmp_path / "a.root")
    offsets = ak.index.Index64(np.array([0, 5, 3, *[5] * (ENTRIES - 2)]))
    broken = ak.Array(ak.contents.ListOffsetArray(offsets, ak.contents.NumpyArray(np.zeros(9))))
    with pytest.raises(OSError, match=r"cannot read branch 'x', entry 1 of .*a.root: it has -2 elements, the file is"):
        reading._check_counts(ak.zip({"x": broken}, depth_limit=1), {"x"}, f"tree 'Events' of {path}", 0)


# ---- RNTuple with the checksums that ROOT writes, and uproot does not


def test_a_flipped_bit_in_a_page_with_a_checksum_is_noticed(tmp_path, monkeypatch):
    WRITERS["tuple.root"](path := tmp_path / "tuple.root")
    with uproot.open(path) as file:
        locator = file["Events"].page_link_list[0][0].pages[0].locator
    begin, end = locator.offset, locator.offset + locator.num_bytes
    read = uproot.models.RNTuple.PageDescription.read

    def sealed(self, chunk, cursor, context):
        page = read(self, chunk, cursor, context)
        page.has_checksum = page.locator.offset == begin
        return page

    monkeypatch.setattr(uproot.models.RNTuple.PageDescription, "read", sealed)
    content = bytearray(path.read_bytes())
    content[end : end + 8] = xxhash.xxh3_64_intdigest(content[begin:end]).to_bytes(8, "little")  # over another page
    path.write_bytes(content)
    (step, *_), branch = ntuples.steps(path, size=20), ntuples.branch_names(path)[0]
    assert len(ntuples.arrays(step, [branch])) == 20
    content[begin] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        OSError, match=rf"cannot read branch .*tuple.root: ValueError: the page at byte {begin} has anoth"
    ):
        ntuples.arrays(step, [branch])


# ---- HDF5 that declares more than it holds


@pytest.mark.parametrize("entries", [50_000_000, 2_000_000_000])
def test_a_small_hdf5_that_declares_much_is_refused_within_little_memory(tmp_path, entries):
    with h5py.File(path := tmp_path / "huge.h5", "w") as file:
        file.create_dataset("energy", shape=(entries,), maxshape=(None,), chunks=(1,), dtype="f4")
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(OSError, match=rf"huge.h5: '/energy' declares {entries:,} entries in {entries:,} pieces, the"):
        ntuples.steps(path)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert time.perf_counter() - begin < 5


def test_pieces_that_were_never_written_are_no_zeros(tmp_path):
    with h5py.File(path := tmp_path / "a.h5", "w") as file:
        energy = file.create_dataset("energy", shape=(100,), maxshape=(None,), chunks=(10,), dtype="f4")
        energy[:80] = 1
        file.create_dataset("late", shape=(100,), dtype="f4")
    with pytest.raises(OSError, match=r"'/energy' declares 100 entries in 10 pieces, the file holds 8: its writer was"):
        ntuples.steps(path)
    with h5py.File(path, "a") as file:
        file["energy"][80:] = 1
    with pytest.raises(OSError, match=r"'/late' declares 100 entries in 400 bytes, the file holds 0"):
        ntuples.steps(path)


def test_a_piece_larger_than_memory_is_refused(tmp_path):
    with h5py.File(path := tmp_path / "a.h5", "w") as file:
        file.create_dataset("energy", shape=(1 << 29,), chunks=(1 << 29,), dtype="f4", compression="gzip")
    with pytest.raises(
        OSError, match=r"'/energy' is cut into pieces of 2,147,483,648 bytes, at most 1,073,741,824 fit"
    ):
        ntuples.steps(path)


def test_many_small_pieces_are_read_in_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(columnar, "_MOST_CLUSTERS", 10)
    with h5py.File(path := tmp_path / "a.h5", "w") as file:
        file.create_dataset("energy", data=np.arange(95.0), maxshape=(None,), chunks=(2,))
    assert [step[2:] for step in ntuples.steps(path, size=20)][:2] == [(0, 20), (20, 40)]
    assert ak.concatenate([e.energy for _, e in ntuples.iterate(path, ["energy"], size=7)]).tolist() == list(range(95))


def test_hdf5_is_written_with_checksums(tmp_path):
    for compression in ("gzip", "lzf", "none"):
        write_flat(path := tmp_path / f"{compression}.h5", compression=compression)
        with h5py.File(path) as file:
            assert all(dataset.fletcher32 for dataset in file.values())


def test_a_changed_number_in_hdf5_is_called_damage(tmp_path):
    """Not a missing plugin, of which HDF5 speaks in nearly the same words."""
    write_flat(path := tmp_path / "a.h5", compression="none")
    with h5py.File(path) as file:
        name = next(iter(file))
        place = file[name].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"a\.h5: OSError: a block has another checksum or cannot be unpacked"):
        list(ntuples.iterate(path, [name]))


def test_every_page_of_parquet_that_is_written_here_is_checked(tmp_path):
    """Wherever a bit of the content is another one: the ends of a file say what it is and where all lies."""
    numbers = np.random.default_rng(1).normal(size=4_000)
    ntuples.write_parquet(path := tmp_path / "a.parquet", [{"x": numbers}])
    good = path.read_bytes()
    for place in range(len(good) // 8, 3 * len(good) // 4, len(good) // 20):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(OSError, match=r"a\.parquet"):
            list(ntuples.iterate(path, ["x"]))


# ---- histograms and monitoring


@pytest.mark.parametrize("name", ["a.root", "a.json", "a.csv", "a.csv.gz", "a.h5"])
def test_rubbish_in_histograms_is_told_with_the_name(tmp_path, name):
    path = tmp_path / name
    for content in (b"\xff\xfe\x00rubbish" * 50, b"[" * 100_000, b'{"a": 1}', b"fromrun,fromlumi,histo\n1,1,3\n1,1,\n"):
        path.write_bytes(content)
        for read in (ntuples.read_histograms, lambda path: list(ntuples.iterate_monitoring(path))):
            with pytest.raises((OSError, ValueError), match=name.replace(".", r"\.")) as caught:
                read(path)
            assert len(str(caught.value).splitlines()) == 1
            assert type(caught.value) in (OSError, ValueError)


@pytest.mark.parametrize("version, large", [(62400, False), (999_999, False), (1_000_000, True), (1_063_400, True)])
def test_the_header_of_files_of_all_versions_says_how_long_they_are(tmp_path, version, large):
    """Above one million positions take eight bytes, below four (https://root.cern, TFile)."""
    stated = 300
    position = struct.pack(">qq", 100, stated) if large else struct.pack(">ii", 100, stated)
    header = b"root" + struct.pack(">i", version) + (struct.pack(">i", 100) + position[8:] if large else position)
    for length, whole in ((stated, True), (stated - 1, False)):
        path = tmp_path / f"{length}.root"
        path.write_bytes(header.ljust(length, b"\0"))
        message = "holds no tree|cannot" if whole else "is truncated: it has 299 bytes"
        with pytest.raises((OSError, KeyError), match=message):
            ntuples.find_tree(path)
