"""Section "busy": scoring and training on a quiet machine and beside processes that want the same cores.

How weaver fares beside such processes is in the sections "scoring" and "training".
"""

import json
import statistics
from collections.abc import Callable
from typing import Any

from timing import busy, in_turn, ratio
from workplace import HERE, Workplace, jets

TARGET = 2.5  # times the quiet time, at most
_BUNDLE = HERE.parent / "analyses" / "top_tagging" / "bundles" / "particlenet.cortado"
_WORK = ("scoring", "training")
_FEW = 1_000  # jets


def measure(place: Workplace, *, rounds: int) -> dict[str, Any]:
    """Times of each piece of work: with all threads and with one, quiet and beside as many busy loops as threads."""
    file, seconds = jets(place, _FEW), place.folder / "busy.json"

    def timed(work: str, threads: int, loops: int) -> Callable[[], float]:
        def measured() -> float:
            with busy(loops):
                place.ours("busy_work.py", work, threads, _BUNDLE, file, seconds)
            return float(json.loads(seconds.read_text()))

        return measured

    candidates = {
        f"{work}, {threads} threads, {'busy' if loops else 'quiet'}": timed(work, threads, loops)
        for work in _WORK
        for threads in (place.threads, 1)
        for loops in (0, place.threads)
    }
    return {"threads": place.threads, "jets": _FEW, "seconds": in_turn(candidates, rounds)}


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    seconds, threads = result["seconds"], result["threads"]
    lines = [(f"{name} ({result['jets']:,} jets)", f"{statistics.median(s):.2f} s", "") for name, s in seconds.items()]
    for work in _WORK:
        quiet, beside, one = (
            seconds[f"{work}, {number} threads, {state}"]
            for number, state in ((threads, "quiet"), (threads, "busy"), (1, "busy"))
        )
        lines.append((f"{work}, busy / quiet", f"{ratio(beside, quiet):.2f}", f"<= {TARGET:g}"))
        lines.append((f"{work}, busy, {threads} threads / one", f"{ratio(beside, one):.2f}", "<= 1"))
    return lines
