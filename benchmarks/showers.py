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
    medians: dict[str, Any] = _medians(found)
    return medians


def _medians(found: list[Any]) -> Any:
    """Of the numbers in nested dictionaries."""
    if isinstance(found[0], dict):
        return {name: _medians([one[name] for one in found]) for name in found[0]}
    return statistics.median(found)


def rows(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Lines of the table: what, measured, wanted."""
    last = str(BATCHES[-1])
    lines = _times(result["networks"], "")
    for gpu, networks in result.get("gpu", {}).items():
        lines += _times(networks, f" on {gpu}")
    for energy, time in result["simulation"].items():
        ratios = ", ".join(f"{name} {time / times[last]:.0f}" for name, times in result["networks"].items())
        lines.append((f"compact simulation of photons of {energy}, one core", f"{time:.3g} ms; times {ratios}", ""))
    geant4 = ", ".join(f"{name} {GEANT4 / times[last]:,.0f}" for name, times in result["networks"].items())
    lines.append((f"Geant4, published, other machine: {GEANT4:g} ms", f"times {geant4}", ""))
    return lines


def _times(networks: dict[str, dict[str, float]], where: str) -> list[tuple[str, str, str]]:
    lines = []
    for name, times in networks.items():
        shown = ", ".join(f"{time:.3g}" for time in times.values())
        wanted = f"<= {TARGET:g} at {BATCHES[-1]}" if name == "CaloGAN" and not where else ""
        lines.append((f"{name}{where}, ms a shower at batch {', '.join(times)}", shown, wanted))
    return lines
