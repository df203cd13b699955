"""Samples of simulated jets: so many jets of a process in a window of pT, evenly spread, in one ROOT file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import ntuples
from cortado.simulation.clustering import MIN_PT, anti_kt
from cortado.simulation.detector import particle_flow
from cortado.simulation.events import PROCESSES, Process, find_process, generator
from cortado.simulation.gen_jets import gen_jets
from cortado.simulation.gen_particles import hard_process, holds_decay
from cortado.simulation.nanoaod import collections
from cortado.simulation.units import MOST_UNITS, check_limits, in_order

MAX_ETA = 2.4  # of selected jets
UNIT = 500  # jets
_BINS = 10
_BATCH = 250  # events, bounds the memory
_PATIENCE = 50  # events a jet, before giving up

BoolArray = npt.NDArray[np.bool_]


class SimulationSummary(NamedTuple):
    """What was written: selected jets and stored events, out of how many generated events."""

    path: Path
    process: str
    jets: int
    events: int
    generated: int


class Unit(NamedTuple):
    """A piece of work with its own seed and quota, whatever process computes it."""

    process: str
    number: int
    jets: int
    pt_range: tuple[float, float]
    seed: int
    mpi: bool
    flat_pt: bool


class UnitSample(NamedTuple):
    """Events of one unit in the NanoAOD dialect, with the number of selected jets and of generated events."""

    events: dict[str, ak.Array]
    jets: int
    generated: int


def simulate_jets(
    path: str | Path,
    *,
    process: str,
    jets: int,
    pt_range: tuple[float, float] = (500.0, 700.0),
    seed: int = 1,
    mpi: bool = True,
    workers: int = 2,
    flat_pt: bool = True,
    progress: Callable[[int], object] | None = None,
) -> SimulationSummary:
    """Simulate jets of one process and write their events to a ROOT file in the CMS NanoAOD v15 dialect.

    A jet is selected if its pT is in the window and |eta| < 2.4; jets of a signal process also need all quarks of a
    hadronic W (``wprime``) or top (``top``) within R = 0.8. An event is stored, whole, if one of its selected jets is
    still wanted, so there can be a few more selected jets than asked for. The work is cut into units of 500 jets with
    their own seeds: the events are the same for any number of workers.

    ``run`` is the seed, ``luminosityBlock`` the unit (from 1, 10001, 20001 for the three processes) and ``event`` the
    number of the generated event in the unit: together unique over samples. ``GenJetAK8`` are the jets of stable
    particles before the detector, and ``FatJet_genJetAK8Idx`` says which of them each jet is.

    Args:
        path: File to write; on failure or Ctrl-C an older one stays as it was.
        process: "wprime", "top" or "qcd", see ``PROCESSES``.
        jets: Selected jets wanted.
        pt_range: Window of jet pT [GeV].
        seed: From 1 to 89999. Samples of two seeds share no seed of Pythia.
        mpi: Simulate multi-parton interactions. Without them the sample is ready about 4 times sooner, but jet masses
            are 3 GeV too low and soft constituents are missing.
        workers: Processes. 1 stays in this one; more are spawned, so a script needs ``if __name__ == "__main__"``.
        flat_pt: Fill 10 bins of pT equally, in each unit.
        progress: Called with the number of newly selected jets after each unit, for instance ``bar.update``.

    Raises:
        ValueError: If the process is unknown, or a number is out of range.
        RuntimeError: If Pythia fails, or hardly any generated event has a jet in the window.

    Example:
        >>> simulate_jets("wprime.root", process="wprime", jets=5000, mpi=False)  # doctest: +SKIP
        SimulationSummary(path=PosixPath('wprime.root'), process='wprime', jets=5000, ...)
    """
    _check(jets, pt_range, seed, workers)
    find_process(process)
    sizes = [min(UNIT, jets - first) for first in range(0, jets, UNIT)]
    units = [Unit(process, k, size, pt_range, seed, mpi, flat_pt) for k, size in enumerate(sizes)]
    selected, generated = [], []

    def chunks() -> Iterator[dict[str, ak.Array]]:
        for sample in in_order(simulate_unit, units, workers):
            selected.append(sample.jets)
            generated.append(sample.generated)
            if progress is not None:
                progress(sample.jets)
            yield sample.events

    stored = ntuples.write(path, "Events", chunks())
    return SimulationSummary(Path(path), process, sum(selected), stored, sum(generated))


def _check(jets: int, pt_range: tuple[float, float], seed: int, workers: int) -> None:
    low, high = pt_range
    if not MIN_PT <= low < high <= 3000:
        raise ValueError(f"pt_range is {pt_range}; it must be (low, high) with {MIN_PT:g} <= low < high <= 3000 GeV")
    check_limits(jets=(jets, UNIT * MOST_UNITS), seed=(seed, 900_000_000 // MOST_UNITS - 1), workers=(workers, 1024))


def simulate_unit(unit: Unit) -> UnitSample:
    """Generate events until the quotas of the unit are full.

    Raises:
        RuntimeError: If hardly any generated event has a jet in the window.
    """
    process, number = PROCESSES[unit.process], list(PROCESSES).index(unit.process)
    rng = np.random.default_rng([unit.seed, number, unit.number])
    next_events = generator(process, unit.pt_range, seed=MOST_UNITS * unit.seed + unit.number, mpi=unit.mpi)
    edges, missing = _quotas(unit)
    batches: list[dict[str, ak.Array]] = []
    selected = generated = 0
    while missing.any():
        particles = next_events(min(2 * int(missing.sum()) + 20, _BATCH)).prt
        candidates = particle_flow(particles, rng)
        jets, gen_particles = anti_kt(candidates), hard_process(particles)
        pt_bin = _pt_bins(jets, gen_particles, process, edges)
        keep, missing = _fill(pt_bin, missing)
        if keep.any():
            block = MOST_UNITS * number + unit.number + 1
            identity = _identity(unit.seed, block, generated + 1 + np.flatnonzero(keep))
            batches.append(
                identity | collections(jets[keep], candidates[keep], gen_particles[keep], gen_jets(particles[keep]))
            )
        selected += int(ak.sum(pt_bin[keep] >= 0))
        generated += len(particles)
        if generated > _PATIENCE * (unit.jets + 10):
            raise RuntimeError(
                f"{generated} {unit.process} events gave {selected} jets for the window {unit.pt_range} GeV, "
                f"{missing.sum()} of {unit.jets} are missing; choose a window that such jets can reach"
            )
    return UnitSample({name: ak.concatenate([b[name] for b in batches]) for name in batches[0]}, selected, generated)


def _identity(run: int, luminosity_block: int, event: npt.NDArray[np.int64]) -> dict[str, ak.Array]:
    """Columns that name each event."""
    return {
        "run": ak.Array(np.full(len(event), run, np.uint32)),
        "luminosityBlock": ak.Array(np.full(len(event), luminosity_block, np.uint32)),
        "event": ak.Array(event.astype(np.uint64)),
    }


def _quotas(unit: Unit) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Edges of the bins in pT and the number of jets wanted in each; the remainder goes to the first ones."""
    bins = _BINS if unit.flat_pt else 1
    return np.linspace(*unit.pt_range, bins + 1), unit.jets // bins + (np.arange(bins) < unit.jets % bins)


