"""Section "memory": peak memory of scoring a file, and one of ten times as many jets."""

from typing import Any

from workplace import Workplace, batches, bundle, jets, repeated, weights

TIMES = 10
TARGET = 0.10  # growth


def measure(place: Workplace, *, number: int) -> dict[str, Any]:
    """Peak resident memory of both, in bytes, and its growth."""
    few, many = jets(place, number), repeated(place, number, TIMES)
    bundle_path = bundle(place, weights(place, batches(place, number)), few)
    histogram = place.folder / "histogram.root"
    peaks = [place.ours("score_to_histogram.py", bundle_path, file, histogram).peak_memory for file in (few, many)]
    return {"jets": [number, TIMES * number], "peak_bytes": peaks, "growth": peaks[1] / peaks[0] - 1}


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    peaks = zip(result["jets"], result["peak_bytes"])
    return [
        *((f"peak memory, {number:,} jets", f"{peak / 2**20:.0f} MiB", "") for number, peak in peaks),
        ("growth", f"{result['growth']:+.1%}", f"< {TARGET:.0%}"),
    ]
