"""Pieces of work through pools: each comes back once, failures are told, interrupted work is not waited for."""

import math
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from cortado.cluster import opened, require_executor, spread, spreading


def square(number):
    if number == 3:
        raise KeyError("three")
    return number**2


def pid(_):
    return os.getpid()


def killed(number):
    if number == 2:
        os._exit(9)
    return number


@pytest.mark.parametrize("executor", ["iterative", "futures"])
def test_each_piece_comes_back_once_with_its_result_or_its_error(executor):
    with opened(executor, workers=1) as pool:
        done = {each.item: each for each in spread(square, range(6), pool, ahead=2)}
    assert {item: each.result for item, each in done.items()} == {0: 0, 1: 1, 2: 4, 3: None, 4: 16, 5: 25}
    assert [item for item, each in done.items() if each.error is not None] == [3]
    assert "three" in str(done[3].error)
    assert all(each.attempts == 1 and each.seconds >= 0 for each in done.values())


def test_errors_of_workers_keep_their_kind_and_traceback_as_text():
    with opened("futures", workers=1) as pool:
        (done,) = spread(square, [3], pool)
    assert type(done.error) is RuntimeError
    assert str(done.error) == "KeyError: 'three'"
    assert 'raise KeyError("three")' in done.error.__notes__[0]


def test_errors_of_this_process_are_the_errors_themselves():
    (done,) = spread(square, [3], None)
    assert type(done.error) is KeyError


def test_a_process_pool_works_elsewhere_and_no_pool_works_here():
    with opened("futures", workers=1) as pool:
        (there,) = spread(pid, [0], pool)
    (here,) = spread(pid, [0], None)
    assert here.result == os.getpid() != there.result


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor(1)])
def test_work_that_fails_once_is_repeated_with_a_warning(pool):
    tried = []

    def unreliable(item):
        tried.append(item)
        if len(tried) == 1:
            raise OSError("no connection")
        return item

    with pytest.warns(RuntimeWarning, match="a: attempt 1 failed and is repeated: OSError: no connection"):
        (done,) = spread(unreliable, ["a"], pool, retries=2)
    assert (done.result, done.attempts, tried) == ("a", 2, ["a", "a"])


def test_work_that_always_fails_ends():
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        (done,) = spread(square, [3], None, retries=2)
    assert done.attempts == 3
    assert done.error is not None


def test_items_are_taken_as_they_are_needed():
    """Results that nobody has taken do not pile up: of an endless list no more than `ahead` are with the workers."""
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(1) as pool:
        results = spread(lambda item: item, items(), pool, ahead=4)
        next(results)
        assert len(taken) <= 6
        assert sorted(each.result for each in results) == list(range(1, 100))


def test_who_stops_listening_cancels_what_is_waiting():
    started, go = [], threading.Event()

    def wait(item):
        started.append(item)
        if item:
            go.wait(10)
        return item

    with ThreadPoolExecutor(1) as pool:
        results = spread(wait, range(50), pool, ahead=50)
        next(results)
        results.close()
        go.set()
    assert len(started) <= 2


def test_a_worker_that_is_killed_is_told():
    message = "a worker process has ended before its work was done"
    with pytest.raises(RuntimeError, match=message), opened("futures", workers=1) as pool:
        list(spread(killed, range(4), pool))


@pytest.mark.timeout(300)
def test_parsl_by_name():
    pytest.importorskip("parsl", reason="parsl is an extra")
    with opened("parsl", workers=1) as pool:
        done = {each.item: each.result for each in spread(math.sqrt, [1, 4], pool)}
    assert done == {1: 1, 4: 2}


def test_pools_of_ones_own_are_taken_and_stay_open():
    with ThreadPoolExecutor(1) as own:
        with opened(own) as pool:
            assert pool is own
        assert own.submit(square, 2).result() == 4


class Lost(ThreadPoolExecutor):
    """A pool of a dask client whose workers are gone."""

    def __init__(self, cluster):
        super().__init__(1)
        self._client = SimpleNamespace(
            scheduler_info=lambda: {"workers": {}},
            cluster=cluster,
            scheduler=SimpleNamespace(address="tcp://head:8786"),
        )


def test_a_cluster_without_workers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(spreading, "_PATIENCE", 0.01)
    go = threading.Event()
    with pytest.raises(RuntimeError, match="all workers of the local dask cluster have ended"):
        list(spread(lambda _: go.wait(5), [1], Lost(cluster="local")))
    threading.Timer(0.2, go.set).start()
    with pytest.warns(UserWarning, match="tcp://head:8786 has no workers: waiting"):
        list(spread(lambda _: go.wait(5), [1], Lost(cluster=None)))


def test_unknown_names_and_schedulers_are_refused():
    with pytest.raises(ValueError, match=r"executor = 'future', .*nearest: futures"):
        require_executor("future")
    with pytest.raises(ValueError, match=r"tcp://a:1.* not for futures"):
        require_executor("futures", "tcp://a:1")
