"""Vertices of simulated jets under the clock: python vertex_fits.py JETS OUTPUT

OUTPUT gets the jets per second of fitting the true vertices and of the adaptive vertex reconstruction as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak

import cortado
from cortado import reconstruction


def main(path: Path, output: Path) -> None:
    """Time both."""
    jets = ak.flatten(cortado.read(path).jets)
    fit = _rate(len(jets), lambda: reconstruction.vertices(jets, jets.tracks.vertex_index))
    adaptive = _rate(len(jets), lambda: reconstruction.find_vertices(jets))
    output.write_text(json.dumps({"fit": fit, "adaptive": adaptive}))


def _rate(jets: int, run: Callable[[], object]) -> float:
    run()  # caches, imports
    begin = time.perf_counter()
    run()
    return jets / (time.perf_counter() - begin)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
