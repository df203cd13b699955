"""Whole processes under the clock: wall time and peak memory, candidates in turn."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

BUSY = ", busy"  # after the name of a candidate that was measured on a busy machine
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
_LOG_LINES = 15  # shown of a process that failed


class Run(NamedTuple):
    """One process that has ended."""

    seconds: float
    peak_memory: int  # resident, bytes


def run(command: Sequence[str | Path], *, threads: int, log: Path) -> Run:
    """Run a command to its end, in the folder of its log, with so many threads in each parallel region.

    The memory is that of the process itself. Linux counts that of the parent before `exec` too, so the benchmark keeps
    small: whatever needs torch or Pythia is a process of its own.

    Args:
        command: Program and arguments.
        threads: For OpenMP and MKL, which torch obeys.
        log: Gets what the process prints.

    Raises:
        RuntimeError: If it fails; shows the end of the log.
    """
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with log.open("w") as file:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | limits,
            cwd=log.parent,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        raise RuntimeError(f"exit code {process.returncode} of {' '.join(map(str, command))}\n{tail}\n(all: {log})")
    return Run(seconds, usage.ru_maxrss * _RSS_UNIT)


def in_turn(candidates: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure candidates A B A B ..., so that a machine that slows down slows both.

    Args:
        candidates: Name -> function that runs it once and gives its time [s].
        rounds: How often each is run.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name, measure in candidates.items():
            seconds[name].append(measure())
            print(f"  round {number + 1} of {rounds}: {name} {seconds[name][-1]:.3g} s", flush=True)
    return seconds


def quiet_and_busy(candidates: Mapping[str, Callable[[], float]], loops: int) -> dict[str, Callable[[], float]]:
    """Each candidate as it is, and as "NAME, busy" beside so many processes that use a core each."""

    def measured(measure: Callable[[], float], number: int) -> float:
        with busy(number):
            return measure()

    return {
        name + suffix: partial(measured, measure, number)
        for name, measure in candidates.items()
        for suffix, number in (("", 0), (BUSY, loops))
    }


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes that use a core each."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))
