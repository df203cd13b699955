"""Many files through bundles: the same friend trees whoever does the work, and nothing lost, done twice or replaced."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import awkward as ak
import numpy as np
import pytest
import uproot
from samples import write_nanoaod

import cortado
from cortado import batch, ntuples

SMALL = {"step": 10, "part": 20}


def stored(path, tree="scores"):
    with uproot.open(path) as file:
        return file[tree].arrays()


def assert_scores(found, bundle, ntuple):
    """Entry by entry those of the scorer on the file."""
    record = cortado.read(ntuple)
    expected = cortado.load(bundle)(record.jets)
    assert ak.all(found.event == record.event)
    assert ak.num(found.jet_w).to_list() == ak.num(expected).to_list()
    np.testing.assert_allclose(ak.flatten(found.jet_w), ak.flatten(expected), atol=1e-5)


def score(bundles, folder, out, **options):
    uses = [batch.load(bundle) for bundle in bundles]
    return batch.score(uses, batch.of_files(f"{folder}/*/nano.root"), out, **{**SMALL, **options})


@pytest.mark.parametrize("executor", ["iterative", "futures"])
def test_files_of_several_folders_are_scored_in_parts(bundles, ntuples_folder, tmp_path, executor):
    report = score(bundles[:1], ntuples_folder, tmp_path, executor=executor, workers=1)
    for name in ("a", "b"):
        assert_scores(stored(tmp_path / name / "nano.root"), bundles[0], ntuples_folder / name / "nano.root")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]  # no parts are left
    assert report.scored == 120
    assert report.sums[0].members["jets"] == sum(ak.count(cortado.read(each.path).jets.pt) for each in report.files)


def test_several_bundles_share_one_reading_and_have_trees_of_their_own(bundles, ntuples_folder, tmp_path, monkeypatch):
    calls, records = [], cortado.reading.records
    monkeypatch.setattr("cortado.reading.records", lambda step, **more: calls.append(step) or records(step, **more))
    score(bundles, ntuples_folder, tmp_path)
    assert len(calls) == len(set(calls)) == 12
    for bundle in bundles:
        assert_scores(stored(tmp_path / "a" / "nano.root", bundle.stem), bundle, ntuples_folder / "a" / "nano.root")
    note = json.loads(ntuples.read_note(tmp_path / "a" / "nano.root", "cortado"))
    fingerprints = [[cortado.bundle.fingerprint(bundle)] for bundle in bundles]
    assert [each["sha256"] for each in note["input"]["bundles"]] == fingerprints


@pytest.mark.parametrize("form", ["rntuple", "parquet"])
def test_other_formats_hold_the_same(bundles, ntuples_folder, tmp_path, form):
    report = score(bundles[:1], ntuples_folder, tmp_path, form=form)
    for file in report.files:
        (step,) = ntuples.steps(file.target, size=1000)
        columns = ntuples.arrays(step, ["event", "jet_w"])
        assert_scores(columns, bundles[0], file.path)
    assert score(bundles[:1], ntuples_folder, tmp_path, form=form).finished == 2


def test_friends_are_read_beside_their_ntuples(bundles, ntuples_folder, tmp_path):
    score(bundles[:1], ntuples_folder, tmp_path)
    (step,) = ntuples.steps(ntuples_folder / "a" / "nano.root", size=1000)
    assert len(ntuples.friend(step, tmp_path / "a" / "nano.root", ["jet_w"])) == 60


@pytest.mark.timeout(300)
def test_after_a_kill_only_what_is_missing_is_scored(bundles, ntuples_folder, tmp_path):
    """Killed outright, and not only once; the scores are those of an undisturbed run, byte by byte."""
    code = """
