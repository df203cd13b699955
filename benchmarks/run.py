"""Speed and memory against weaver-core: python benchmarks/run.py [--only SECTION]

Prints a table and writes it with every single measurement to .bench/results.json. It needs the simulation
(pip install ".[sim]"), and, for the sections that need it, installs weaver-core in an environment of its own,
.bench/weaver. The ratios mean something on an idle machine only.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import busy
import engines
import memory
import peer
import reading_steps
import scoring
import showers
import training
import vertexing
from rich.console import Console
from rich.table import Table
from workplace import HERE, Workplace

SECTIONS = {
    "scoring": scoring,
    "training": training,
    "engines": engines,
    "memory": memory,
    "reading": reading_steps,
    "busy": busy,
    "vertexing": vertexing,
    "showers": showers,
}
ALONE = ("reading", "busy", "vertexing", "showers")  # sections without weaver


def main() -> None:
    """Measure the sections that are asked for."""
    options = _options()
    if missing := [name for name in ("pythia8mc", "fastjet") if importlib.util.find_spec(name) is None]:
        sys.exit(f'the benchmark simulates its jets and needs {" and ".join(missing)}: pip install ".[sim]"')
    folder = HERE.parent / ".bench"
    folder.mkdir(exist_ok=True)
    weaver = options.weaver_python or folder / "weaver" / "bin" / "python"
    if options.only not in ALONE:
        peer.require(options.weaver_python or peer.environment(folder / "weaver"))
    file = folder / "results.json"
    # What --only leaves out was measured before, on this machine.
    results: dict[str, Any] = json.loads(file.read_text()) if options.only and file.exists() else {}
    results["machine"] = _machine(options.threads)
    place = Workplace(folder, weaver, options.threads)
    for name, measure in _measurements(place, options).items():
        if options.only in (None, name):
            print(f"{name}:", flush=True)
            results[name] = measure()
            file.write_text(json.dumps(results, indent=1))
    _print(results)
    print(f"wrote {file}")


def _measurements(place: Workplace, options: argparse.Namespace) -> Mapping[str, Callable[[], dict[str, Any]]]:
    return {
        "scoring": partial(scoring.measure, place, number=options.jets, rounds=options.rounds),
        "training": partial(training.measure, place, number=options.jets, rounds=options.rounds, steps=options.steps),
        "engines": partial(engines.measure, place, number=options.jets, rounds=options.rounds),
        "memory": partial(memory.measure, place, number=options.jets),
        "reading": partial(reading_steps.measure, place, rounds=options.rounds),
        "busy": partial(busy.measure, place, rounds=options.rounds),
        "vertexing": partial(vertexing.measure, place, rounds=options.rounds, steps=options.steps),
        "showers": partial(showers.measure, place, rounds=options.rounds),
    }


def _options() -> argparse.Namespace:
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=description.partition(":")[0], epilog=epilog)
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    parser.add_argument("--jets", type=int, default=4_000, help="of the file that is scored (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="each candidate runs so often (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="training steps a round (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=_cores(), help="of each candidate (default: all cores)")
    parser.add_argument("--weaver-python", type=Path, help="use this Python, which has weaver-core, and install none")
    return parser.parse_args()


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _machine(threads: int) -> dict[str, Any]:
    """What the numbers depend on."""
    versions = {name: version(name) for name in ("cortado", "torch", "awkward", "uproot", "numpy")}
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): the numbers will not mean much", flush=True)
    return {
        "platform": platform.platform(),
        "cores": _cores(),
        "threads": threads,
        "load_at_start": load,
        "versions": versions | {"weaver-core": peer.VERSION},
    }


def _print(results: Mapping[str, Any]) -> None:
    machine = results["machine"]
    table = Table("", "measured", "wanted", title=f"{machine['threads']} of {machine['cores']} cores")
    for name, section in SECTIONS.items():
        if name in results:
            table.add_section()
            table.add_row(f"[bold]{name}")
            for row in section.rows(results[name]):
                table.add_row(*row)
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
