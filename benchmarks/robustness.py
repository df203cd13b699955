"""Section "robustness": damaged files and killed processes, of which nothing may come but a word or the right result.

A thousand mutants of valid files (flipped bits, lost blocks, cut ends, other contents) are given to the command that
takes them, and sixty runs are killed at random moments and started again; see `robustness_work.py`.
"""

import json
from typing import Any

from workplace import Workplace

MUTANTS, KILLS, SEED = 1_040, 60, 1  # a few of them are no change
FAULTS = (
    *("crashes", "hangs", "over 1 GB", "errors without file name", "long errors"),
    *("silently different counts", "silently different values, checksums"),
)


def measure(place: Workplace) -> dict[str, Any]:
    """Counts of what went wrong."""
    output = place.folder / "robustness.json"
    single = Workplace(place.folder, place.weaver, threads=1)  # forks
    single.ours("robustness_work.py", MUTANTS, KILLS, SEED, output)
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def total(result: dict[str, Any], fault: str) -> int:
    """Number of mutants with a fault, of all formats."""
    return sum(counts.get(fault, 0) for counts in result["mutants"]["counts"].values())


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    kills = result["kills"]
    return [
        ("mutants", f"{total(result, 'mutants'):,}", ""),
        ("refused", f"{total(result, 'refused'):,}", ""),
        *((fault, str(total(result, fault)), "0") for fault in FAULTS),
        ("different values, no checksums", str(total(result, "different values, no checksums")), ""),
        ("kills", str(kills["counts"]["kills"]), ""),
        ("other results, or does not go on", str(len(kills["problems"])), "0"),
    ]
