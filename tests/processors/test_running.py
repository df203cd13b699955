"""Executors: the same histograms, whoever does the work, and errors that name the file."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from typing import ClassVar

import awkward as ak
import distributed
import numpy as np
import pytest
import uproot
from coffea import processor
from coffea.nanoevents import BaseSchema, NanoAODSchema
from samples import cms_columns, separated_event_jets, write_nanoaod, write_tree

from cortado import processors, scoring
from cortado.bundle.cores import in_worker
from cortado.processors import TaggingProcessor


def assert_same(found, expected):
    assert found["events"] == expected["events"]
    assert found["sum_of_weights"] == pytest.approx(expected["sum_of_weights"], rel=1e-12)
    for name in ("mass", "pt", "score", "cutflow"):
        assert [list(axis) for axis in found[name].axes] == [list(axis) for axis in expected[name].axes]
        for part in ("value", "variance"):
            ours, theirs = (output[name].view(flow=True)[part] for output in (found, expected))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


class Watched(processor.ProcessorABC):
    """A tagging processor that also says which process did it, and how many bundles that has read until now."""

    def __init__(self, taggers):
        self.inner = TaggingProcessor(taggers)

    def process(self, events):
        output = self.inner.process(events)
        return output | {"chunks": 1, "loads": {str(os.getpid()): {scoring.loads()}}, "in worker": {in_worker()}}

    def postprocess(self, accumulator):
        return self.inner.postprocess(accumulator)


@pytest.mark.parametrize("chunksize", [17, 40])
def test_chunks_do_not_change_histograms(fileset, taggers, reference, chunksize):
    output = processors.run(fileset, TaggingProcessor(taggers), executor="iterative", chunksize=chunksize)
    assert_same(output, reference)


@pytest.mark.timeout(900)  # worker processes start slowly on a busy machine
@pytest.mark.parametrize(("executor", "workers"), [("futures", 2), ("dask", 1)])
def test_executors_give_the_same_histograms_and_read_each_bundle_once_a_worker(
    fileset, taggers, reference, executor, workers
):
    output = processors.run(fileset, Watched(taggers), executor=executor, workers=workers, chunksize=20)
    assert_same(output, reference)
    assert output["chunks"] == 10
    assert os.getpid() not in map(int, output["loads"])
    assert sum(max(counts) for counts in output["loads"].values()) <= workers * len(taggers)
    assert output["in worker"] == {True}  # the condition on which a scorer sets its threads to one


class Growing(processor.ProcessorABC):
    """Keeps 400 MB from its second chunk on, and takes longer than loky waits between two looks at the memory."""

    kept: ClassVar[list[np.ndarray]] = []
    chunks = 0

    def process(self, events):
        Growing.chunks += 1
        if Growing.chunks == 2:
            Growing.kept.append(np.ones(50_000_000))
        time.sleep(1.2)
        return {"workers": {os.getpid()}, "kept": {len(Growing.kept)}}

    def postprocess(self, accumulator):
        return accumulator


def test_workers_that_grow_stay(fileset):
    fileset = {"zjets": fileset["zjets"]}  # three chunks
    output = processors.run(fileset, Growing(), executor="futures", workers=1, chunksize=50)
    assert len(output["workers"]) == 1
    assert 1 in output["kept"]


def test_a_dask_scheduler_that_runs_already_is_used(fileset, taggers, reference, scheduler):
    output = processors.run(fileset, Watched(taggers), executor="dask", scheduler=scheduler, chunksize=50)
    with distributed.Client(scheduler) as client:  # still there: it is not ours to close
        assert client.scheduler_info()["workers"]
    assert_same(output, reference)
    assert output["loads"].keys() == {str(os.getpid())}


class Stop(processor.ProcessorABC):
    """Be interrupted in the second chunk."""

    def process(self, events):
        if events.metadata["entrystart"]:
            raise KeyboardInterrupt
        return {"n": len(events)}

    def postprocess(self, accumulator):
        return accumulator


class Count(Stop):
    """Events and chunks."""

    def process(self, events):
        edges = tuple(events.metadata[name] for name in ("entrystart", "entrystop"))
        return {"n": len(events), "chunks": {edges}, "label": {events.metadata.get("label")}}


def test_an_interrupt_stops_the_run_and_gives_no_output(fileset):
    with pytest.raises(KeyboardInterrupt):
        processors.run(fileset, Stop(), executor="iterative", chunksize=20)


def test_an_interrupt_does_not_wait_for_the_chunks_in_the_queue(tmp_path):
    numbers = np.arange(8, dtype=np.uint32)
    write_tree(tmp_path / "a.root", {"run": numbers, "luminosityBlock": numbers, "event": numbers})
    script = f"""
        import pathlib, time
        from coffea import processor
        from cortado import processors

        class Slow(processor.ProcessorABC):
            def process(self, events):
                pathlib.Path("{tmp_path}/working").touch()
                time.sleep(1000)
            def postprocess(self, accumulator):
                pass

        files = {{"d": {{"files": {{"{tmp_path}/a.root": "Events"}}}}}}
        processors.run(files, Slow(), executor="futures", workers=1, chunksize=1)
    """
    # To a file: a worker that outlives the run, as one did once for four minutes, would hold a pipe open.
    errors = tmp_path / "errors.txt"
    with errors.open("w") as stderr:
        run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=stderr)
    while not (tmp_path / "working").exists():
        assert run.poll() is None, errors.read_text()
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    run.wait(timeout=100)  # or it would wait for hours
    assert "KeyboardInterrupt" in errors.read_text()


@pytest.mark.parametrize("damage", ["absent", "empty", "junk", "truncated", "tree", "branch"])
def test_a_file_that_cannot_be_read_stops_the_run(tmp_path, taggers, damage):
    good, bad = tmp_path / "good.root", tmp_path / "bad.root"
    write_nanoaod(good, n_events=20)
    content, tree = good.read_bytes(), "Events"
    if damage == "branch":
        columns = cms_columns(separated_event_jets(20, seed=9))
        write_tree(bad, {name: column for name, column in columns.items() if name != "PFCand"})
    elif damage == "tree":
        bad.write_bytes(content)
        tree = "Event"
    elif damage != "absent":
        bad.write_bytes({"empty": b"", "junk": b"no ROOT" * 100, "truncated": content[: len(content) // 2]}[damage])
    fileset = {"d": {"files": {str(good): "Events", str(bad): tree}}}
    with pytest.raises((RuntimeError, OSError, ValueError, KeyError), match=r"bad\.root") as caught:
        processors.run(fileset, TaggingProcessor(taggers), executor="iterative")
    if damage == "branch":
        assert "entries 0 to 20 of data set 'd'" in str(caught.value)
        assert "PFCand_pt" in str(caught.value)


def test_an_error_in_a_worker_is_told_once_and_names_the_file(tmp_path, capfd):
    write_tree(tmp_path / "a.root", {"run": np.arange(8, dtype=np.uint32)})
    with pytest.raises(
        RuntimeError,
        match=r"a\.root, entries 0 to 8 of data set 'd': the tree has no \['luminosityBlock', .*not NanoAOD",
    ):
        processors.run({"d": {"files": {str(tmp_path / "a.root"): "Events"}}}, Count(), executor="futures", workers=1)
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_is_drawn_where_there_is_no_terminal(fileset, capfd):
    processors.run(fileset, Count(), executor="iterative")
    assert capfd.readouterr().out == ""


def test_steps_of_a_preprocessed_fileset_are_the_chunks(fileset):
    (path, other), (again,) = (list(entry["files"]) for entry in fileset.values())
    described = {"object_path": "Events", "steps": [[0, 30], [30, 50]], "num_entries": 90, "uuid": None}
    with uproot.open(path) as file:
        described["uuid"] = str(file.file.uuid)
    preprocessed = {
        "steps": {"files": {path: described}, "metadata": {"label": "W"}, "form": None},
        "no steps": {"files": {other: {"object_path": "Events", "steps": None, "uuid": None}}, "metadata": None},
        "list": {"files": [again], "treename": "Events"},
    }
    output = processors.run(preprocessed, Count(), executor="iterative")
    assert output == {"n": 50 + 40 + 70, "chunks": {(0, 30), (30, 50), (0, 40), (0, 70)}, "label": {"W", None}}


def test_filesets_of_coffeas_own_classes_are_taken(fileset):
    from coffea.dataset_tools import DataGroupSpec

    (path, _), _ = (list(entry["files"]) for entry in fileset.values())
    described = {"object_path": "Events", "steps": [[0, 30]], "num_entries": 90, "uuid": "0" * 32}
    group = DataGroupSpec({"d": {"files": {path: described}, "metadata": {"label": "W"}, "format": "root"}})
    assert processors.run(group, Count(), executor="iterative")["chunks"] == {(0, 30)}


def test_a_file_that_was_written_again_is_counted_again(tmp_path):
    fileset = {"d": {"files": {str(tmp_path / "a.root"): "Events"}}}
    for n in (20, 30):
        write_nanoaod(tmp_path / "a.root", n_events=n)
        assert processors.run(fileset, Count(), executor="iterative")["n"] == n


def test_missing_references_are_no_warning_and_other_warnings_stay(fileset, tmp_path):
    columns = cms_columns(separated_event_jets(20, seed=9))
    photons = ak.Array([[{"mass": 0.0}]] * 20)
    write_tree(tmp_path / "a.root", columns | {"Photon": photons})
    with pytest.warns(RuntimeWarning) as caught:
        processors.run({"d": {"files": {str(tmp_path / "a.root"): "Events"}}}, Count(), executor="iterative")
    assert {str(warning.message)[:28] for warning in caught} == {"Branch Photon_mass already e"}
    assert NanoAODSchema.warn_missing_crossrefs


@pytest.mark.parametrize(
    "fileset, options, message",
    [
        ({}, {}, "names no data set"),
        ({"qcd": {"files": {}}}, {}, "data set 'qcd' has no files"),
        ({"qcd": {"files": {"a.root": "Events"}}}, {"executor": "future"}, "executor = 'future', .*nearest: futures"),
        ({"qcd": {"files": {"a.root": "Events"}}}, {"scheduler": "tcp://a:1"}, "tcp://a:1.* not for futures"),
        ({"qcd": {"files": {"a.root": "Events"}}}, {"chunksize": 0}, "at least 1 event, got 0"),
    ],
)
def test_bad_settings_are_named(fileset, options, message):
    with pytest.raises(ValueError, match=message):
        processors.run(fileset, Count(), **options)


def test_dask_is_an_extra(fileset, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match="the executor dask needs distributed, of the extra `dask`: pip install"):
        processors.run(fileset, Count(), executor="dask")


@pytest.mark.parametrize("executor", ["iterative", "futures"])
def test_names_with_any_letters_are_run(executor, tmp_path):
    """coffea hashes names as ASCII."""
    (tmp_path / "müller").mkdir()
    paths = [tmp_path / "müller" / "nano.root", tmp_path / "nano.root", tmp_path / "none→.root"]
    for path, entries in zip(paths, (25, 10, 0)):
        write_tree(path, {"x": np.ones(entries, "f4")})
    files = [{str(path): "Events"} for path in paths]
    fileset = {"t→Wb": {"files": files[1]}, "qcd": {"files": files[0] | files[1]}, "leer": {"files": files[2]}}
    given = {"schema": BaseSchema, "chunksize": 10, "progress": False}
    output = processors.run(fileset, Count(), executor=executor, **given)
    assert output["n"] == 45
    assert output["chunks"] >= {(0, 13), (13, 25), (0, 10)}


@pytest.mark.parametrize("stated", [0, 49, 51, 1 << 62])
@pytest.mark.parametrize("where", ["tree", "baskets"])
@pytest.mark.parametrize("steps", [None, [[0, 25], [25, 50]]])
def test_a_file_that_states_other_entries_than_it_holds_stops_the_run(tmp_path, where, stated, steps):
    """As after a flipped bit: it would be read as one of fewer events, or take memory without end."""
    write_tree(path := tmp_path / "bad.root", {"x": np.arange(50, dtype="f4")})
    content, number = path.read_bytes(), struct.pack(">q", 50)
    place = content.find(struct.pack(">2q", 0, 50)) + 8 if where == "baskets" else content.find(number)
    path.write_bytes(content[:place] + struct.pack(">q", stated) + content[place + 8 :])
    described = {"object_path": "Events", "steps": steps} if steps else "Events"
    given = {"d": {"files": {str(path): described}}}, Sum()
    begin = time.perf_counter()
    if steps and where == "tree" and stated > 50:  # the steps are there
        assert processors.run(*given, executor="iterative", schema=BaseSchema) == {"sum": 1225.0, "n": 50}
    else:
        with pytest.raises((OSError, RuntimeError), match=r"bad\.root"):
            processors.run(*given, executor="iterative", schema=BaseSchema)
    assert time.perf_counter() - begin < 10


class Sum(Stop):
    """Sum of x."""

    def process(self, events):
        return {"sum": float(np.sum(events.x)), "n": len(events)}


def test_a_tree_that_is_none_is_looked_for(fileset):
    files = dict.fromkeys(fileset["zjets"]["files"])
    assert processors.run({"zjets": {"files": files}}, Count(), executor="iterative") == processors.run(
        {"zjets": fileset["zjets"]}, Count(), executor="iterative"
    )
