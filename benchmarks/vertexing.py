"""Section "vertexing": training steps of Set2Graph against a loop over jets, and vertex fits, on one thread."""

import json
import statistics
from collections.abc import Callable
from typing import Any

from timing import in_turn, ratio
from vertex_steps import BATCH
from workplace import Workplace

JETS = 3_000
TRAINING_TARGET = 3.0  # times the loop's jets per second
FIT_TARGET = 2_000  # jets per second


def measure(place: Workplace, *, rounds: int, steps: int) -> dict[str, Any]:
    """Time of a step of each, the ratio, and the rates of fits."""
    place = place._replace(threads=1)
    jets = place.folder / f"flavour_{JETS}.root"
    if not jets.exists():
        print(f"simulating {JETS} jets with tracks (once)", flush=True)
        place.ours("simulated_flavour.py", jets, JETS)
    times, rates = place.folder / "steps.json", place.folder / "fits.json"

    def candidate(name: str) -> Callable[[], float]:
        def measured() -> float:
            place.ours("vertex_steps.py", name, jets, steps, times)
            return statistics.median(json.loads(times.read_text()))

        return measured

    seconds = in_turn({"loop": candidate("loop"), "cortado": candidate("ours")}, rounds)
    place.ours("vertex_fits.py", jets, rates)
    fits = json.loads(rates.read_text())
    return {"seconds_per_step": seconds, "ratio": ratio(seconds["loop"], seconds["cortado"]), "jets_per_second": fits}


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    rates = {name: BATCH / statistics.median(times) for name, times in result["seconds_per_step"].items()}
    fits = result["jets_per_second"]
    return [
        *((f"training Set2Graph, {name}", f"{rate:.0f} jets/s", "") for name, rate in rates.items()),
        ("training, cortado / loop over padded jets", f"{result['ratio']:.2f}", f">= {TRAINING_TARGET:g}"),
        ("vertex fits, one core", f"{fits['fit']:.0f} jets/s", f">= {FIT_TARGET:,}"),
        ("adaptive vertex reconstruction, one core", f"{fits['adaptive']:.0f} jets/s", ""),
    ]
