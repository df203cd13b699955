"""Write a top-tagging file of simulated jets: python simulated_jets.py OUTPUT JETS [SEED]

Half QCD, half top jets from Pythia with multi-parton interactions, 550 < pT < 650 GeV, in random order. The dialect is
that of the top-tagging reference data (arXiv:1902.09914): massless constituents, hardest first; the jet is their sum.
"""

import sys
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np

import cortado
from cortado import kinematics, ntuples

TREE = "tree"
_PT_RANGE = (550.0, 650.0)
_SPARE = 1.1  # simulated over wanted: the truth of the reader is a little stricter than that of the simulation
CHUNK = 2_000  # jets of a cluster


def main(output: Path, jets: int, seed: int = 1) -> None:
    """Simulate the jets and write them; the file appears when it is complete."""
    samples = [_sample(process, count, seed) for process, count in (("qcd", jets - jets // 2), ("top", jets // 2))]
    events = ak.concatenate(samples)[np.random.default_rng(seed).permutation(jets)]
    ntuples.write(output, TREE, (events[first : first + CHUNK] for first in range(0, jets, CHUNK)))


def _sample(process: str, count: int, seed: int) -> ak.Array:
    """Entries of one class, shape (count,)."""
    from cortado.simulation import simulate_jets

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{process}.root"
        simulate_jets(path, process=process, jets=round(_SPARE * count) + 1, pt_range=_PT_RANGE, seed=seed)
        jets = ak.flatten(cortado.read(path).jets)
    low, high = _PT_RANGE
    jets = jets[(jets.pt > low) & (jets.pt < high) & ((jets.truth_pdg_id == 6) | (process != "top"))]
    if len(jets) < count:
        raise RuntimeError(f"{len(jets)} {process} jets were selected, {count} are needed")
    return top_tagging(jets[:count], is_signal=process == "top")


def top_tagging(jets: ak.Array, *, is_signal: bool) -> ak.Array:
    """Jets (n,) as entries of the top-tagging dialect."""
    constituents = jets.constituents[ak.argsort(jets.constituents.pt, ascending=False, stable=True)]
    momentum = kinematics.momentum(constituents.pt, constituents.eta, constituents.phi)
    energy = np.sqrt(sum(component**2 for component in momentum))
    columns = dict(zip(("px", "py", "pz", "energy"), (*momentum, energy)))
    entries = {"part": ak.zip({name: ak.values_astype(column, np.float32) for name, column in columns.items()})}
    entries |= {f"jet_{name}": ak.values_astype(ak.sum(column, axis=1), np.float32) for name, column in columns.items()}
    return ak.zip(entries | {"is_signal_new": np.full(len(jets), is_signal, np.int8)}, depth_limit=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
