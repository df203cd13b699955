"""`cortado score` of files with bad candidates, in nested columns, and among files that cannot be read."""

import awkward as ak
import numpy as np
import uproot
from commands import fail, invoke, succeed
from samples import branches, cms_columns, separated_event_jets, write_nanoaod, write_tree


def scores(path):
    with uproot.open(path) as file:
        return file["scores/jet_w"].array()


def test_jets_with_a_bad_candidate_score_nan_and_the_reason_is_told(tagger, tmp_path):
    columns = cms_columns(separated_event_jets(30, seed=2))
    candidates = columns["PFCand"]
    chosen = (ak.local_index(candidates.eta) == 0) & (np.arange(30) == 4)
    bad = ak.with_field(candidates, ak.where(chosen, np.float32(np.nan), candidates.eta), "eta")
    write_tree(tmp_path / "good.root", columns)
    write_tree(tmp_path / "bad.root", {**columns, "PFCand": bad})
    succeed("score", tagger, tmp_path / "good.root", "--out", tmp_path / "a.root")
    lines = succeed("score", tagger, tmp_path / "bad.root", "--out", tmp_path / "b.root")
    good, found = (scores(tmp_path / name) for name in ("a.root", "b.root"))
    assert ak.num(found).tolist() == ak.num(good).tolist()
    missing = np.isnan(ak.to_numpy(ak.flatten(found)))
    assert "1 jets have a constituents.eta that is not finite: their score is NaN" in lines
    assert missing.sum() == 1
    np.testing.assert_allclose(ak.flatten(found)[~missing], ak.flatten(good)[~missing], atol=1e-5)


def test_nested_skims_get_the_scores_of_flat_files(tagger, tmp_path):
    write_nanoaod(tmp_path / "flat.root", n_events=20)
    nested = {name: ak.Array(column) for name, column in cms_columns(separated_event_jets(20, 1)).items()}
    ak.to_parquet(ak.Array(nested), tmp_path / "skim.parquet")
    assert branches(nested).FatJet_pt.tolist() == nested["FatJet"].pt.tolist()
    for name in ("flat.root", "skim.parquet"):
        succeed("score", tagger, tmp_path / name, "--out", tmp_path / f"{name}_scores.root")
    flat, skim = (scores(tmp_path / f"{name}_scores.root") for name in ("flat.root", "skim.parquet"))
    assert skim.tolist() == flat.tolist()


def test_files_that_cannot_be_read_are_left_out_if_that_is_wanted(tagger, tmp_path):
    write_nanoaod(tmp_path / "good.root", n_events=5)
    (tmp_path / "empty.root").touch()
    (tmp_path / "junk.root").write_bytes(b"no ROOT" * 100)
    files = [tmp_path / f"{name}.root" for name in ("empty", "good", "junk")]
    assert "empty.root is empty" in fail("score", tagger, *files, "--out", tmp_path / "scores")
    result = invoke("score", tagger, *files, "--out", tmp_path / "scores", "--skip-bad")
    assert result.exit_code == 3
    told = result.stderr.splitlines()
    assert told[0] == "skipped 2 of 3 files, which have no scores:"
    assert [line.partition(":")[0] for line in told[1:]] == [f"  {files[0]}", f"  {files[2]}"]
    assert "wrote 1 file in" in result.stdout
    assert [path.name for path in (tmp_path / "scores").glob("*.root")] == ["good.root"]
    assert "junk.root" in fail("score", tagger, files[2], "--out", tmp_path / "s.root", "--skip-bad")
