"""`cortado convert`: hits of any dialect to ROOT."""

import h5py
import numpy as np
import pytest
import samples
from commands import fail, succeed
from event_files import ACTS, TRACKML, changed, graph, velo, write_event, write_graph, write_velo

import cortado
from cortado import ntuples
from cortado.cli import converting


def test_events_of_several_files_become_one_tree(tmp_path, monkeypatch):
    monkeypatch.setattr(converting, "CLUSTER", 10)
    for event in (2, 1, 3, 4, 5):
        write_event(tmp_path, TRACKML, event=event)
    out = tmp_path / "hits.root"
    (line,) = succeed("convert", tmp_path / "*-hits.csv.gz", "--out", out)
    assert line == f"wrote {out}: 5 events, 30 hits, 5 of them noise, 10 particles"
    events = cortado.read(out)
    assert events.event.tolist() == [1, 2, 3, 4, 5]
    (alone,) = cortado.read(tmp_path / "event000000003-hits.csv.gz").tolist()
    assert {name: events[name][2].tolist() for name in alone} == alone
    assert [step[2:] for step in ntuples.steps(out, size=2)] == [(0, 2), (2, 4), (4, 5)]


def test_edges_and_labels_that_differ_from_particles(tmp_path):
    write_graph(tmp_path / "event000000001_g000.npz", graph())
    write_graph(tmp_path / "event000000002_g000.npz", graph(y=[0, 1, 1]))
    wrote, differ = succeed("convert", tmp_path / "*.npz", "--out", tmp_path / "hits.root")
    assert wrote.endswith("2 events, 10 hits, 0 of them noise, 4 particles, 6 edges")
    assert differ == "2 edges have a label other than the particle_id of their hits say; it was kept"
    assert cortado.read(tmp_path / "hits.root").edges.label.tolist() == [[1, 0, 1], [0, 1, 1]]


def test_hits_without_truth(tmp_path):
    path = write_event(tmp_path, {"measurements": ACTS["measurements"]}, compress=False)
    path = path.with_name("event000000001-measurements.csv")
    (line,) = succeed("convert", path, "--out", tmp_path / "hits.root", "--dialect", "ACTS CSV")
    assert line.endswith("1 events, 4 hits, without truth")
    assert "particles" not in cortado.read(tmp_path / "hits.root").fields


def test_trees_can_be_joined(tmp_path):
    for event in (1, 2):
        path = write_velo(tmp_path / f"velo_event_{event}.json", velo())
        succeed("convert", path, "--out", tmp_path / f"{event}.root")
    (line,) = succeed("convert", tmp_path / "1.root", tmp_path / "2.root", "--out", tmp_path / "both.root")
    assert line.endswith("2 events, 14 hits, 2 of them noise, 4 particles")


def test_truth_in_some_events_alone(tmp_path):
    write_event(tmp_path, TRACKML, event=1)
    write_event(tmp_path, {"hits": TRACKML["hits"]}, event=2)
    error = fail("convert", tmp_path / "*-hits.csv.gz", "--out", tmp_path / "hits.root")
    assert "event 2 has ['hit_x', 'hit_y', 'hit_z', 'hit_layer', 'hit_volume', 'hit_module'], those before" in error
    assert not (tmp_path / "hits.root").exists()


def test_errors_name_the_file(tmp_path):
    path = write_event(tmp_path, changed(TRACKML, "truth", "weight", "weights"))
    error = fail("convert", path, "--out", tmp_path / "hits.root")
    assert f"KeyError: {path}: TrackML CSV needs columns that are missing: ['truth_weight']" in error
    path = write_event(tmp_path, changed(TRACKML, "hits", "2,32.0", "2,nan"))
    error = fail("convert", path, "--out", tmp_path / "hits.root")
    assert f"ValueError: {path}" in error
    assert "event 0: hit x is nan" in error


def test_files_that_cannot_be_converted(tmp_path):
    samples.write_toptagging(tmp_path / "jets.root", 3)
    error = fail("convert", tmp_path / "jets.root", "--out", tmp_path / "hits.root")
    assert "only hits and features of the LHC Olympics can be converted; these events have ['jets'" in error
    (tmp_path / "toy.csv").write_text("event,hit,x,y\n")
    error = fail("convert", tmp_path / "toy.csv", "--out", tmp_path / "hits.root")
    assert "hits.root: the 1 files hold no event" in error
    assert "no file matches" in fail("convert", tmp_path / "*.npz", "--out", tmp_path / "hits.root")


@pytest.mark.parametrize(("out", "message"), [("hits.h5", "is no ROOT file"), ("in.root", "is one of the files")])
def test_targets_that_cannot_be(tmp_path, out, message):
    path = write_velo(tmp_path / "velo_event_1.json", velo())
    succeed("convert", path, "--out", tmp_path / "in.root")
    assert message in fail("convert", tmp_path / "in.root", "--out", tmp_path / out)


def test_features_of_the_lhc_olympics_become_dijets(tmp_path):
    """Labels follow from the names of the datasets; events whose tau21 is not defined are told and kept."""
    names = [
        "mjj",
        *(f"{name}_{jet}" for jet in (1, 2) for name in ("pt", "eta", "phi", "mass", "tau1", "tau2", "tau3")),
    ]
    rng = np.random.default_rng(1)
    with h5py.File(tmp_path / "features.h5", "w") as file:
        file.attrs["columns"] = names
        for tree, number in (("bkg", 5), ("sig", 2)):
            table = rng.uniform(0.1, 1, (number, len(names))).astype(np.float32)
            table[0, names.index("tau1_2")] = 0
            file[tree] = table
    out, trees = tmp_path / "dijets.root", [f"{tmp_path / 'features.h5'}:{tree}" for tree in ("bkg", "sig")]
    wrote, undefined = succeed("convert", *trees, "--out", out)
    assert wrote.startswith(f"wrote {out}: 7 events, 2 of them signal; tau21 = tau2 / tau1")
    assert undefined == "2 events have a jet with tau1 = 0: its tau21 is NaN, select without them"
    events = cortado.read(out)
    assert events.is_signal.tolist() == [0] * 5 + [1] * 2
    assert len(set(events.event_key.tolist())) == 7
    (line,) = succeed("convert", f"{trees[0]}", "--out", tmp_path / "named.root", "--dialect", "LHC Olympics features")[
        :1
    ]
    assert "5 events, 0 of them signal" in line
