"""Samples of simulated showers in the dialect of CaloGAN, as ROOT or HDF5."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado import ntuples
from cortado.calorimeter import CALOGAN, layers
from cortado.names import require_one_of
from cortado.simulation.showers.cascade import shower
from cortado.simulation.showers.materials import LEAD, LIQUID_ARGON
from cortado.simulation.showers.particles import ELECTRON, PHOTON, PION, POSITRON
from cortado.simulation.showers.processes import tables
from cortado.simulation.showers.readout import LEAKED, LOST, calogan
from cortado.simulation.units import MOST_UNITS, check_limits, in_order

UNIT = 200  # showers
MIN_ENERGY, MAX_ENERGY = 0.1, 1000.0  # GeV

SAMPLING_FRACTION = 0.176
"""Share of the energy of photons and electrons that is deposited in liquid argon."""


class ShowerParticle(NamedTuple):
    """What starts a shower.

    Attributes:
        pdg_id: Its number in the scheme of the Particle Data Group.
        kind: That of `particles`.
    """

    pdg_id: int
    kind: float


PARTICLES: Mapping[str, ShowerParticle] = MappingProxyType(
    {
        "photon": ShowerParticle(22, PHOTON),
        "electron": ShowerParticle(11, ELECTRON),
        "positron": ShowerParticle(-11, POSITRON),
        "pion": ShowerParticle(211, PION),
    }
)
SPECTRA = ("uniform", "log-uniform")
READOUTS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"total": (1.0, 1.0), "active": (0.0, 1 / SAMPLING_FRACTION)}
)
"""Weights of energy in lead and in liquid argon."""


class ShowerSummary(NamedTuple):
    """What was written, and what became of the incident energy on average.

    Attributes:
        path: The file.
        particle: Name in `PARTICLES`.
        showers: Number of them.
        in_cells: Share of the incident energy in the cells.
        overflow: Share beside them.
        leaked: Share that left the block.
        lost: Share that no calorimeter shows: binding energies, neutrinos and rest masses of pion showers.
    """

    path: Path
    particle: str
    showers: int
    in_cells: float
    overflow: float
    leaked: float
    lost: float


class Unit(NamedTuple):
    """A piece of work, whatever process computes it: showers from the first to before the last."""

    particle: str
    first: int
    last: int
    energy: tuple[float, float]
    spectrum: str
    readout: str
    seed: int


class UnitSample(NamedTuple):
    """Incident energies [MeV], shape (n,), and what was read out [MeV], shape (n, cells + 3 overflow + 2)."""

    energy: NDArray[np.float64]
    readout: NDArray[np.float64]


def simulate_showers(
    path: str | Path,
    *,
    particle: str = "photon",
    showers: int,
    energy: tuple[float, float] = (1.0, 100.0),
    spectrum: str = "uniform",
    readout: str = "total",
    seed: int = 1,
    workers: int = 2,
    progress: Callable[[int], object] | None = None,
) -> ShowerSummary:
    """Simulate showers in the calorimeter of CaloGAN and write them in its dialect.

    A compact cascade, particle by particle, through 80 layers of 2 mm of lead and 4 mm of liquid argon, 1 m wide; the
    particle enters in the centre, at right angles. Photons make pairs, scatter, are absorbed and free neutrons;
    electrons radiate, ionise with delta rays, scatter and annihilate. Electrons are followed down to the energy of a
    range of 0.7 mm and photons down to 0.1 MeV, below which they stay where they are. Left out are coherent scattering,
    the binding of electrons, the LPM effect, annihilation in flight and fluorescence, and neutrons are not followed.

    Against 25 positrons that Geant4 made for CaloGAN, mean response, shares of the layers and overflow agree; far from
    the axis there is too little energy: showers are 2 % too narrow in the second layer and 15 % in the first, which has
    a sixth too few cells with energy.

    Showers of pions are approximate, see `hadrons`: for trying out methods, not for the physics of hadrons.

    A ROOT file holds the tree ``showers``, a file ending in .h5 or .hdf5 the same as datasets: ``energy`` [GeV],
    kinetic; ``layer_0`` (3, 96), ``layer_1`` (12, 12) and ``layer_2`` (12, 6) [MeV], 90, 347 and 43 mm deep;
    ``overflow`` (3) [MeV], in the layers beside the cells; ``pdg_id``.

    The same arguments give the same showers for any number of workers.

    Args:
        path: File to write; an earlier one stays if the simulation fails.
        particle: Name in `PARTICLES`.
        showers: Number of showers.
        energy: Lowest and highest incident energy [GeV].
        spectrum: Of the incident energies: "uniform" or "log-uniform".
        readout: "total", lead and argon together as in the published sample, hence without sampling fluctuations;
            or "active", liquid argon only, divided by its share for electrons and photons.
        seed: No two seeds, and no two particles, share a shower.
        workers: Processes. 1 stays in this one; more are spawned, so a script needs ``if __name__ == "__main__"``.
        progress: Called with the number of new showers after each unit of 200, for instance ``bar.update``.

    Returns:
        What was written.

    Raises:
        ValueError: If a name is unknown, or a number is out of range.

    References:
        Paganini et al., CaloGAN (2017), arXiv:1712.10321.

    Example:
        >>> simulate_showers("photons.root", particle="photon", showers=50_000)  # doctest: +SKIP
        ShowerSummary(path=PosixPath('photons.root'), particle='photon', showers=50000, in_cells=0.996, ...)
    """
    _check(particle, showers, energy, spectrum, readout, seed, workers)
    starts = range(0, showers, UNIT)
    units = [Unit(particle, first, min(first + UNIT, showers), energy, spectrum, readout, seed) for first in starts]
    incident, shares = 0.0, np.zeros(4)

    def chunks() -> Iterator[dict[str, NDArray[Any]]]:
        nonlocal incident, shares
        for sample in in_order(simulate_unit, units, workers):
            incident += sample.energy.sum()
            shares += _sums(sample.readout)
            if progress is not None:
                progress(len(sample.energy))
            yield _branches(sample, PARTICLES[particle].pdg_id)

    if Path(path).suffix in (".h5", ".hdf5"):
        stored = ntuples.write_hdf5(path, chunks())
    else:
        stored = ntuples.write(path, "showers", chunks())
    return ShowerSummary(Path(path), particle, stored, *(shares / incident).tolist())


def simulate_unit(unit: Unit) -> UnitSample:
    """Showers of a unit, each with random numbers of its own."""
    calorimeter, interactions = calogan(READOUTS[unit.readout]), tables(LEAD, LIQUID_ARGON)
    pdg_id, kind = PARTICLES[unit.particle]
    numbers = range(unit.first, unit.last)
    energy, readout = np.empty(len(numbers)), np.zeros((len(numbers), calorimeter.size))
    for row, number in enumerate(numbers):
        rng = np.random.default_rng([unit.seed, number, abs(pdg_id), int(pdg_id < 0)])
        energy[row] = _incident(unit, rng)
        shower(kind, energy[row], interactions, calorimeter, readout[row], rng)
    return UnitSample(energy, readout)


def _incident(unit: Unit, rng: np.random.Generator) -> float:
    """Kinetic energy [MeV]."""
    low, high = unit.energy
    if unit.spectrum == "log-uniform":
        return 1000 * low * math.exp(math.log(high / low) * rng.random())
    return 1000 * (low + (high - low) * rng.random())


def _branches(sample: UnitSample, pdg_id: int) -> dict[str, NDArray[Any]]:
    size = sum(CALOGAN.sizes)
    values = sample.readout.astype(np.float32)
    return {
        "energy": (sample.energy / 1000).astype(np.float32),
        **layers(values[:, :size], CALOGAN),
        "overflow": values[:, size:LEAKED],
        "pdg_id": np.full(len(values), pdg_id, np.int32),
    }


def _sums(readout: NDArray[np.float64]) -> NDArray[np.float64]:
    """In cells, overflow, leaked and lost [MeV]."""
    size, totals = sum(CALOGAN.sizes), readout.sum(axis=0)
    return np.array([totals[:size].sum(), totals[size:LEAKED].sum(), totals[LEAKED], totals[LOST]])


def _check(
    particle: str,
    showers: int,
    energy: tuple[float, float],
    spectrum: str,
    readout: str,
    seed: int,
    workers: int,
) -> None:
    require_one_of("particle", particle, PARTICLES)
    require_one_of("spectrum", spectrum, SPECTRA)
    require_one_of("readout", readout, READOUTS)
    low, high = energy
    if not MIN_ENERGY <= low <= high <= MAX_ENERGY:
        raise ValueError(
            f"energy is {energy}; it must be (low, high) with {MIN_ENERGY:g} <= low <= high <= {MAX_ENERGY:g} GeV"
        )
    check_limits(showers=(showers, UNIT * MOST_UNITS), seed=(seed, 2**32 - 1), workers=(workers, 1024))
