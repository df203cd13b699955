"""Reading: steps cover each entry once, real files of all dialects open, and each kind of damage has its message."""

import os
import pickle
import sys
from http.server import SimpleHTTPRequestHandler

import awkward as ak
import numpy as np
import pytest
import uproot
from web import served

from cortado import ntuples
from cortado.ntuples.paths import remote, split_tree
from cortado.ntuples.reading import Step


def write_tree(path, tree="Events", *, clusters=(100,), **more):
    """A file with a jagged collection and an event number, one cluster for each number of entries."""
    rng = np.random.default_rng(1)
    first = np.cumsum([0, *clusters])

    def chunk(start, entries):
        counts = rng.integers(0, 4, entries)
        jets = ak.unflatten(ak.zip({"pt": rng.random(counts.sum()), "eta": rng.random(counts.sum())}), counts)
        return {"event": np.arange(start, start + entries), "Jet": jets, **more}

    ntuples.write(path, tree, (chunk(start, entries) for start, entries in zip(first, clusters)))
    return path


def entries_of(steps):
    return [entry for step in steps for entry in range(step.start, step.stop)]


# ---- steps


@pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 250, 1000])
@pytest.mark.parametrize("clusters", [(100,), (10, 10, 10, 10), (150, 3, 80), (1,)])
def test_steps_cover_every_entry_once_within_the_size(tmp_path, clusters, size):
    path = write_tree(tmp_path / "a.root", clusters=clusters)
    steps = ntuples.steps(path, size=size)
    assert entries_of(steps) == list(range(sum(clusters)))
    assert max(step.stop - step.start for step in steps) <= size


def test_steps_end_with_clusters_when_these_are_small(tmp_path):
    path = write_tree(tmp_path / "a.root", clusters=(60, 60, 60, 60, 60))
    assert [step[2:] for step in ntuples.steps(path, size=150)] == [(0, 120), (120, 240), (240, 300)]


def test_a_large_cluster_is_cut_into_equal_parts(tmp_path):
    path = write_tree(tmp_path / "a.root", clusters=(101,))
    assert [step[2:] for step in ntuples.steps(path, size=100)] == [(0, 50), (50, 101)]


def test_steps_refuse_a_size_below_one(tmp_path):
    with pytest.raises(ValueError, match="size=0: a step has at least 1 entry"):
        ntuples.steps(write_tree(tmp_path / "a.root"), size=0)


def test_a_step_travels_by_pickle(tmp_path):
    step = ntuples.steps(write_tree(tmp_path / "a.root"))[0]
    assert pickle.loads(pickle.dumps(step)) == step


@pytest.mark.parametrize("size", [3, 64, 1000])
def test_iterate_gives_what_one_read_gives(tmp_path, size):
    path = write_tree(tmp_path / "a.root", clusters=(40, 70, 5))
    branches = ["Jet_eta", "event", "nJet"]
    whole = ntuples.arrays(Step(str(path), "Events", 0, 115), branches)
    pieces = [events for _, events in ntuples.iterate(path, branches, size=size)]
    assert whole.fields == branches
    assert ak.array_equal(ak.concatenate(pieces), whole, dtype_exact=True)


def test_iterate_reads_files_in_the_given_order(tmp_path):
    paths = [write_tree(tmp_path / f"{name}.root", clusters=(5,)) for name in "ba"]
    assert [step.path for step, _ in ntuples.iterate(paths, ["event"])] == [str(path) for path in paths]


# ---- names of files


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a.root", ("a.root", None)),
        ("a.root:Events", ("a.root", "Events")),
        ("folder/a.root:deep/tree", ("folder/a.root", "deep/tree")),
        ("a.h5:table", ("a.h5", "table")),
        ("root://host:1094//store/a.root", ("root://host:1094//store/a.root", None)),
        ("root://host:1094//store/a.root:Events", ("root://host:1094//store/a.root", "Events")),
        ("https://host:8080/a.root?token=x:y", ("https://host:8080/a.root?token=x:y", None)),
        ("https://host:8080/noend", ("https://host:8080/noend", None)),
        ("C:/folder/a.root", ("C:/folder/a.root", None)),
    ],
)
def test_only_a_colon_behind_the_suffix_begins_a_tree(text, expected):
    assert split_tree(text) == expected


def test_a_file_whose_name_has_a_colon_is_that_file(tmp_path):
    path = write_tree(tmp_path / "a.root:b", clusters=(3,))
    assert ntuples.num_entries(path) == 3


