"""Section "reading": a file of 2,500 branches and more step by step, in random order, ours against bare uproot."""

import json
import statistics
from typing import Any

from timing import ratio
from workplace import Workplace, jets

TARGET = 1.3  # times uproot's time, at most
_FEW = 1_000  # jets
_NAMES = ("uproot", "cortado", "cortado, to records")


def measure(place: Workplace, *, rounds: int) -> dict[str, Any]:
    """Times of both in one process each round."""
    source, output, found = jets(place, _FEW), place.folder / "reading.json", []
    for number in range(rounds):
        place.ours("reading_work.py", source, place.folder / "wide.root", output)
        found.append(json.loads(output.read_text()))
        print(
            f"  round {number + 1} of {rounds}: " + ", ".join(f"{n} {found[-1][n]:.2f} s" for n in _NAMES), flush=True
        )
    seconds = {name: [each[name] for each in found] for name in _NAMES}
    ratios = {name: ratio(seconds[name], seconds["uproot"]) for name in _NAMES[1:]}
    return {"steps": found[0]["steps"], "branches": found[0]["branches"], "seconds": seconds, "ratio": ratios}


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    what = f"{result['steps']} steps, {result['branches']} branches"
    medians = [(f"{name}, {what}", f"{statistics.median(s):.2f} s", "") for name, s in result["seconds"].items()]
    return [*medians, ("cortado / uproot", f"{result['ratio']['cortado']:.2f}", f"<= {TARGET:g}")]
