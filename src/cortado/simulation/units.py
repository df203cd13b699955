"""Work in units with seeds of their own, so that the result does not depend on who computes them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from cortado.workers import end_with

MOST_UNITS = 10_000  # in one sample: keeps the seeds of samples apart

Unit = TypeVar("Unit")
Result = TypeVar("Result")


def in_order(work: Callable[[Unit], Result], units: Sequence[Unit], workers: int) -> Iterator[Result]:
    """Do the work on each unit, in this process or several, and give the results in the order of the units."""
    if min(workers, len(units)) == 1:
        yield from map(work, units)
        return
    # Spawned, not forked: the parent may have threads running (torch, a progress bar).
    pool = ProcessPoolExecutor(min(workers, len(units)), get_context("spawn"), _start, (os.getpid(),))
    try:
        yield from pool.map(work, units)
    finally:
        pool.shutdown(cancel_futures=True)


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
