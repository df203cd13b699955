"""Work in units: the same whoever computes them, and over at once when it is interrupted or fails."""

import os
import signal
import subprocess
import sys
import time

import pytest

from cortado.simulation.units import check_limits, in_order

SLEEPING = """
import time
from cortado.simulation.units import in_order
if __name__ == "__main__":
    for done in in_order(time.sleep, [0.0, 0.0, 600.0, 600.0, 600.0], 2):
        print("done", flush=True)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_units(workers):
    assert list(in_order(abs, [-3, -1, -2], workers)) == [3, 1, 2]


def test_an_error_of_a_unit_ends_the_others():
    begin = time.perf_counter()
    with pytest.raises(TypeError, match="'str' object cannot be interpreted"):
        list(in_order(time.sleep, [600.0, "a"][::-1], 2))
    assert time.perf_counter() - begin < 60


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_interrupts_does_not_wait_and_leaves_no_process(tmp_path, number):
    script = tmp_path / "sleeping.py"
    script.write_text(SLEEPING)
    run = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert run.stdout.readline() == "done\n"
    begin = time.perf_counter()
    run.send_signal(number)
    said = run.communicate(timeout=60)[1]
    assert time.perf_counter() - begin < 10  # seconds; nobody else at work it takes half of one
    assert "KeyboardInterrupt" in said or number == signal.SIGKILL
    while time.perf_counter() - begin < 30:
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker lives on")


def test_a_number_out_of_its_limits_is_named():
    check_limits(jets=(1, 5), workers=(5, 5))
    with pytest.raises(ValueError, match="jets is 6; it must be from 1 to 5"):
        check_limits(jets=(6, 5))
