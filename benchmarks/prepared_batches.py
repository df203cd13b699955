"""Prepare training batches once for all candidates: python prepared_batches.py FILE SIZE OUTPUT

OUTPUT, an .npz file, gets points, features and mask (number, n, p, ...) and target (number, n) of the full batches of
SIZE jets in FILE, standardised, p that of the longest jet.
"""

import sys
from pathlib import Path

import awkward as ak
import numpy as np

import cortado
from cortado.representations import PointCloud
from cortado.scaling import PARTICLENET_SCALING


def main(file: Path, size: int, output: Path) -> None:
    """Write the batches.

    Raises:
        ValueError: If the file has fewer jets than one batch.
    """
    jets = ak.flatten(cortado.read(file).jets)
    number = len(jets) // size
    if number == 0:
        raise ValueError(f"{file} has {len(jets)} jets, a batch needs {size}")
    jets = jets[: number * size]
    inputs = PARTICLENET_SCALING(PointCloud()(jets))._asdict()
    columns = inputs | {"target": ak.to_numpy(jets.is_signal).astype(np.int64)}
    np.savez(output, **{name: column.reshape(number, size, *column.shape[1:]) for name, column in columns.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
