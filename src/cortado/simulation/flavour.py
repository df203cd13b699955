"""Samples of b, c and light jets with tracks and true vertices, in the dialect of Set2Graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import ntuples
from cortado.names import require_one_of
from cortado.simulation import balance, history, tracks
from cortado.simulation.events import HADRONIC_W, start
from cortado.simulation.flavour_jets import RADIUS, cluster, flavour, with_tracks
from cortado.simulation.jets import SimulationSummary
from cortado.simulation.pileup import Library, fakes, minimum_bias, overlay
from cortado.simulation.units import MOST_UNITS, check_limits, in_order

Array = npt.NDArray[Any]

BEAM_ENERGY = 14_000.0  # GeV
UNIT = 3000  # jets
_MINIMUM_BIAS = 200  # events in the library of a unit
_BATCH = 250  # events, bounds the memory
_PATIENCE = 100  # events a triplet, before giving up
_SEEDS = 8  # of Pythia, for one unit

_TTBAR = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")
FLAVOUR_PROCESSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ttbar": (*_TTBAR, *HADRONIC_W), "ttbar_charm": (*_TTBAR, "24:onMode = off", "24:onIfAny = 4")}
)
"""Settings of Pythia: top pairs whose W bosons decay to quarks, or to charm and another quark."""


class Unit(NamedTuple):
    """A piece of work with its own seeds and quota, whatever process computes it."""

    number: int
    triplets: int
    seed: int
    pileup: float
    processes: tuple[str, ...]
    mpi: bool


class UnitSample(NamedTuple):
    """Jets of one unit by branch, shape (n,), with the numbers of their events and of generated events."""

    jets: dict[str, ak.Array]
    events: int
    generated: int


def simulate_flavour_jets(
    path: str | Path,
    *,
    jets: int,
    seed: int = 1,
    pileup: float = 20.0,
    processes: Sequence[str] = ("ttbar",),
    mpi: bool = True,
    workers: int = 2,
    progress: Callable[[int], object] | None = None,
) -> SimulationSummary:
    """Simulate jets with tracks and write them to a ROOT file in the dialect of Set2Graph, with additions.

    Proton-proton collisions at 14 TeV; anti-kT jets, R = 0.4, pT > 20 GeV, |eta| < 2.5; see `flavour_jets.cluster`.
    Tracks belong to the nearest jet within 0.4; see `tracks` for their resolution and acceptance. W bosons decay to
    quarks, so that there are no jets of prompt leptons. The primary vertex is at the origin.

    As in the published sample there are equally many b, c and light jets in each bin of (pT, |eta|, number of tracks):
    jets wait until their bin has one of each flavour, and those left over when a unit of 3000 is full are dropped. So
    the spectra are not those of any process; jets of one event stay together only by chance.

    Branches beside the published ones: ``event``, equal for jets of one event; ``genWeight``, 1; ``trk_cov_<a>_<b>``;
    ``trk_vtx_type``; and of the true vertices of the tracks ``vtx_x``, ``vtx_y``, ``vtx_z`` [mm], ``vtx_index``,
    ``vtx_type``, and of the particle that decayed there ``vtx_pdg_id``, ``vtx_pt``, ``vtx_eta``, ``vtx_mass`` and
    ``vtx_flight``, its path [mm]. Types are 0 primary, 1 decay of a b hadron, 2 of a c hadron from one, 3 of another c
    hadron, 4 of another particle, 5 pile-up, 6 fake; a fake has no true vertex.

    The same arguments give the same jets for any number of workers.

    Args:
        path: File to write; an earlier one stays if the simulation fails.
        jets: Number of jets, rounded up to a multiple of 3.
        seed: No two seeds share an event.
        pileup: Mean number of other collisions in the crossing, spread over 50 mm along the beam.
        processes: Names in `FLAVOUR_PROCESSES`, in turn for batches of events; ``ttbar_charm`` has twice the c jets and
            few u and d jets.
        mpi: Simulate multi-parton interactions; without them generation is 5 times faster and jets are too clean.
        workers: Number of processes. With more than one, a script needs ``if __name__ == "__main__"``.
        progress: Called with the number of new jets after each unit, for instance ``bar.update``.

    Returns:
        What was written: jets, events with at least one, generated events.

    Raises:
        ValueError: If a process is unknown, or a number is out of range.
        RuntimeError: If Pythia fails, or hardly any event has jets.

    References:
        Shlomi et al., Secondary vertex finding in jets with neural networks (2021), arXiv:2008.02831.

    Example:
        >>> simulate_flavour_jets("jets.root", jets=3000, pileup=0.0, mpi=False)  # doctest: +SKIP
        SimulationSummary(path=PosixPath('jets.root'), process='ttbar', jets=3000, ...)
    """
    _check(jets, seed, pileup, processes, workers)
    quotas = [min(UNIT, jets - first) for first in range(0, jets, UNIT)]
    units = [Unit(k, -(-quota // 3), seed, pileup, tuple(processes), mpi) for k, quota in enumerate(quotas)]
    events, generated = [], []

    def chunks() -> Iterator[dict[str, ak.Array]]:
        for sample in in_order(simulate_unit, units, workers):
            events.append(sample.events)
            generated.append(sample.generated)
            if progress is not None:
                progress(len(sample.jets["event"]))
            yield sample.jets

    stored = ntuples.write(path, "tree", chunks())
    return SimulationSummary(Path(path), ", ".join(processes), stored, sum(events), sum(generated))


def _check(jets: int, seed: int, pileup: float, processes: Sequence[str], workers: int) -> None:
    most_seeds = 900_000_000 // (MOST_UNITS * _SEEDS) - 1
    check_limits(jets=(jets, UNIT * MOST_UNITS), seed=(seed, most_seeds), workers=(workers, 1024))
    if not 0 <= pileup <= 1000:
        raise ValueError(f"pileup is {pileup}; it must be from 0 to 1000 collisions")
    if isinstance(processes, str) or not 1 <= len(processes) < _SEEDS:
        raise ValueError(f"processes is {processes!r}; it must be a sequence of 1 to {_SEEDS - 1} names")
    for name in processes:
        require_one_of("process", name, FLAVOUR_PROCESSES)


def simulate_unit(unit: Unit) -> UnitSample:
    """Generate events until each flavour has its jets.

    Raises:
        RuntimeError: If hardly any generated event has jets.
    """
    rng = np.random.default_rng([unit.seed, unit.number])
    seed = _SEEDS * (MOST_UNITS * unit.seed + unit.number)
    sources = [
        start(FLAVOUR_PROCESSES[name], seed=seed + k, mpi=unit.mpi, beam_energy=BEAM_ENERGY, what=name)
        for k, name in enumerate(unit.processes, 1)
    ]
    library = minimum_bias(_MINIMUM_BIAS, seed=seed, beam_energy=BEAM_ENERGY) if unit.pileup else None
    batches: list[dict[str, ak.Array]] = []
    accepted, generated = np.zeros((len(balance.JET_FLAVOURS), balance.BINS), np.int64), 0
    while accepted.min(axis=0).sum() < unit.triplets:
        missing = unit.triplets - int(accepted.min(axis=0).sum())
        particles = sources[len(batches) % len(sources)](min(missing + 20, _BATCH)).prt
        batches.append(_flavour_jets(particles, library, unit, generated, rng))
        accepted += balance.counts(*_classes(batches[-1]))
        generated += len(particles)
        if generated > _PATIENCE * (unit.triplets + 10):
            raise RuntimeError(
                f"{generated} events of {', '.join(unit.processes)} gave {accepted.sum(axis=1)} b, c and light jets, "
                f"too few of equal spectra: {accepted.min(axis=0).sum()} of {unit.triplets} triplets"
            )
    everything = {name: ak.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    chosen = balance.triplets(*_classes(everything), unit.triplets)
    jets = {name: column[chosen] for name, column in everything.items()}
    return UnitSample(jets, len(np.unique(jets["event"])), generated)


def _classes(jets: Mapping[str, ak.Array]) -> tuple[Array, Array]:
    """Flavour and kinematic bin of jets, shape (n,) each."""
    pt, eta = ak.to_numpy(jets["jet_pt"]), ak.to_numpy(jets["jet_eta"])
    return ak.to_numpy(jets["jet_flav"]), balance.kinematic_bin(pt, eta, ak.to_numpy(ak.num(jets["trk"])))


def _flavour_jets(
    particles: ak.Array, library: Library | None, unit: Unit, generated: int, rng: np.random.Generator
) -> dict[str, ak.Array]:
    """All jets of a batch of events by branch, shape (n,)."""
    events, ancestry = len(particles), history.history(particles)
    jets = cluster(ancestry, events, rng)
    helices, vertices = _true_tracks(ancestry, events, library, unit.pileup, rng)
    wrong, nowhere = fakes(jets.event, jets.eta, jets.phi, RADIUS, rng)
    helices = tracks.joined(helices, wrong._replace(vertex=wrong.vertex + len(vertices.x)))
    measured, sigma = tracks.measure(helices.parameters, rng)
    kept = tracks.accepted(measured)
    helices = helices._replace(parameters=measured).where(kept)
    first = (unit.seed * MOST_UNITS + unit.number) << 24  # of the events of the unit
    return {
        "event": ak.Array((first + generated + jets.event).astype(np.uint64)),
        "genWeight": ak.Array(np.ones(len(jets.event), np.float32)),
        "jet_pt": ak.Array(jets.pt.astype(np.float32)),
        "jet_eta": ak.Array(jets.eta.astype(np.float32)),
        "jet_phi": ak.Array(jets.phi.astype(np.float32)),
        "jet_M": ak.Array(jets.mass.astype(np.float32)),
        "jet_flav": ak.Array(flavour(jets, ancestry)),
        **with_tracks(jets, helices, sigma[kept], history.joined(vertices, nowhere)),
    }


def _true_tracks(
    ancestry: history.History, events: int, library: Library | None, mean: float, rng: np.random.Generator
) -> tuple[tracks.Helices, history.Vertices]:
    """Helices of the hard collisions and of pile-up, and their vertices."""
    index = tracks.reconstructed_particles(ancestry, rng)
    rows, vertices = history.origins(ancestry, index, events)
    hard = tracks.true_helices(ancestry, index, rows)
    if library is None:
        return hard, vertices
    soft, collisions = overlay(library, events, mean, rng)
    soft = soft._replace(vertex=soft.vertex + len(vertices.x))
    return tracks.joined(hard, soft), history.joined(vertices, collisions)
