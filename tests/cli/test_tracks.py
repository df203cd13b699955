"""`cortado score` with a track finder: the friend tree of tracks and of the hits that they have."""

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, succeed
from samples import write_tree
from toy_track_finder import events_of, save_track_finder

import cortado
from cortado import ntuples, readers

EVENTS = events_of()
KEYS = {"run", "luminosityBlock", "event"}


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    """Path of a track finder."""
    return save_track_finder(tmp_path_factory.mktemp("finder") / "tracks.cortado")


def write_events(path, events=EVENTS):
    write_tree(path, readers.hits.columns_of(events), tree="hits")
    return path


@pytest.fixture(scope="module")
def hits(tmp_path_factory):
    """A file of 12 events."""
    return write_events(tmp_path_factory.mktemp("hits") / "hits.root")


def tracks_in(path):
    with uproot.open(path) as file:
        assert file.keys() == ["tracks;1", "cortado;1"]
        return file["tracks"].arrays()


def assert_holds(tree, finder, events, **options):
    """The tree has what the finder says of the events."""
    columns, _ = cortado.load(finder).events(events, **options)
    flat = {f"{name}_{field}": one[field] for name, one in columns.items() for field in one.fields}
    assert set(tree.fields) == {*KEYS, "nhit", "ntrack", *flat}
    for name, column in flat.items():
        assert ak.array_equal(tree[name], column, equal_nan=True, dtype_exact=False), name


def test_tracks_are_those_of_the_finder_in_a_friend_tree(finder, hits, tmp_path):
    out = tmp_path / "tracks.root"
    lines = succeed("score", finder, hits, "--out", out, "--step", 5)
    tree, label = tracks_in(out), cortado.load(finder)(EVENTS)
    assert_holds(tree, finder, EVENTS)
    assert tree.hit_trackIdx.to_list() == label.to_list()
    assert tree.event.to_list() == EVENTS.event.to_list()
    numbers = f"{ak.count(label)} hits, {ak.sum(ak.max(label, axis=1) + 1)} tracks"
    assert lines == [f"wrote {out}: {numbers} in 12 entries"]


def test_hits_point_at_their_tracks(finder, hits, tmp_path):
    succeed("score", finder, hits, "--out", tmp_path / "tracks.root")
    tree = tracks_in(tmp_path / "tracks.root")
    for index, n_hits in zip(tree.hit_trackIdx.to_list(), tree.track_n_hits.to_list()):
        assert [index.count(number) for number in range(max(index) + 1)] == n_hits


def test_the_tree_is_read_beside_the_ntuple(finder, hits, tmp_path):
    out = tmp_path / "tracks.root"
    succeed("score", finder, hits, "--out", out)
    wanted = ["hit_trackIdx", "track_pt"]
    beside = [ntuples.friend(step, out, wanted) for step in ntuples.steps(hits, size=7)]
    assert ak.array_equal(ak.concatenate(beside).track_pt, tracks_in(out).track_pt, equal_nan=True)


def test_the_field_scales_the_momenta(finder, hits, tmp_path):
    succeed("score", finder, hits, "--out", tmp_path / "strong.root", "--magnetic-field", 3.8)
    tree = tracks_in(tmp_path / "strong.root")
    assert_holds(tree, finder, EVENTS, magnetic_field=3.8)
    weak = ak.flatten(cortado.load(finder).tracks(EVENTS).pt)
    assert np.median(ak.flatten(tree.track_pt) / weak) == pytest.approx(1.9, rel=1e-3)


def test_files_without_truth_are_scored(finder, tmp_path):
    bare = ak.without_field(EVENTS, "particles")
    bare = ak.with_field(bare, EVENTS.hits[["x", "y", "z", "layer", "module"]], "hits")
    succeed("score", finder, write_events(tmp_path / "bare.root", bare), "--out", tmp_path / "tracks.root")
    assert_holds(tracks_in(tmp_path / "tracks.root"), finder, EVENTS)


