"""A wide file read step by step: python reading_work.py JETS FILE OUTPUT

FILE is made of the simulated JETS and 2,500 further branches, where it is not there. OUTPUT gets
times [s] as JSON: of cortado and of bare uproot, the same branches and steps in random order, the file opened once.
"""

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import uproot

from cortado import ntuples, reading

_FURTHER = 2_500
_STEP = 50  # entries


def widen(source: Path, path: Path) -> None:
    """The branches of the source, and many that nobody asks for."""
    number = ntuples.num_entries(source)
    whole = ntuples.Step(str(source), ntuples.find_tree(source), 0, number)
    columns = ntuples.arrays(whole, ntuples.branch_names(source))
    dummies = {f"Dummy{index}_x": np.zeros(number, np.float32) for index in range(_FURTHER)}
    ntuples.write(path, "Events", [{name: columns[name] for name in columns.fields} | dummies])


def cortado_time(steps: list[ntuples.Step], branches: list[str]) -> float:
    """Seconds of the reading stage."""
    begin = time.perf_counter()
    for step in steps:
        ntuples.arrays(step, branches)
    return time.perf_counter() - begin


def uproot_time(path: Path, steps: list[ntuples.Step], branches: list[str]) -> float:
    """Seconds of bare uproot."""
    begin = time.perf_counter()
    with uproot.open({str(path): None}, object_cache=None, array_cache=None) as file:
        tree = file["Events"]
        for step in steps:
            tree.arrays(filter_name=branches, entry_start=step.start, entry_stop=step.stop)
    return time.perf_counter() - begin


def main(source: Path, path: Path, output: Path) -> None:
    """Measure both."""
    if not path.exists():
        widen(source, path)
    branches = reading.choose(str(path), "Events")[1]
    steps = ntuples.steps(path, size=_STEP)
    random.Random(1).shuffle(steps)
    times = {"uproot": uproot_time(path, steps, branches), "cortado": cortado_time(steps, branches)}
    begin = time.perf_counter()
    for step in steps:
        reading.records(step)
    times["cortado, to records"] = time.perf_counter() - begin
    output.write_text(json.dumps(times | {"steps": len(steps), "branches": len(branches)}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
