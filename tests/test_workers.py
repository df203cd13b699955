"""Real processes: no worker outlives the process that started it, whatever ended that."""

import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pytest
from samples import write_tree

SIMULATION = """
    import time
    from cortado.simulation.units import in_order

    if __name__ == "__main__":
        list(in_order(time.sleep, [1000, 1000], workers=2))
"""
PROCESSORS = """
    import time
    from coffea import processor
    from cortado import processors

    class Slow(processor.ProcessorABC):
        def process(self, events):
            time.sleep(1000)
        def postprocess(self, accumulator):
            pass

    files = {{"d": {{"files": {{"{folder}/a.root": "Events"}}}}}}
    processors.run(files, Slow(), executor="futures", workers=1, chunksize=1)
"""


def alive(processes):
    """Those that still run: a process that has ended may be listed until somebody asks for its status."""
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(("script", "number"), [(SIMULATION, 2), (PROCESSORS, 1)], ids=["simulation", "processors"])
def test_workers_end_with_a_process_that_is_killed(script, number, tmp_path):
    numbers = np.arange(8, dtype=np.uint32)
    write_tree(tmp_path / "a.root", {"run": numbers, "luminosityBlock": numbers, "event": numbers})
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(script).format(folder=tmp_path))
    run = subprocess.Popen([sys.executable, path])
    started = psutil.Process(run.pid)
    try:
        while len(workers := [each for each in started.children() if each.num_threads() > 1]) < number:
            assert run.poll() is None
            time.sleep(0.2)
    finally:
        run.kill()
    run.wait()
    assert workers
    deadline = time.monotonic() + 20
    while left := alive(workers):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