def test_a_chain_that_finds_no_track_says_so(hits, tmp_path):
    silent = save_track_finder(tmp_path / "silent.cortado", bias=-100.0)
    out = tmp_path / "tracks.root"
    lines = succeed("score", silent, hits, "--out", out, "--step", 5)
    assert lines == [
        "12 entries have hits, but not a single track was found",
        f"wrote {out}: {ak.count(EVENTS.hits.x)} hits, 0 tracks in 12 entries",
    ]
    tree = tracks_in(out)
    assert ak.all(tree.hit_trackIdx == -1)
    assert tree.ntrack.to_list() == [0] * 12


def test_hits_in_layers_that_are_not_known_are_counted(finder, tmp_path):
    strange = ak.with_field(EVENTS.hits, ak.values_astype(EVENTS.hits.layer + 1000, np.int32), "layer")
    mixed = ak.concatenate([EVENTS.hits, strange[:, :3]], axis=1)
    path = write_events(tmp_path / "hits.root", ak.with_field(EVENTS, mixed, "hits"))
    lines = succeed("score", finder, path, "--out", tmp_path / "tracks.root", "--step", 5)
    assert lines[0] == "36 hits are in layers that the bundle does not know: they are in no track"


def test_events_without_hits_and_files_without_entries_have_all_branches(finder, tmp_path):
    without = ak.with_field(EVENTS, EVENTS.hits[EVENTS.hits.layer < 0], "hits")
    for name, events in (("none", EVENTS[:0]), ("hitless", without)):
        out = tmp_path / f"{name}_tracks.root"
        lines = succeed("score", finder, write_events(tmp_path / f"{name}.root", events), "--out", out)
        assert lines == [f"wrote {out}: 0 hits, 0 tracks in {len(events)} entries"]
        tree = tracks_in(out)
        assert len(tree) == len(events)
        assert {"hit_trackIdx", "track_pt", "track_converged"} <= set(tree.fields)


def test_a_position_that_is_not_finite_is_named(finder, tmp_path):
    chosen = (np.arange(12) == 7) & (ak.local_index(EVENTS.hits.x) == 3)
    spoilt = ak.with_field(EVENTS.hits, ak.where(chosen, np.float32(np.nan), EVENTS.hits.z), "z")
    path = write_events(tmp_path / "hits.root", ak.with_field(EVENTS, spoilt, "hits"))
    printed = fail("score", finder, path, "--out", tmp_path / "tracks.root")
    assert "event 7: hit z is nan at position 3" in printed
    assert not (tmp_path / "tracks.root").exists()


def test_a_later_step_is_named_in_an_error(finder, tmp_path):
    chosen = (np.arange(12) == 7) & (ak.local_index(EVENTS.hits.x) == 3)
    moved = EVENTS.hits
    for name in "xy":
        moved = ak.with_field(moved, ak.where(chosen, np.float32(0), moved[name]), name)
    path = write_events(tmp_path / "hits.root", ak.with_field(EVENTS, moved, "hits"))
    printed = fail("score", finder, path, "--out", tmp_path / "tracks.root", "--step", 5)
    steps = "events counted from entry 4: "  # three of 4 entries
    assert f"{steps}HitGraph: 1 hits lie on the beam line, x = y = 0, the first in event 3" in printed


def test_options_of_vertex_fits_are_refused(finder, hits, tmp_path):
    printed = fail("score", finder, hits, "--out", tmp_path / "tracks.root", "--skip-unfit")
    assert f"--skip-unfit: no option of a TrackFinder, for which {finder} is" in printed


def test_files_without_hits_are_refused(finder, tmp_path):
    from samples import write_nanoaod

    write_nanoaod(tmp_path / "nano.root", n_events=5)
    printed = fail("score", finder, tmp_path / "nano.root", "--out", tmp_path / "tracks.root")
    assert "objects have no field 'hits'" in printed
