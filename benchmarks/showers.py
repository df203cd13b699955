"""Section "showers": time of a generated shower against batch size, beside that of the compact simulation."""

import json
import statistics
from typing import Any

from workplace import Workplace

BATCHES = (1, 10, 128, 1024)
TARGET = 2.0  # ms, CaloGAN at batch 1024
GEANT4 = 1772.0  # ms, a published time on another machine: arXiv:1705.02355


def measure(place: Workplace, *, rounds: int) -> dict[str, Any]:
    """Medians of the rounds [ms], each of which measures everything in turn."""
    file, found = place.folder / "showers.json", []
    for number in range(rounds):
        place.ours("shower_speed.py", file, *BATCHES)
        found.append(json.loads(file.read_text()))
        print(f"  round {number + 1} of {rounds}: {found[-1]}", flush=True)
    first = found[0]
    return {
        "networks": {
            name: {batch: statistics.median(one["networks"][name][batch] for one in found) for batch in times}
            for name, times in first["networks"].items()
        },
        "simulation": {
            energy: statistics.median(one["simulation"][energy] for one in found) for energy in first["simulation"]
        },
    }


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    last = str(BATCHES[-1])
    lines = []
    for name, times in result["networks"].items():
        shown = ", ".join(f"{time:.3g}" for time in times.values())
        wanted = f"<= {TARGET:g} at {last}" if name == "CaloGAN" else ""
        lines.append((f"{name}, ms a shower at batch {', '.join(times)}", shown, wanted))
    for energy, time in result["simulation"].items():
        ratios = ", ".join(f"{name} {time / times[last]:.0f}" for name, times in result["networks"].items())
        lines.append((f"compact simulation of photons of {energy}, one core", f"{time:.3g} ms; times {ratios}", ""))
    geant4 = ", ".join(f"{name} {GEANT4 / times[last]:,.0f}" for name, times in result["networks"].items())
    lines.append((f"Geant4, published, other machine: {GEANT4:g} ms", f"times {geant4}", ""))
    return lines