def test_globs_are_expanded_in_order(tmp_path):
    for name in ("b", "a", "c"):
        write_tree(tmp_path / f"{name}.root", clusters=(2,))
    steps = ntuples.steps(f"{tmp_path}/[ab].root:Events")
    assert [step.path for step in steps] == [f"{tmp_path}/a.root", f"{tmp_path}/b.root"]


def test_a_url_is_read_over_the_network(tmp_path):
    write_tree(tmp_path / "a.root", clusters=(7,))
    with served(tmp_path) as address:
        (step,) = ntuples.steps(f"{address}/a.root:Events")
        assert step == Step(f"{address}/a.root", "Events", 0, 7)
        assert ntuples.arrays(step, ["event"]).event.tolist() == list(range(7))


def test_a_url_that_is_not_there(tmp_path):
    with served(tmp_path) as address, pytest.raises(OSError, match=f"cannot open {address}/a.root"):
        ntuples.steps(f"{address}/a.root")


def test_a_server_without_ranges_is_told_what_is_wanted(tmp_path):
    write_tree(tmp_path / "a.root")
    with served(tmp_path, SimpleHTTPRequestHandler) as address:
        message = rf"cannot open {address}/a.root: .*servers must answer requests for ranges of bytes"
        with pytest.raises(OSError, match=message):
            ntuples.steps(f"{address}/a.root")


# ---- real files


@pytest.mark.parametrize(
    "name, tree, entries, branches",
    [
        ("jets/nano_tt_v15.root", "Events", 200, ("FatJet_pt", "nFatJet", "PFCand_pdgId", "FatJetPFCand_jetIdx")),
        ("jets/pfnano.root", "Events", 10, ("FatJet_pt", "PFCands_d0", "FatJetPFCands_pFCandsIdx")),
        ("jets/JetClassII_example.root", "tree", 100, ("part_px", "part_charge", "jet_label", "jet_tau4")),
        ("jets/deepntuple_even.root", "deepntuplizer/tree", 3592, ("n_Cpfcand", "Cpfcan_pt", "sv_pt", "isB")),
        ("jets/events_delphes_example.root", "Delphes", 10, ("ParticleFlowCandidate.PT", "Particle.PID")),
        ("jets/PHYSLITE_example.root", "CollectionTree", 100, ("AnalysisJetsAuxDyn.pt",)),
        ("toptagging/val.root", "tree", 4999, ("part_px", "jet_energy", "is_signal_new")),
        ("vertexing/test_FCC_Spring2021.root", "events", 100, ("EFlowTrack_1.D0", "EFlowTrack_1.covMatrix[15]")),
        (
            "physics/Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root",
            "Events",
            1000,
            ("nMuon", "Muon_pt", "Muon_charge"),
        ),
    ],
)
def test_real_root_files(test_data, name, tree, entries, branches):
    path = f"{test_data / name}:{tree}"
    assert set(branches) <= set(ntuples.branch_names(path))
    read = [events for _, events in ntuples.iterate(path, branches, size=1000)]
    assert sum(map(len, read)) == entries == ntuples.num_entries(path)
    with uproot.open(test_data / name) as file:
        root_tree = file[tree]
        for branch in branches:
            expected = root_tree[branch].array()
            assert ak.array_equal(ak.concatenate([events[branch] for events in read]), expected)


def test_the_tree_of_the_events_is_found_among_several(test_data):
    assert ntuples.find_tree(test_data / "jets/pfnano.root") == "Events"
    assert ntuples.find_tree(test_data / "vertexing/test_FCC_Spring2021.root") == "events"


def test_every_branch_of_a_real_nanoaod_file_is_aligned(test_data):
    """No two branches that the naming rule puts into one collection differ: the check has no false alarm."""
    (step,) = ntuples.steps(test_data / "jets/nano_tt_v15.root")
    branches = ntuples.branch_names(step.path)
    assert len(ntuples.arrays(step, branches).fields) == len(branches)


# ---- bad input


def test_missing_file_names_its_neighbours(tmp_path):
    write_tree(tmp_path / "qcd_2017.root")
    with pytest.raises(FileNotFoundError, match=r"2016\.root does not exist; in that folder, nearest: qcd_2017"):
        ntuples.steps(tmp_path / "qcd_2016.root")


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.root does not exist, neither does the folder .*nowhere"):
        ntuples.steps(tmp_path / "nowhere" / "a.root")


