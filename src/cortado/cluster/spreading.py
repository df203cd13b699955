"""Pieces of work through a pool: as they complete, tried again, and none lost in silence."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from itertools import islice
from typing import Any, NamedTuple

from cortado.cluster.pools import require_workers

__all__ = ["Done", "spread"]


_PATIENCE = 60.0  # seconds without a result, before a look whether there are workers at all


class Done(NamedTuple):
    """A piece of work that has ended.

    Attributes:
        item: What was to be worked on.
        result: What came of it; None if it failed.
        error: Why it failed, or None. From another process: of type `RuntimeError`, named as there, with the traceback
            from there as a note.
        attempts: How often it was tried.
        seconds: Time of the last attempt where it was made [s].
    """

    item: Any
    result: Any
    error: Exception | None
    attempts: int
    seconds: float


class _Reply(NamedTuple):
    """What comes back from a worker; errors as text, since not every exception can be sent."""

    result: Any
    seconds: float
    error: str = ""
    traceback: str = ""


def spread(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    pool: Executor | None,
    *,
    ahead: int = 256,
    retries: int = 0,
) -> Iterator[Done]:
    """Work on each item, in a pool or, without one, here; yields each as it completes, in no order.

    Args:
        function: Of one item; it and the items go to the workers.
        items: Taken as they are needed.
        pool: Where the work is done.
        ahead: Most items in the pool at once, so that results cannot pile up.
        retries: How often an item that failed is tried again, with a warning.
    Raises:
        RuntimeError: If the pool breaks because a worker process has ended, or a cluster of ours has no workers left.
    """
    if pool is None:
        for item in items:
            yield _here(function, item, retries)
        return
    waiting = iter(items)
    pending: dict[Future[_Reply], tuple[Any, int]] = {}

    def submit(item: Any, attempt: int) -> None:
        pending[pool.submit(_there, function, item)] = (item, attempt)

    try:
        for item in islice(waiting, ahead):
            submit(item, 1)
        while pending:
            finished, _ = wait(pending, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
            if not finished:
                require_workers(pool)
            for future in finished:
                item, attempt = pending.pop(future)
                reply = future.result()
                if reply.error and attempt <= retries:
                    _warn(item, reply.error, attempt)
                    submit(item, attempt + 1)
                    continue
                for following in islice(waiting, 1):
                    submit(following, 1)
                yield Done(item, reply.result, _error(reply), attempt, reply.seconds)
    except BrokenExecutor as error:
        raise RuntimeError(
            "a worker process has ended before its work was done: it was killed, perhaps because the machine has no "
            "memory left"
        ) from error
    finally:
        for future in pending:
            future.cancel()


def _here(function: Callable[[Any], Any], item: Any, retries: int) -> Done:
    """One item in this process, whose errors keep their frames for a debugger."""
    for attempt in range(1, retries + 2):
        begin = time.perf_counter()
        try:
            return Done(item, function(item), None, attempt, time.perf_counter() - begin)
        except Exception as error:
            failed = Done(item, None, error, attempt, time.perf_counter() - begin)
        if attempt <= retries:
            _warn(item, _named(failed.error), attempt)
    return failed


def _there(function: Callable[[Any], Any], item: Any) -> _Reply:
    begin = time.perf_counter()
    try:
        result = function(item)
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        return _Reply(None, time.perf_counter() - begin, _named(error), text)
    return _Reply(result, time.perf_counter() - begin)


def _named(error: Exception | None) -> str:
    return f"{type(error).__name__}: {error}"


def _error(reply: _Reply) -> Exception | None:
    if not reply.error:
        return None
    error = RuntimeError(reply.error)
    error.add_note(f"in a worker:\n{reply.traceback}")
    return error


def _warn(item: Any, error: str, attempt: int) -> None:
    warnings.warn(f"{item}: attempt {attempt} failed and is repeated: {error}", RuntimeWarning, stacklevel=3)