def _pt_bins(jets: ak.Array, gen_particles: ak.Array, process: Process, edges: npt.NDArray[np.float64]) -> ak.Array:
    """Bin of every jet in pT, -1 for a jet that is not selected; shape (n_events, var)."""
    selected = (abs(jets.eta) < MAX_ETA) & (jets.pt >= edges[0]) & (jets.pt < edges[-1])
    if process.parents:
        selected = selected & holds_decay(jets, gen_particles, process.parents, process.quarks)
    pt_bin = np.digitize(ak.to_numpy(ak.flatten(jets.pt)), edges) - 1
    return ak.where(selected, ak.unflatten(pt_bin, ak.num(jets)), -1)


def _fill(pt_bin: ak.Array, missing: npt.NDArray[np.int64]) -> tuple[BoolArray, npt.NDArray[np.int64]]:
    """Take events in turn while one of their jets is missing in its bin; gives who is taken and what is missing then.

    Jets of taken events that fall into a full bin come in addition.
    """
    in_bin = ak.to_numpy(ak.flatten(pt_bin))[:, None] == np.arange(len(missing))
    is_missing = (in_bin & (np.cumsum(in_bin, axis=0) <= missing)).any(axis=1)
    keep = ak.to_numpy(ak.any(ak.unflatten(is_missing, ak.num(pt_bin)), axis=1))
    return keep, np.maximum(missing - in_bin.sum(axis=0), 0)