def test_glob_without_match(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file matches .*\*.root"):
        ntuples.steps(f"{tmp_path}/*.root")


def test_no_paths():
    with pytest.raises(ValueError, match="no input files"):
        ntuples.steps([])


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"is a folder, not a file; name its files, as in .*/\*.root"):
        ntuples.steps(tmp_path)


def test_zero_bytes(tmp_path):
    (tmp_path / "a.root").touch()
    with pytest.raises(OSError, match=r"a.root is empty \(0 bytes\)"):
        ntuples.steps(tmp_path / "a.root")


def test_not_a_root_file(tmp_path):
    (tmp_path / "a.root").write_text("<html>Please log in</html>")
    with pytest.raises(OSError, match=r"a.root is not a ROOT file: it begins with b'<htm'"):
        ntuples.branch_names(tmp_path / "a.root")


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.999])
def test_truncated_file(tmp_path, fraction):
    content = write_tree(tmp_path / "a.root").read_bytes()
    (tmp_path / "a.root").write_bytes(content[: max(5, int(fraction * len(content)))])
    with pytest.raises(OSError, match=r"a.root is truncated: it has \d+ bytes"):
        ntuples.num_entries(tmp_path / "a.root")


def test_damaged_directory(tmp_path):
    path = write_tree(tmp_path / "a.root")
    path.write_bytes(path.read_bytes()[:100] + b"\x55" * (path.stat().st_size - 100))
    with pytest.raises(OSError, match=r"cannot open .*a.root: "):
        ntuples.num_entries(path)


def test_damaged_tree(tmp_path):
    path = write_tree(tmp_path / "a.root")
    with uproot.open(path) as file:
        key = file.key("Events")
        start, length = key.fSeekKey + key.fKeylen, key.fNbytes - key.fKeylen
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\x55" * length
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"cannot read tree 'Events' of .*a.root: "):
        ntuples.steps(path)


def test_damaged_branch_is_named(tmp_path):
    path = write_tree(tmp_path / "a.root", weight=np.ones(100))
    with uproot.open(path) as file:
        basket = int(file["Events/Jet_eta"].member("fBasketSeek")[0])
    content = bytearray(path.read_bytes())
    content[basket + 90 : basket + 200] = os.urandom(110)
    path.write_bytes(content)
    step = Step(str(path), "Events", 0, 100)
    assert len(ntuples.arrays(step, ["Jet_pt", "weight"])) == 100
    with pytest.raises(OSError, match=r"cannot read branch 'Jet_eta', entries 0 to 100 of tree 'Events' of .*a.root"):
        ntuples.arrays(step, ["Jet_pt", "Jet_eta", "weight"])


def test_unreadable_branch_of_a_real_file(test_data):
    step = Step(str(test_data / "jets/events_delphes_example.root"), "Delphes", 0, 10)
    with pytest.raises(OSError, match=r"cannot read branch '\w+.fBits'"):
        ntuples.arrays(step, [name for name in ntuples.branch_names(step.path) if name.endswith("fBits")])


def test_missing_tree_names_those_of_the_file(tmp_path):
    path = write_tree(tmp_path / "a.root", tree="deep/Tree")
    with pytest.raises(KeyError, match=r"a.root has no tree 'Events'; it has deep/Tree"):
        ntuples.steps(path, tree="Events")


