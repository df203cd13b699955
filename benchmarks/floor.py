"""What no program can beat: python floor.py BUNDLE FILE PRECISION OUTPUT

Reads the branches of the file with uproot, then repeats the matrix products of the network, of the same shapes and
types, on random numbers; as many batches at once as threads, with one thread inside each. Only the two are timed.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import torch
import uproot
from torch.utils._python_dispatch import TorchDispatchMode

import cortado
from cortado import reading

BRANCHES = ("part_px", "part_py", "part_pz", "part_energy", "jet_px", "jet_py", "jet_pz", "jet_energy")
_PRODUCTS = ("linear", "mm", "addmm", "bmm", "baddbmm", "convolution")


class Shapes(TorchDispatchMode):
    """Notes shapes and types of each product."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[tuple[Any, list[Any]]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute as ever."""
        if function.__name__.split(".")[0] in _PRODUCTS:
            described = [(each.shape, each.dtype) if isinstance(each, torch.Tensor) else each for each in args]
            self.products.append((function, described))
        return function(*args, **(kwargs or {}))


def products(bundle: Path, file: Path, precision: str) -> list[tuple[Any, list[Any]]]:
    """All products of scoring a file."""
    assert threading.current_thread() is threading.main_thread()  # a mode is of its thread alone
    tagger = cortado.load(bundle, threads=1, precision=precision)
    shapes = Shapes()
    for record in reading.iterate(file, size=2_000):
        with shapes:
            tagger(ak.flatten(record.jets))
    return shapes.products


def repeat(product: tuple[Any, list[Any]]) -> None:
    """One product, on whatever numbers lie in memory."""
    function, described = product
    with torch.inference_mode():
        function(*(torch.empty(each[0], dtype=each[1]) if isinstance(each, tuple) else each for each in described))


def main(bundle: Path, file: Path, precision: str, output: Path) -> None:
    """Time both."""
    wanted, threads = products(bundle, file, precision), torch.get_num_threads()
    begin = time.perf_counter()
    with uproot.open(file) as opened:
        opened["tree"].arrays(BRANCHES)
    read = time.perf_counter() - begin
    torch.set_num_threads(1)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(repeat, wanted))
    seconds = time.perf_counter() - begin
    output.write_text(json.dumps({"seconds": seconds, "reading": read, "products": len(wanted)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
