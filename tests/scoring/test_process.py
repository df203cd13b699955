"""What a process keeps of bundles, and its threads and devices."""

import concurrent.futures
import itertools
import multiprocessing
import pickle
import platform
import sys
import threading
import types

import awkward as ak
import numpy as np
import pytest
import torch
from toy_taggers import (
    changed,
    load_toy,
    save_toy,
    score_chunk,
)
from toys import toy_event_jets, toy_jets

from cortado import scoring
from cortado.bundle import answering
from cortado.scoring import process


def with_empty_jets():
    jets = toy_jets(6)
    keep = np.array([True, False, True, True, False, True])
    return ak.with_field(jets, jets.constituents[ak.broadcast_arrays(jets.constituents.pt, keep)[1]], "constituents")


def test_a_scorer_is_small_and_survives_pickling(scorer):
    again = pickle.loads(pickle.dumps(scorer))
    assert len(pickle.dumps(scorer)) < 2000
    assert again == scorer
    jets = toy_jets(5)
    assert again(jets).tolist() == scorer(jets).tolist()


def test_ten_chunks_on_two_workers_read_the_bundle_at_most_twice(scorer):
    jets = toy_event_jets(30)
    chunks = [jets[i : i + 3] for i in range(0, 30, 3)]
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
        scores, workers, loads = zip(*pool.map(score_chunk, [scorer] * 10, chunks))
    reads = {worker: max(n for w, n in zip(workers, loads) if w == worker) for worker in workers}
    assert sum(reads.values()) == len(set(workers)) <= 2
    assert all(n == 1 for n in reads.values())
    expected = ak.flatten(scorer(jets))
    np.testing.assert_allclose(np.concatenate([ak.flatten(chunk) for chunk in scores]), expected, atol=1e-5)


def test_a_forked_worker_uses_what_its_parent_has_read(scorer):
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool:
        scores, _, loads = pool.submit(score_chunk, scorer, toy_event_jets(5)).result(timeout=60)
    assert loads == 0
    assert len(scores) == 5


def test_equal_bundles_are_read_once(tmp_path):
    before = scoring.loads()
    first, second = save_toy(tmp_path / "a.cortado", seed=5), save_toy(tmp_path / "b.cortado", seed=5)
    for _ in range(3):
        load_toy(first)(toy_jets(2))
        load_toy(second)(toy_jets(2))
    assert scoring.loads() == before + 1


@pytest.fixture
def forgetful(monkeypatch):
    """As a new process: nothing has been read."""
    monkeypatch.setattr(process, "_networks", {})


def test_a_worker_without_the_file_says_which_and_where(tmp_path, forgetful, monkeypatch):
    path = save_toy(tmp_path / "a.cortado")
    scorer = load_toy(path)
    path.unlink()
    scorer(toy_jets(2))  # this process has it
    monkeypatch.setattr(process, "_networks", {})
    with pytest.raises(FileNotFoundError, match=f"no bundle {path} on host {platform.node()}"):
        scorer(toy_jets(2))


def test_a_bundle_that_was_replaced_is_refused(tmp_path, forgetful, monkeypatch):
    scorer = load_toy(save_toy(tmp_path / "a.cortado"))
    save_toy(tmp_path / "a.cortado", seed=2)
    monkeypatch.setattr(process, "_networks", {})
    with pytest.raises(ValueError, match=r"a.cortado: changed since it was loaded .*load it again"):
        scorer(toy_jets(2))


def test_networks_are_not_kept_without_end(tmp_path, forgetful, monkeypatch):
    monkeypatch.setattr(process, "_KEPT", 2)
    scorers = [load_toy(save_toy(tmp_path / f"{seed}.cortado", seed)) for seed in range(3)]
    before = scoring.loads()
    for scorer in scorers[::-1]:
        scorer(toy_jets(2))
    assert scoring.loads() == before + 1  # the first of the three had to make room


@pytest.fixture
def threads_seen(monkeypatch):
    """Number of threads each time that a network is asked."""
    seen = []
    original = answering._answer

    def answer(*arguments):
        seen.append(torch.get_num_threads())
        return original(*arguments)

    monkeypatch.setattr(answering, "_answer", answer)
    return seen


def test_threads_are_set_while_scoring_and_restored(scorer, threads_seen):
    before = torch.get_num_threads()
    changed(scorer, threads=before + 1)(toy_jets(3))
    scorer(toy_jets(3))
    assert threads_seen == [before + 1, before]
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="no constituents"):
        changed(scorer, threads=before + 1)(with_empty_jets())
    assert torch.get_num_threads() == before


def test_each_thread_has_a_batch_of_its_own(scorer, threads_seen):
    """Within a batch there is then one thread; what is said is the same as batch by batch."""
    before, jets = torch.get_num_threads(), toy_jets(200)
    one, four = (changed(scorer, threads=threads, batch_size=16)(jets) for threads in (1, 4))
    assert set(threads_seen) == {1}
    np.testing.assert_allclose(four, one, rtol=1e-5, atol=1e-6)
    assert torch.get_num_threads() == before


def test_threads_score_at_the_same_time(scorer, monkeypatch):
    """Two batches meet in the network, which they could not one after the other."""
    meeting, original, calls = threading.Barrier(2, timeout=20), answering._answer, itertools.count()

    def answer(*arguments):
        if next(calls) < 2:
            meeting.wait()
        return original(*arguments)

    monkeypatch.setattr(answering, "_answer", answer)
    assert len(changed(scorer, threads=2)(toy_jets(128))) == 128


@pytest.mark.parametrize("where", ["child", "dask worker", "dask client"])
def test_workers_score_with_one_thread(scorer, threads_seen, monkeypatch, where):
    def get_worker():
        if where == "dask client":
            raise ValueError("No workers found")
        return object()

    if where == "child":
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    else:
        monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(get_worker=get_worker))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        scorer(toy_jets(3))
        changed(scorer, threads=2)(toy_jets(3))
    finally:
        torch.set_num_threads(before)
    assert threads_seen == [3 if where == "dask client" else 1, 2]


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there(path, device):
    with pytest.raises(ValueError, match=f"device '{device}' is not available here, torch .* has cpu"):
        load_toy(path, device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_scores_on_the_gpu_are_those_of_the_cpu(path, scorer):
    jets = toy_jets(100)
    np.testing.assert_allclose(load_toy(path, device="cuda")(jets), scorer(jets), atol=1e-5)