def test_file_without_a_tree(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file["mass"] = np.histogram([1.0, 2.0])
    with pytest.raises(KeyError, match=r"a.root holds no tree; it holds mass \(TH1D\)"):
        ntuples.find_tree(tmp_path / "a.root")


def test_file_with_nothing(tmp_path):
    uproot.recreate(tmp_path / "a.root").close()
    with pytest.raises(KeyError, match="holds no tree; it holds nothing at all"):
        ntuples.find_tree(tmp_path / "a.root")


def test_several_trees_ask_for_one(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("one", {"x": np.arange(3.0)})
        file.mktree("two", {"x": np.arange(4.0)})
    with pytest.raises(ValueError, match=r"a.root has 2 trees: one, two; choose one with tree="):
        ntuples.find_tree(tmp_path / "a.root")
    assert ntuples.num_entries(tmp_path / "a.root", "two") == 4
    assert ntuples.num_entries(f"{tmp_path}/a.root:one") == 3


def test_missing_branch_names_the_nearest(tmp_path):
    (step,) = ntuples.steps(write_tree(tmp_path / "a.root"))
    with pytest.raises(KeyError, match=r"no branch 'jet_Pt' in tree 'Events' of .*a.root; nearest: Jet_pt"):
        ntuples.arrays(step, ["jet_Pt"])


def test_missing_branch_without_neighbours_lists_all(tmp_path):
    (step,) = ntuples.steps(write_tree(tmp_path / "a.root"))
    with pytest.raises(KeyError, match="there are event, nJet, Jet_pt, Jet_eta"):
        ntuples.arrays(step, ["xyz"])


def test_step_outside_the_file(tmp_path):
    path = write_tree(tmp_path / "a.root")
    with pytest.raises(ValueError, match=r"entries 50 to 101 of tree 'Events' of .*a.root: it has only 100"):
        ntuples.arrays(Step(str(path), "Events", 50, 101), ["event"])


def write_mismatched(path, counter=None):
    """Two branches of one collection with a counter each, as in some copies of NanoAOD; entry 3 differs."""
    chunk = {
        "Jet_pt": ak.Array([[1.0], [], [2.0, 3.0], [4.0]]),
        "Jet_mass": ak.Array([[1.0], [], [2.0, 3.0], [4.0, 5.0]]),
    }
    with uproot.recreate(path) as file:
        file.mktree("Events", chunk | ({"nJet": np.array(counter)} if counter else {}))
    return path


@pytest.mark.parametrize("counter", [None, [1, 0, 2, 1]])
def test_mismatched_counters(tmp_path, counter):
    (step,) = ntuples.steps(write_mismatched(tmp_path / "a.root", counter))
    with pytest.raises(ValueError, match=r"entry 3 of tree 'Events' of .*: 'Jet_pt' has 1 elements, 'Jet_mass' 2"):
        ntuples.arrays(step, ["Jet_pt", "Jet_mass"])
    assert ak.num(ntuples.arrays(step, ["Jet_mass"]).Jet_mass).tolist() == [1, 0, 2, 2]


def test_counters_of_different_collections_may_differ(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"Jet_pt": ak.Array([[1.0], []]), "Muon_pt": ak.Array([[], [1.0, 2.0]])})
    (step,) = ntuples.steps(tmp_path / "a.root")
    assert ntuples.arrays(step, ["Jet_pt", "Muon_pt"]).Muon_pt.tolist() == [[], [1.0, 2.0]]


def test_a_tree_without_entries_gives_no_steps_and_typed_empty_arrays(tmp_path):
    path = write_tree(tmp_path / "a.root", clusters=(0,))
    assert ntuples.steps(path) == []
    assert list(ntuples.iterate([path, path], ["event"])) == []
    events = ntuples.arrays(Step(str(path), "Events", 0, 0), ["event", "Jet_pt"])
    assert str(events.type) == "0 * {event: int64, Jet_pt: var * float64}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(tmp_path):
    path = write_tree(tmp_path / "a.root")
    path.chmod(0)
    with pytest.raises(PermissionError, match=r"a.root"):
        ntuples.steps(path)


@pytest.mark.parametrize("name", ["a.root", "a.root:Events", "a.parquet", "a.h5"])
def test_url_of_a_protocol_without_its_package(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec_xrootd", None)
    address = f"root://host.invalid:1094//store/{name}"
    message = rf"cannot open {address.removesuffix(':Events')}: .*fsspec-xrootd.*pip install \"\.\[xrootd\]\""
    with pytest.raises(ImportError, match=message):
        ntuples.steps(address)


def test_package_that_a_local_file_needs_is_told_as_it_is():
    with pytest.raises(ImportError, match=r"^no such package$"), remote("a.root"):
        raise ImportError("no such package")


WRITERS = {
    "a.root": lambda path, chunks: ntuples.write_rntuple(path, "Events", chunks),
    "a.parquet": ntuples.write_parquet,
    "a.h5": ntuples.write_hdf5,
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_each_format_are_read_over_the_network(name, tmp_path):
    WRITERS[name](tmp_path / name, [{"event": np.arange(7), "width": np.arange(7.0)}])
    with served(tmp_path) as address:
        (step,) = ntuples.steps(f"{address}/{name}")
        assert ntuples.arrays(step, ["width"]).width.to_list() == list(range(7))
