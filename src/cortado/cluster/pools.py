"""Pools by name: processes of this machine, a dask cluster, parsl; none is this process itself."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import loky

from cortado.extras import extra
from cortado.names import require_one_of
from cortado.workers import end_with

__all__ = ["EXECUTORS", "opened", "require_executor"]

EXECUTORS = ("iterative", "futures", "dask", "parsl")
_WORKERS = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
"""Environment of worker processes. By default loky takes a worker that grew by 300 MB, with torch and its bundles, for
a leak, and starts another, which reads them all again."""


def require_executor(executor: str | Executor, scheduler: str | None = None) -> None:
    """Whether a run can have that executor: to be asked before long work whose result it shall process.

    Args:
        executor: As of `opened`.
        scheduler: Likewise.
    Raises:
        ValueError: If the executor is unknown, or a scheduler is given for another one than dask.
        ImportError: If it is dask or parsl, and that is not installed.
    """
    if isinstance(executor, str):
        require_one_of("executor", executor, EXECUTORS)
    if scheduler is not None and executor != "dask":
        raise ValueError(f"a scheduler ({scheduler}) is for the executor dask, not for {executor}")
    if executor == "dask":
        with extra("dask", "the executor dask"):
            import distributed  # noqa: F401
    if executor == "parsl":
        with extra("parsl", "the executor parsl"):
            import parsl  # noqa: F401


def require_workers(pool: Executor) -> None:
    """Whether anybody works in a pool that gives no results.

    Raises:
        RuntimeError: If a dask cluster that was started here has no workers; a running one may get some, which is a
            warning.
    """
    client: Any = getattr(pool, "_client", None)
    if client is None or client.scheduler_info()["workers"]:
        return
    if client.cluster is not None:
        raise RuntimeError("all workers of the local dask cluster have ended: they were killed, or could not start")
    warnings.warn(f"{client.scheduler.address} has no workers: waiting for some", stacklevel=3)


@contextmanager
def opened(
    executor: str | Executor,
    *,
    workers: int = 2,
    scheduler: str | None = None,
    setup: Callable[[], None] | None = None,
) -> Iterator[Executor | None]:
    """A pool for as long as the `with` block lasts; None for work in this process.

    If the block fails or is interrupted, the processes of "futures" end at once.

    Args:
        executor: "iterative" (this process), "futures" (processes of this machine), "dask", "parsl" (the configuration
            that you have loaded, or processes of this machine); or any `concurrent.futures.Executor` of your own,
            TaskVine's for instance, which stays open.
        workers: Processes, where they are started here.
        scheduler: Address of a running dask scheduler; without it a local cluster is started.
        setup: What each worker of a running dask cluster does first, those that come later too.
    Raises:
        ValueError, ImportError: See `require_executor`.
    """
    require_executor(executor, scheduler)
    if isinstance(executor, Executor):
        yield executor
    elif executor == "iterative":
        yield None
    elif executor == "futures":
        with _processes(workers) as pool:
            yield pool
    elif executor == "dask":
        with _client(workers, scheduler) as client:
            if setup is not None and scheduler is not None:
                client.register_worker_callbacks(setup)
            yield client.get_executor(pure=False)
    else:
        with _parsl(workers) as pool:
            yield pool


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    pool = loky.ProcessPoolExecutor(workers, initializer=end_with, initargs=(os.getpid(),), env=_WORKERS)
    try:
        yield pool
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A client of the scheduler at that address, or of a cluster that lives as long as the block."""
    from distributed import Client, LocalCluster

    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    # Errors come back to whoever asked: they need not be logged by each worker too.
    local = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=workers, **local) as cluster, Client(cluster) as client:
        yield client


@contextmanager
def _scripts_on_path() -> Iterator[None]:
    """Parsl starts its scripts by name, which are beside the Python of an environment, active or not."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


@contextmanager
def _parsl(workers: int) -> Iterator[Executor]:
    import parsl
    from parsl.concurrent import ParslPoolExecutor
    from parsl.errors import NoDataFlowKernelError

    try:
        kernel = parsl.dfk()
    except NoDataFlowKernelError:
        local = parsl.HighThroughputExecutor(max_workers_per_node=workers, encrypted=False, address="127.0.0.1")
        with _scripts_on_path(), TemporaryDirectory() as logs:
            config = parsl.Config(executors=[local], initialize_logging=False, run_dir=logs)
            with ParslPoolExecutor(config=config) as pool:
                yield pool
        return
    with ParslPoolExecutor(dfk=kernel) as pool:
        yield pool
