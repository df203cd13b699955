"""Where the scores of each file go."""

from pathlib import Path

import pytest

from cortado.batch import Input, of_files, of_fileset, targets


def named(paths, out="scores", form="ttree", dataset=""):
    return [str(each) for each in targets([Input(path, None, dataset) for path in paths], out, form).values()]


def test_folders_below_the_common_one_are_kept():
    assert named(["/d/a/x.root", "/d/b/x.root"]) == ["scores/a/x.root", "scores/b/x.root"]
    assert named(["/d/a/x.root", "/d/a/y.root"]) == ["scores/x.root", "scores/y.root"]
    assert named(["/d/a/x.root"]) == ["scores/x.root"]


def test_urls_lie_as_on_their_servers():
    urls = ["root://one//store/a/x.root", "root://two//store/a/x.root"]
    assert named(urls) == ["scores/one/store/a/x.root", "scores/two/store/a/x.root"]
    assert named(["https://host/a/x.root?token=1"]) == ["scores/x.root"]


def test_data_sets_have_folders():
    fileset = {"qcd": {"files": {"/d/a.root": "Events"}}, "w": {"files": ["/d/a2.root"]}, "top": ["/d/a3.root"]}
    inputs = of_fileset(fileset, "T")
    assert inputs == [
        Input("/d/a.root", "Events", "qcd"),
        Input("/d/a2.root", "T", "w"),
        Input("/d/a3.root", "T", "top"),
    ]
    assert [*targets(inputs, "s").values()] == [Path("s/qcd/a.root"), Path("s/w/a2.root"), Path("s/top/a3.root")]


def test_preprocessed_filesets_name_their_trees():
    described = {"object_path": "Events", "steps": [[0, 10]], "uuid": None}
    assert of_fileset({"a": {"files": {"x.root": described}}}) == [Input("x.root", "Events", "a")]


def test_formats_have_their_suffix():
    assert named(["/d/x.root"], form="parquet") == ["scores/x.parquet"]
    assert named(["/d/x.h5"], "one.root") == ["one.root"]


def test_what_would_lose_something_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"scores/x\.root would hold the scores of /d/x\.root and of /d/x\.h5"):
        named(["/d/x.root", "/d/x.h5"])
    with pytest.raises(ValueError, match=r"one\.root cannot hold the scores of 2 files"):
        named(["/d/x.root", "/d/y.root"], "one.root")
    with pytest.raises(ValueError, match=r"one\.csv: scores go to NAME\.root"):
        named(["/d/x.root"], "one.csv")
    with pytest.raises(ValueError, match=r"x\.root is an ntuple to be scored"):
        named(["/d/x.root"], "/d")
    with pytest.raises(ValueError, match="names no files"):
        of_fileset({})
    with pytest.raises(FileNotFoundError, match="does not exist"):
        of_files([tmp_path / "x.root"])
