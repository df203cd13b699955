"""Cores that other processes want, too."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from cortado.bundle import cores

_IDLE = """
import importlib.util, sys, time, torch
torch.set_num_threads(2)
spec = importlib.util.spec_from_file_location("cores", sys.argv[1])  # alone: its room imports much more
cores = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cores)
numbers = torch.randn(200_000)

def idle():
    numbers.exp()
    start = time.process_time()
    for _ in range(100):
        numbers.exp()
        time.sleep(0.005)
    return time.process_time() - start

before = idle(), torch.get_num_threads()
cores.sleep_when_idle()
print(*before, idle(), torch.get_num_threads())
"""


def idle():
    """CPU seconds of a process that mostly sleeps, and its number of threads of torch: before, and asleep."""
    command = [sys.executable, "-c", _IDLE, cores.__file__]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=outside).stdout
    spinning, threads, asleep, same = map(float, said.split())
    return spinning, asleep, (threads, same)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="GNU's OpenMP is that of Linux")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core waits for none")
def test_threads_that_wait_sleep():
    """Threads of torch that spin after each kernel sleep instead."""
    spinning, asleep, threads = idle()
    assert threads == (2, 2)
    if spinning < 0.1:
        pytest.skip("the threads of this torch do not spin")
    assert asleep < spinning / 3


def test_results_come_in_order_and_errors_come_through():
    assert list(cores.each(lambda i: i * i, range(20), threads=4)) == [i * i for i in range(20)]
    with pytest.raises(ZeroDivisionError):
        list(cores.each(lambda i: 1 / (i - 7), range(20), threads=4))


@pytest.mark.parametrize(("number", "threads", "inside"), [(1, 3, 3), (5, 1, 1), (5, 3, 1)])
def test_one_item_has_all_threads_and_several_have_one_each(number, threads, inside):
    before = torch.get_num_threads()
    seen = list(cores.each(lambda _: (torch.get_num_threads(), threading.get_ident()), range(number), threads=threads))
    assert {count for count, _ in seen} == {inside}
    assert torch.get_num_threads() == before


def test_precision_is_that_of_every_thread():
    product = torch.ones(4, 4)
    for precision, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        given = cores.each(lambda _: (product @ product).dtype, range(6), threads=2, precision=precision)
        assert set(given) == {kind}
