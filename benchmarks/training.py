"""Section "training": a training step of ParticleNet on the same jets, ours against weaver's, on the CPU.

Quiet, and beside as many busy processes as threads.
"""

import json
import statistics
from collections.abc import Callable
from typing import Any

from timing import BUSY, in_turn, quiet_and_busy, ratio
from workplace import BATCH, Workplace, batches, weights

TARGET = 2.0  # times weaver's steps per second
_PRECISIONS = ("float32", "bfloat16")


def measure(place: Workplace, *, number: int, rounds: int, steps: int) -> dict[str, Any]:
    """Time of a step of each, the median of a process, and the ratios."""
    batches_path = batches(place, number)
    weights_path, times = weights(place, batches_path), place.folder / "steps.json"

    def cortado(precision: str) -> Callable[[], float]:
        def measured() -> float:
            place.ours("train_steps.py", weights_path, batches_path, precision, steps, times)
            return statistics.median(json.loads(times.read_text()))

        return measured

    def weaver() -> float:
        place.theirs("train_steps.py", weights_path, batches_path, steps, times)
        return statistics.median(json.loads(times.read_text()))

    ours = {f"cortado {precision}": cortado(precision) for precision in _PRECISIONS}
    seconds = in_turn(quiet_and_busy({"weaver float32": weaver, **ours}, place.threads), rounds)
    return {
        "batch": min(BATCH, number),
        "steps": steps,
        "seconds_per_step": seconds,
        "ratio": {
            name + suffix: ratio(seconds["weaver float32" + suffix], seconds[name + suffix])
            for name in ours
            for suffix in ("", BUSY)
        },
    }


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    per_jet = {
        name: 1e3 * statistics.median(times) / result["batch"] for name, times in result["seconds_per_step"].items()
    }
    return [
        *((f"{name}: batches of {result['batch']}", f"{time:.2f} ms/jet", "") for name, time in per_jet.items()),
        *((f"steps per second, {name} / weaver", f"{x:.2f}", f">= {TARGET:g}") for name, x in result["ratio"].items()),
    ]
