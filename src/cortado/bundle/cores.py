"""The cores of a machine shared out by batches: each thread shows a batch of its own to the network.

The kernels of torch can share out one batch instead, but then all threads wait for the slowest after each of hundreds
of short steps; where other processes want the cores, too, that waiting takes most of the time.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import torch

__all__ = ["Precision", "each", "in_worker", "limited", "sleep_when_idle", "wanted"]

Precision = Literal["float32", "bfloat16"]

_SHARED_OUT = 10_000_000  # numbers: enough for torch to share out an operation over all threads

T = TypeVar("T")
R = TypeVar("R")


def each(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    threads: int | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
) -> Iterator[R]:
    """Results of a function of torch, in the order of the items; several at once on a CPU.

    Args:
        function: Lets go of the interpreter in its kernels, and changes nothing that another call sees.
        items: Batches.
        threads: How many at once, with one thread inside each; a single item has them all for itself. See `wanted`.
        device: Where the network runs; batches go one by one to others than the CPU.
        precision: Of products: "float32", or "bfloat16" by autocast.
    """
    threads, kind = wanted(threads), torch.device(device).type

    def precisely(item: T) -> R:
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):  # of this thread alone
            return function(item)

    if threads == 1 or len(items) < 2 or kind != "cpu":
        with limited(threads):
            sleep_when_idle()
            yield from map(precisely, items)
        return
    with limited(1), ThreadPoolExecutor(threads, "cortado") as pool:
        yield from pool.map(precisely, items)


def wanted(threads: int | None) -> int:
    """Number of threads; for None one in worker processes, as many as torch has elsewhere."""
    return threads or (1 if in_worker() else torch.get_num_threads())


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """Threads inside the kernels of torch; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sleep_when_idle() -> None:
    """Have the threads inside the kernels of torch sleep while they wait for each other, where they would spin.

    GNU's OpenMP spins for milliseconds at the end of each kernel, unless it has more threads than the machine has
    cores (libgomp/config/linux/wait.h, `gomp_throttled_spin_count_var`). So this starts a second team of threads, which
    sleeps for good. It also works where torch was imported long ago; where `OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` are
    set, the user has decided.
    """
    decided = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & {*os.environ}
    if sys.platform == "linux" and torch.get_num_threads() > 1 and not decided:
        _sleeping_team()


@functools.cache
def _sleeping_team() -> None:
    started = threading.Event()

    def team() -> None:
        with limited(len(os.sched_getaffinity(0))):
            torch.zeros(_SHARED_OUT).exp_()
        started.set()
        threading.Event().wait()

    threading.Thread(target=team, name="cortado idle", daemon=True).start()
    started.wait()


def in_worker() -> bool:
    """Whether this is one of several processes on a machine: a child of multiprocessing, or a dask worker."""
    if multiprocessing.parent_process() is not None:
        return True
    distributed: Any = sys.modules.get("distributed")  # never imported by us; in a dask worker it is there already
    if distributed is None:
        return False
    try:
        return distributed.get_worker() is not None
    except ValueError:
        return False