import sys, time
from cortado import batch, reading
records = reading.records
reading.records = lambda step, **more: (time.sleep(0.1), records(step, **more))[1]
use = batch.load(sys.argv[1])
batch.score([use], batch.of_files(sys.argv[2]), sys.argv[3], step=10, part=10)
"""
    out, source = tmp_path / "out", ntuples_folder / "a" / "nano.root"
    for parts in (1, 3):
        process = subprocess.Popen([sys.executable, "-c", code, bundles[0], source, out])
        while len(list((out / ".parts").glob("*.root"))) < parts:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (out / "nano.root").exists()
    use, inputs = batch.load(bundles[0]), batch.of_files(source)
    report = batch.score([use], inputs, out, step=10, part=10)
    assert 0 < report.scored <= 30
    assert report.sums[0].members["jets"] == ak.count(cortado.read(source).jets.pt)
    batch.score([use], inputs, tmp_path / "again", step=10, part=10)
    assert ak.array_equal(stored(out / "nano.root"), stored(tmp_path / "again" / "nano.root"))
    assert not (out / ".parts").exists()


def test_finished_files_are_left_alone_wherever_the_ntuple_lies(bundles, ntuples_folder, tmp_path):
    first = score(bundles[:1], ntuples_folder, tmp_path / "out")
    shutil.copytree(ntuples_folder, tmp_path / "moved")
    before = (tmp_path / "out" / "a" / "nano.root").stat().st_mtime_ns
    again = score(bundles[:1], tmp_path / "moved", tmp_path / "out")
    assert (again.scored, again.finished) == (0, 2)
    assert again.sums == first.sums
    assert (tmp_path / "out" / "a" / "nano.root").stat().st_mtime_ns == before
    assert "2 of 2 files were finished before" in list(again.lines("out"))


def test_scores_of_another_bundle_are_replaced_only_if_asked(bundles, ntuples_folder, tmp_path):
    score(bundles[:1], ntuples_folder, tmp_path)
    with pytest.raises(FileExistsError, match=r"nano\.root is there already and is what other bundles"):
        score(bundles[1:], ntuples_folder, tmp_path)
    assert score(bundles[1:], ntuples_folder, tmp_path, overwrite=True).scored == 120
    assert_scores(stored(tmp_path / "a" / "nano.root"), bundles[1], ntuples_folder / "a" / "nano.root")
    (tmp_path / "a" / "nano.root").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="not made by this command"):
        score(bundles[1:], ntuples_folder, tmp_path)


def test_an_ntuple_that_was_written_again_is_scored_again(bundles, tmp_path):
    use, source = batch.load(bundles[0]), tmp_path / "nano.root"
    for seed in (1, 2):
        write_nanoaod(source, n_events=10, seed=seed)
        report = batch.score([use], batch.of_files(source), tmp_path / "out", overwrite=True)
        assert report.scored == 10


def test_other_settings_are_other_scores(bundles, ntuples_folder, tmp_path):
    """Whatever the scores depend on: bfloat16, or the code of a reader; not on how the work was done."""
    inputs = batch.of_files(ntuples_folder / "a" / "nano.root")
    batch.score([batch.load(bundles[0])], inputs, tmp_path)
    assert batch.score([batch.load(bundles[0], threads=1, batch_size=7)], inputs, tmp_path, part=11).finished == 1
    with pytest.raises(FileExistsError, match="other bundles, settings"):
        batch.score([batch.load(bundles[0], precision="bfloat16")], inputs, tmp_path)
    with pytest.raises(FileExistsError, match="other bundles, settings"):
        batch.score([batch.load(bundles[0])], inputs, tmp_path, dialect=cortado.readers.nanoaod)


def test_a_bad_file_stops_the_pass_or_is_left_out_and_listed(bundles, tmp_path):
    for name in ("good", "late"):
        write_nanoaod(tmp_path / f"{name}.root", n_events=20)
    (tmp_path / "bad.root").write_bytes((tmp_path / "good.root").read_bytes()[:5000])
    use, inputs = batch.load(bundles[0]), batch.of_files(tmp_path / "*.root")
    with pytest.raises(OSError, match=r"bad\.root is truncated"):
        batch.score([use], inputs, tmp_path / "out")
    report = batch.score([use], inputs, tmp_path / "out", skip_bad=True)
    assert [file.path for file in report.skipped] == [str(tmp_path / "bad.root")]
    assert "is truncated" in report.skipped[0].cause
    assert report.scored == 40
    lines = list(report.lines("out"))
    assert "skipped 1 of 3 files, which have no scores:" in lines
    report.write(tmp_path / "report.json")
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert (numbers["files"], numbers["entries"], len(numbers["skipped"])) == (3, 40, 1)


@pytest.mark.timeout(600)
def test_a_cluster_without_a_common_disk_that_loses_a_worker(bundles, ntuples_folder, tmp_path):
    """Two dask workers as processes, the bundle gone from the disk, one worker killed: each event is scored once."""
    distributed = pytest.importorskip("distributed", reason="dask is an extra")
    bundle = tmp_path / "travels.cortado"
    shutil.copy(bundles[0], bundle)
    use, source = batch.load(bundle), ntuples_folder / "a" / "nano.root"
    killed = []

    def advance(done, total):
        bundle.unlink(missing_ok=True)  # before the first piece of work: workers never find the file
        if done and not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster) as client:
        options = {"executor": "dask", "scheduler": cluster.scheduler_address, "step": 3, "part": 3}
        report = batch.score([use], batch.of_files(source), tmp_path / "out", advance=advance, **options)
    assert killed
    assert report.scored == 60
    assert_scores(stored(tmp_path / "out" / "nano.root"), bundles[0], source)


def test_bundles_of_one_name_and_tables_for_several_are_refused(bundles, ntuples_folder, tmp_path):
    with pytest.raises(ValueError, match=r"need different names, there are several of \['one'\]"):
        score([bundles[0], bundles[0]], ntuples_folder, tmp_path)
    with pytest.raises(ValueError, match="a parquet file holds one table"):
        score(bundles, ntuples_folder, tmp_path, form="parquet")
    with pytest.raises(ValueError, match="no bundle"):
        score([], ntuples_folder, tmp_path)
    with pytest.raises(ValueError, match="form = 'csv'"):
        score(bundles, ntuples_folder, tmp_path, form="csv")
