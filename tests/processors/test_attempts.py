"""Runs that go as far as they can: each chunk is accounted for, and what is done is not done again."""

import importlib
import json
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from coffea import processor
from coffea.nanoevents import BaseSchema
from samples import write_nanoaod, write_tree

import cortado
from cortado import processors
from cortado.processors import TaggingProcessor
from cortado.processors.checkpoints import identity


class Count(processor.ProcessorABC):
    """Events and their first numbers; fails where it is told."""

    def __init__(self, fails_at=(), factor=1):
        self.fails_at, self.factor = fails_at, factor

    def process(self, events):
        start = events.metadata["entrystart"]
        if start in self.fails_at:
            raise ValueError(f"no luck at {start}")
        return {"n": len(events), "starts": [start], "sum": self.factor * float(np.sum(events.x))}

    def postprocess(self, accumulator):
        return accumulator


@pytest.fixture
def files(tmp_path):
    """A data set of two files of 40 and 20 entries."""
    for name, entries in (("a", 40), ("b", 20)):
        write_tree(tmp_path / f"{name}.root", {"x": np.arange(entries, dtype="f4")})
    return {"d": {"files": {str(tmp_path / f"{name}.root"): "Events" for name in "ab"}}}


def attempt(files, instance, **options):
    return processors.attempt(
        files, instance, **{"executor": "iterative", "schema": BaseSchema, "chunksize": 10, **options}
    )


def test_chunks_that_fail_are_left_out_and_listed(files):
    done = attempt(files, Count(fails_at=(10,)))
    assert done.output["n"] == 60 - 20
    assert [(Path(chunk.path).name, chunk.start, chunk.stop) for chunk in done.failed] == [
        ("a.root", 10, 20),
        ("b.root", 10, 20),
    ]
    assert done.failed[0].cause == "ValueError: no luck at 10"
    numbers = done.summary()
    assert (numbers["files"], numbers["chunks"], numbers["processed"], numbers["events"]) == (2, 6, 4, 40)
    assert numbers["bytes_read"] > 0
    lines = list(done.lines())
    assert lines[0].startswith("40 events of 2 files: 4 chunks processed, ")
    assert lines[1] == "failed and left out: 2 of 6 chunks"
    assert lines[2].endswith("a.root, entries 10 to 20 of data set 'd': ValueError: no luck at 10")


def test_files_that_cannot_be_read_are_left_out_and_listed(files, tmp_path):
    (tmp_path / "b.root").write_bytes(b"no ROOT" * 100)
    done = attempt(files, Count())
    assert done.output["n"] == 40
    (failed,) = done.failed
    assert (failed.start, Path(failed.path).name) == (None, "b.root")
    assert "is not a ROOT file" in failed.cause


def test_if_nothing_can_be_done_that_is_an_error(files):
    with pytest.raises(RuntimeError, match=r"none of 6 chunks could be processed; the first: .*no luck at"):
        attempt(files, Count(fails_at=(0, 10, 20, 30)))


def test_the_report_is_kept_as_json(files, tmp_path):
    attempt(files, Count(fails_at=(30,))).write(tmp_path / "report.json")
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert [chunk["start"] for chunk in numbers["failed"]] == [30]


def test_only_what_failed_is_submitted_again(files, tmp_path):
    first = attempt(files, Flaky(), checkpoints=tmp_path / "chunks")
    assert len(first.failed) == 2
    Flaky.broken = False
    try:
        again = attempt(files, Flaky(), checkpoints=tmp_path / "chunks")
    finally:
        Flaky.broken = True
    numbers = again.summary()
    assert (numbers["processed"], numbers["kept_from_before"], numbers["failed"]) == (2, 4, [])
    assert again.output["n"] == 60
    assert "4 from before" in next(again.lines())


class Flaky(Count):
    broken = True

    def process(self, events):
        if Flaky.broken and events.metadata["entrystart"] == 10:
            raise OSError("server not reached")
        return super().process(events)


