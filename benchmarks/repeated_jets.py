"""Write the entries of a file several times: python repeated_jets.py FILE TIMES OUTPUT"""

import sys
from pathlib import Path

from simulated_jets import CHUNK, TREE

from cortado import ntuples


def main(file: Path, times: int, output: Path) -> None:
    """Write them, in clusters of the same size."""
    branches = ntuples.branch_names(file, TREE)
    chunks = (events for _ in range(times) for _, events in ntuples.iterate(file, branches, tree=TREE, size=CHUNK))
    ntuples.write(output, TREE, chunks)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
