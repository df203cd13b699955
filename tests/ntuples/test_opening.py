"""Files stay open between steps, and that is not to be noticed but by the clock."""

import multiprocessing
import os
import threading

import awkward as ak
import numpy as np
import pytest
import uproot

from cortado import ntuples
from cortado.ntuples import Step


def written(path, offset=0, number=40):
    with uproot.recreate(path) as file:
        file["Events"] = {"x": np.arange(number) + offset}
    return path


def steps_of(path, number=40):
    return [Step(str(path), "Events", start, start + 10) for start in range(0, number, 10)]


def read(steps):
    """Entries of all steps, in order."""
    return [x for step in steps for x in ak.to_list(ntuples.arrays(step, ["x"]).x)]


@pytest.fixture
def opened(monkeypatch):
    """Paths that were opened with uproot, in order."""
    paths, really = [], uproot.open
    monkeypatch.setattr(uproot, "open", lambda files, **options: (paths.extend(files), really(files, **options))[1])
    return paths


def test_a_file_is_opened_once_for_all_its_steps(tmp_path, opened):
    steps = steps_of(written(tmp_path / "one.root"))
    opened.clear()
    assert read(steps + steps) == 2 * list(range(40))
    assert len(opened) == 1


def test_steps_of_a_few_files_in_turn_open_each_once(tmp_path, opened):
    steps = [steps_of(written(tmp_path / f"{i}.root", offset=100 * i)) for i in range(4)]
    opened.clear()
    for turn in zip(*steps):
        read(turn)
    assert len(opened) == 4


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_few_files_are_open_at_once(tmp_path):
    files = [written(tmp_path / f"{i}.root", offset=100 * i) for i in range(30)]
    for file in files:
        read(steps_of(file)[:1])
    links = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
    there = {os.readlink(link) for link in links if os.path.exists(link)}
    assert len(there & set(map(str, files))) <= 8


def test_a_file_that_is_written_anew_is_read_anew(tmp_path):
    path = written(tmp_path / "one.root")
    assert read(steps_of(path)[:1]) == list(range(10))
    written(path, offset=1000)
    assert read(steps_of(path)[:1]) == list(range(1000, 1010))


def test_a_file_that_is_gone_is_missed(tmp_path):
    path = written(tmp_path / "one.root")
    read(steps_of(path))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"one\.root does not exist"):
        read(steps_of(path))


def test_threads_read_the_same_file_at_once(tmp_path):
    steps = steps_of(written(tmp_path / "one.root", number=4000), 4000)
    results = [None] * 4

    def work(index):
        results[index] = read(steps)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(range(4000))] * 4


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_processes_open_their_own(tmp_path):
    """Loader processes read at once; a shared position in the file would mix up what they read."""
    steps = steps_of(written(tmp_path / "one.root", number=4000), 4000)
    read(steps[:1])
    with multiprocessing.get_context("fork").Pool(3) as pool:
        results = pool.map(read, [steps] * 6)
    assert results == [list(range(4000))] * 6