def test_a_changed_processor_file_or_range_is_worked_on_again(files, tmp_path):
    def processed(instance, **options):
        return attempt(files, instance, checkpoints=tmp_path / "chunks", **options).summary()["processed"]

    assert processed(Count()) == 6
    assert processed(Count()) == 0
    assert processed(Count(factor=2)) == 6
    assert processed(Count(), chunksize=20) == 3
    write_tree(tmp_path / "b.root", {"x": np.zeros(20, "f4")})
    assert processed(Count()) == 2


def test_results_from_before_are_the_same(files, tmp_path):
    once = attempt(files, Count()).output
    for _ in range(2):
        output = attempt(files, Count(), checkpoints=tmp_path / "chunks").output
        assert (output["n"], output["sum"], sorted(output["starts"])) == (60, once["sum"], sorted(once["starts"]))


def test_a_damaged_result_is_told_and_worked_on_again(files, tmp_path):
    attempt(files, Count(), checkpoints=tmp_path / "chunks")
    first, *_ = (tmp_path / "chunks").iterdir()
    first.write_bytes(first.read_bytes()[:20])
    with pytest.warns(UserWarning, match="is damaged, its chunk is worked on again"):
        done = attempt(files, Count(), checkpoints=tmp_path / "chunks")
    assert done.summary()["processed"] == 1
    assert done.output["n"] == 60


def test_another_bundle_is_another_processor(fileset, taggers, tmp_path):
    path = tmp_path / "moved.cortado"
    shutil.copy(taggers["pfn"].path, path)
    names = {name: identity(TaggingProcessor({"t": cortado.load(each.path)}), None) for name, each in taggers.items()}
    assert names["pfn"] != names["mlp"]
    assert names["pfn"] == identity(TaggingProcessor({"t": cortado.load(taggers["pfn"].path)}), None)


def test_the_users_own_code_counts_and_its_comments_do_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    source = tmp_path / "own_processor.py"
    found = []
    for text in (
        "CUT = 1\nclass P:\n    pass\n",
        "# words\nCUT = 1\n\nclass P:\n    pass\n",
        "CUT = 2\nclass P:\n    pass\n",
    ):
        source.write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop("own_processor", None)
        found.append(identity(importlib.import_module("own_processor").P(), None))
    sys.modules.pop("own_processor")
    assert found[0] == found[1] != found[2]


@pytest.mark.timeout(300)
def test_after_a_kill_the_run_goes_on(tmp_path):
    """Each event once, and nothing that was finished is done again; the script itself may change where it does not
    matter."""
    write_nanoaod(tmp_path / "nano.root", n_events=60)
    script = """
        import sys, time
        from coffea import processor
        from cortado import processors

        class Slow(processor.ProcessorABC):
            def process(self, events):
                time.sleep({pause})
                return {{"n": len(events), "starts": [events.metadata["entrystart"]]}}
            def postprocess(self, accumulator):
                return accumulator

        files = {{"d": {{"files": {{"nano.root": "Events"}}}}}}
        if __name__ == "__main__":
            done = processors.attempt(files, Slow(), executor="futures", workers=1, chunksize=5, checkpoints="chunks")
            print(done.output["n"], sorted(done.output["starts"]), done.summary()["processed"])
    """
    (tmp_path / "run.py").write_text(textwrap.dedent(script).format(pause=0.3))
    run = subprocess.Popen([sys.executable, "run.py"], cwd=tmp_path)
    while not (tmp_path / "chunks").exists() or len(list((tmp_path / "chunks").glob("[!.]*"))) < 3:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    text = (tmp_path / "run.py").read_text().replace("import sys, time", "import sys, time  # again")
    (tmp_path / "run.py").write_text(text)
    again = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    number, starts, processed = again.stdout.replace("[", ";").replace("]", ";").split(";")
    assert int(number) == 60
    assert [int(each) for each in starts.split(",")] == list(range(0, 60, 5))
    assert 0 < int(processed) <= 9
