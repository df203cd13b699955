"""`cortado score` with a vertex finder: the friend tree of vertices, and what it says of tracks it cannot fit."""

import re

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, succeed
from samples import write_nanoaod, write_tree
from toy_tracks import save_finder, track_columns, write_tracks

import cortado
from cortado import ntuples
from cortado.scoring import vertex_columns


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    """Path of an untrained vertex finder."""
    return save_finder(tmp_path_factory.mktemp("finder") / "finder.cortado")


def vertices_in(path):
    with uproot.open(path) as file:
        assert file.keys() == ["vertices;1", "cortado;1"]
        return file["vertices"].arrays()


def columns_of(finder, path, **options):
    """What should be in the tree, as flat branches."""
    found = vertex_columns(cortado.load(finder), cortado.read(path), **options)
    return {f"{name}_{field}": one[field] for name, one in found.items() for field in one.fields}


def assert_holds(tree, columns):
    assert set(tree.fields) == {"entry", "njet", "ntrack", "nvertex", *columns}
    for name, column in columns.items():
        assert ak.array_equal(tree[name], column, equal_nan=True), name


def test_vertices_are_those_of_the_finder_in_a_friend_tree(finder, tmp_path):
    path, out = write_tracks(tmp_path / "jets.root", 60), tmp_path / "vertices.root"
    lines = succeed("score", finder, path, "--out", out, "--step", 25)
    tree, columns = vertices_in(out), columns_of(finder, path)
    assert_holds(tree, columns)
    assert tree.entry.tolist() == list(range(60))
    tracks = ak.count(columns["track_jetIdx"])
    found = f"60 jets, {tracks} tracks, {ak.count(columns['vertex_x'])} vertices"
    assert lines == [f"wrote {out}: {found} in 60 entries"]
    wanted = ["track_vertexIdx", "vertex_mass"]
    beside = [ntuples.friend(s, out, wanted, keys=ntuples.ENTRY_KEY) for s in ntuples.steps(path, size=15)]
    assert ak.array_equal(ak.concatenate(beside).vertex_mass, tree.vertex_mass, equal_nan=True)


def test_files_without_truth_and_covariances_tell_which_tracks_share_a_vertex(finder, tmp_path):
    path, out = write_tracks(tmp_path / "bare.root", 60, truth=False, covariance=False), tmp_path / "vertices.root"
    lines = succeed("score", finder, path, "--out", out)
    assert_holds(vertices_in(out), columns_of(finder, path))
    assert lines[0] == "60 entries have tracks without covariance: vertices are not fitted"
    assert "vertex_x" not in vertices_in(out).fields


@pytest.mark.parametrize(
    ("branch", "value", "message"),
    [
        ("trk_cov_z0_phi", np.nan, r"cov_z0_phi is nan, must be finite"),
        ("trk_cov_d0_d0", -1.0, r"smallest eigenvalue of its correlation matrix is -1.0, must be positive"),
    ],
)
def test_tracks_that_cannot_be_fitted_are_refused_or_counted(finder, tmp_path, branch, value, message):
    columns = track_columns(60)
    last = ak.local_index(columns[branch]) == ak.num(columns[branch]) - 1
    columns[branch] = ak.values_astype(ak.where(last, value, columns[branch]), np.float32)
    write_tree(tmp_path / "jets.root", columns, tree="tree")
    path, out = tmp_path / "jets.root", tmp_path / "vertices.root"
    printed = fail("score", finder, path, "--out", out, "--step", 20)
    assert f"{path}, jets and events counted from entry 0: vertices: track " in printed
    assert f" cannot be fitted: {message}; --skip-unfit leaves such tracks out" in printed
    assert not out.exists()
    with pytest.warns(UserWarning, match="tracks cannot be fitted, left out"):
        expected = columns_of(finder, path, skip_unfit=True)
    lines = succeed("score", finder, path, "--out", out, "--skip-unfit")
    assert_holds(vertices_in(out), expected)
    lost = ak.sum(ak.num(columns[branch]) > 0)
    assert lines[0] == f"{lost} tracks cannot be fitted: they are left out"


def test_a_later_step_is_named_in_an_error(finder, tmp_path):
    columns = track_columns(60)
    late, _ = ak.broadcast_arrays(np.arange(60) > 50, columns["trk_d0"])
    columns["trk_cov_d0_d0"] = ak.values_astype(ak.where(late, np.nan, columns["trk_cov_d0_d0"]), np.float32)
    write_tree(tmp_path / "jets.root", columns, tree="tree")
    printed = fail("score", finder, tmp_path / "jets.root", "--out", tmp_path / "vertices.root", "--step", 20)
    assert re.search(r"jets and events counted from entry 40: vertices: track 0 of jet 1[1-9] cannot", printed)


def test_the_field_bends_the_fitted_tracks(finder, tmp_path):
    path, out = write_tracks(tmp_path / "jets.root", 30), tmp_path / "vertices.root"
    succeed("score", finder, path, "--out", out, "--magnetic-field", 3.8)
    assert_holds(vertices_in(out), columns_of(finder, path, magnetic_field=3.8))
    assert not ak.array_equal(vertices_in(out).vertex_x, columns_of(finder, path)["vertex_x"], equal_nan=True)


def test_a_file_without_entries_gives_branches_without_entries(finder, tmp_path):
    columns = track_columns(20)
    write_tree(tmp_path / "none.root", {name: column[:0] for name, column in columns.items()}, tree="tree")
    succeed("score", finder, tmp_path / "none.root", "--out", tmp_path / "vertices.root")
    tree = vertices_in(tmp_path / "vertices.root")
    assert len(tree) == 0
    assert {"track_vertexIdx", "vertex_significance"} <= set(tree.fields)


def test_options_of_fits_are_not_for_taggers(tagger, tmp_path):
    write_nanoaod(tmp_path / "nano.root", n_events=5)
    options = ("--out", tmp_path / "scores.root", "--skip-unfit", "--magnetic-field", 3.8)
    printed = fail("score", tagger, tmp_path / "nano.root", *options)
    assert f"--magnetic-field, --skip-unfit: no option of a Scorer, for which {tagger} is" in printed


def test_jets_without_tracks_are_not_for_finders(finder, tmp_path):
    write_nanoaod(tmp_path / "nano.root", n_events=5)
    assert "objects have no field 'tracks'" in fail(
        "score", finder, tmp_path / "nano.root", "--out", tmp_path / "vertices.root"
    )


def test_fcc_events_are_scored_with_their_primary_vertices(finder, test_data, tmp_path):
    path, out = test_data / "vertexing" / "test_FCC_Spring2021.root", tmp_path / "vertices.root"
    lines = succeed("score", finder, path, "--out", out, "--step", 40)
    assert lines == [f"wrote {out}: 516 jets, 930 tracks, 224 vertices in 100 entries"]
    tree, jets = vertices_in(out), cortado.read(path).jets
    assert tree.njet.tolist() == ak.num(jets).tolist()
    assert tree.jet_n_tracks.tolist() == ak.num(jets.tracks, axis=2).tolist()
    assert_holds(tree, columns_of(finder, path))
