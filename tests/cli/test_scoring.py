"""`cortado score`: friend trees with the scores of jets, and what it refuses."""

import awkward as ak
import numpy as np
import pytest
import uproot
from commands import fail, invoke, succeed
from samples import cms_columns, separated_event_jets, write_jetclass, write_nanoaod, write_pfnano, write_tree

import cortado
from cortado import ntuples, reading


def test_scores_are_those_of_the_scorer_in_a_friend_tree(tagger, tmp_path):
    write_pfnano(tmp_path / "nano.root", n_events=50)
    out = tmp_path / "scores.root"
    lines = succeed("score", tagger, tmp_path / "nano.root", "--out", out, "--step", 20)
    jets = cortado.read(tmp_path / "nano.root").jets
    expected = cortado.load(tagger).probabilities(jets)
    assert lines[-1] == f"wrote {out}: {ak.count(jets.pt)} jets in 50 entries"
    with uproot.open(out) as file:
        tree = file["scores"]
        assert tree.keys() == ["run", "luminosityBlock", "event", "njet", "jet_qcd", "jet_w"]
        scores = tree.arrays()
    assert ak.num(scores.jet_w).to_list() == ak.num(jets).to_list()
    np.testing.assert_allclose(ak.flatten(scores.jet_w), ak.flatten(expected.w), atol=1e-5)
    beside = [ntuples.friend(step, out, ["jet_w"]) for step in ntuples.steps(tmp_path / "nano.root", size=15)]
    assert ak.all(ak.concatenate(beside).jet_w == scores.jet_w)
    first, of_tree, columns = succeed("inspect", out)
    assert first.endswith("tree scores, 50 entries, 6 branches")
    assert of_tree == f"tree scores: {tagger.name}, entry by entry beside the tree Events of an ntuple"
    assert columns.startswith("columns of scores are run, luminosityBlock, event, njet, jet_qcd, jet_w; ntuples.friend")


def test_jet_ntuples_are_scored_without_labels_and_event_numbers(tagger, tmp_path):
    write_jetclass(tmp_path / "labelled.root", n=30)
    with uproot.open(tmp_path / "labelled.root") as file:
        columns = file["tree"].arrays()
    unlabelled = [name for name in columns.fields if not name.startswith(("label_", "npart"))]
    part = ak.zip({name[5:]: columns[name] for name in unlabelled if name.startswith("part_")})
    rest = {name: columns[name] for name in unlabelled if not name.startswith("part_")}
    write_tree(tmp_path / "bare.root", {"part": part, **rest}, tree="tree")
    succeed("score", tagger, tmp_path / "labelled.root", tmp_path / "bare.root", "--out", tmp_path / "scores")
    stored = [ntuples.arrays(step, ["entry", "jet_w"]) for step in ntuples.steps(f"{tmp_path}/scores/*.root")]
    assert ak.array_equal(*stored)
    assert stored[0].entry.to_list() == list(range(30))
    (step,) = ntuples.steps(tmp_path / "bare.root")
    friend = ntuples.friend(step, tmp_path / "scores" / "bare.root", ["jet_w"], keys=ntuples.ENTRY_KEY)
    assert ak.all(ak.num(friend.jet_w) == 1)


def test_jets_without_constituents_score_nan_and_are_counted(tagger, test_data, tmp_path):
    lines = succeed("score", tagger, test_data / "jets" / "nano_tt_v15.root", "--out", tmp_path / "scores.root")
    assert lines == [
        "2 jets have no constituents: their score is NaN",
        f"wrote {tmp_path / 'scores.root'}: 64 jets in 200 entries",
    ]
    with uproot.open(tmp_path / "scores.root") as file:
        assert np.isnan(ak.flatten(file["scores/jet_w"].array())).to_list().count(True) == 2


def test_a_file_without_entries_gives_scores_without_entries(tagger, tmp_path):
    columns = cms_columns(separated_event_jets(20, seed=1))
    write_tree(tmp_path / "empty.root", {name: column[:0] for name, column in columns.items()})
    succeed("score", tagger, tmp_path / "empty.root", "--out", tmp_path / "scores.root")
    with uproot.open(tmp_path / "scores.root") as file:
        assert file["scores"].num_entries == 0
        assert "jet_w" in file["scores"]


@pytest.mark.parametrize("stop, code", [(KeyboardInterrupt("stopped"), 130), (OSError(28, "No space left"), 1)])
def test_what_was_there_stays_if_scoring_ends_early(tagger, tmp_path, monkeypatch, stop, code):
    write_nanoaod(tmp_path / "nano.root", n_events=20)
    (tmp_path / "scores.root").write_text("old")

    records = reading.records

    def interrupted(step, **options):
        if step.start:
            raise stop
        return records(step, **options)

    monkeypatch.setattr(reading, "records", interrupted)
    command = ("score", tagger, tmp_path / "nano.root", "--out", tmp_path / "scores.root", "--step", 10, "--overwrite")
    result = invoke(*command)
    assert result.exit_code == code
    assert str(stop) in result.stderr
    assert (tmp_path / "scores.root").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nano.root", "scores.root"]


def test_score_refuses_to_mix_or_overwrite_files(tagger, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_nanoaod(tmp_path / folder / "nano.root", n_events=5)
    both = (tmp_path / "a" / "nano.root", tmp_path / "b" / "nano.root")
    assert "cannot hold the scores of 2 files" in fail("score", tagger, *both, "--out", tmp_path / "scores.root")
    assert "scores.h5: scores go to NAME.root" in fail("score", tagger, both[0], "--out", tmp_path / "scores.h5")
    assert not (tmp_path / "scores.h5").exists()
    for out in (both[0], tmp_path / "a"):
        assert "is an ntuple to be scored" in fail("score", tagger, both[0], "--out", out)
    assert not (tmp_path / "scores").exists()


def test_score_names_the_file_that_it_cannot_read(tagger, tmp_path):
    write_nanoaod(tmp_path / "nano.root", n_events=5)
    assert "nano_1.root does not exist; in that folder, nearest: nano.root" in fail(
        "score", tagger, tmp_path / "nano_1.root", "--out", tmp_path / "scores.root"
    )
