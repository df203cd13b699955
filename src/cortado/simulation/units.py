"""Work in units with seeds of their own, so that the result does not depend on who computes them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import loky

from cortado.workers import end_with

MOST_UNITS = 10_000  # in one sample: keeps the seeds of samples apart

Unit = TypeVar("Unit")
Result = TypeVar("Result")


def in_order(work: Callable[[Unit], Result], units: Sequence[Unit], workers: int) -> Iterator[Result]:
    """Do the work on each unit, in this process or several, and give the results in the order of the units."""
    if min(workers, len(units)) == 1:
        yield from map(work, units)
        return
    # Not forked: the parent may have threads running (torch, a progress bar).
    pool = loky.ProcessPoolExecutor(min(workers, len(units)), initializer=_start, initargs=(os.getpid(),))
    try:
        futures = [pool.submit(work, unit) for unit in units]  # not map, which cancels them, and loky complains of that
        for future in futures:
            yield future.result()
    except BaseException:  # a unit takes half a minute: nobody waits for it who has interrupted, or met an error
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()


def _start(parent: int) -> None:
    """Ctrl-C ends workers at once, and so does the end of their parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with(parent)


def check_limits(**limits: tuple[int, int]) -> None:
    """Refuse numbers that are not from 1 to their largest value.

    Args:
        **limits: Number and its largest value, by name.

    Raises:
        ValueError: If one is outside.
    """
    for name, (value, most) in limits.items():
        if not 1 <= value <= most:
            raise ValueError(f"{name} is {value}; it must be from 1 to {most}")
