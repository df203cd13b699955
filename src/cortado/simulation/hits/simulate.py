"""Samples of bunch crossings in a tracker, as ROOT files in the dialect of hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cortado import ntuples
from cortado.extras import extra
from cortado.names import require_one_of
from cortado.simulation.hits.acts_detector import load_acts
from cortado.simulation.hits.detector import COMPACT, Detector
from cortado.simulation.hits.dialect import TREE, branches
from cortado.simulation.hits.measurement import Hits, joined, measured, noise, ordered
from cortado.simulation.hits.particles import Particles, simple_particles
from cortado.simulation.hits.transport import crossings
from cortado.simulation.units import MOST_UNITS, check_limits, in_order

__all__ = ["DETECTORS", "GENERATORS", "HitSummary", "simulate_hits"]

DETECTORS, GENERATORS = ("compact", "generic"), ("simple", "pythia")
COLLISIONS = 1500  # in a unit, about: bounds the memory
MOST_EVENTS = 50  # in a unit


class HitSummary(NamedTuple):
    """What was written.

    Attributes:
        path: The file.
        detector: "compact" or "generic".
        events: Number of bunch crossings.
        hits: Number of hits in all of them.
        noise: Share of the hits that no particle made.
        particles: Number of charged particles.
    """

    path: Path
    detector: str
    events: int
    hits: int
    noise: float
    particles: int


class Unit(NamedTuple):
    """A piece of work with its own seed, whatever process computes it: events from the first to before the last."""

    number: int
    first: int
    last: int
    mu: float
    seed: int
    detector: Detector | None
    generator: str


class UnitSample(NamedTuple):
    """Hits and particles of the events of a unit."""

    hits: Hits
    particles: Particles


def simulate_hits(
    path: str | Path,
    *,
    events: int,
    mu: float = 20.0,
    detector: str | Detector = "compact",
    generator: str = "simple",
    seed: int = 1,
    workers: int = 2,
    progress: Callable[[int], object] | None = None,
) -> HitSummary:
    """Simulate bunch crossings in a tracker and write their hits and charged particles to a ROOT file.

    "compact" is a simulation of our own that needs no extra: cylinders and discs at the places of the generic detector,
    a field of 2 T, helices with multiple scattering but without energy loss, decays or secondaries, followed for half
    a turn; smeared hits, 2 % of them missing, and 2 noise hits a layer. "generic" is the generic detector of ACTS with
    Fatras and smeared digitisation (extra ``acts``): with its material, energy loss, and modules that overlap, so that
    a layer can have two hits of a particle; no hit is missing and there is no noise.

    "simple" particles are pions with a falling spectrum of pT and flat in eta, see `particles`; "pythia" (extra
    ``sim``) makes top pairs at 14 TeV and non-diffractive pile-up, in which particles that fly more than 10 mm do not
    decay. Both have one hard and Poisson(mu) pile-up collisions, spread over 55 mm along the beam.

    The tree ``hits`` has one entry an event: ``hit_x``, ``hit_y``, ``hit_z`` [mm], ``hit_layer``, ``hit_volume``,
    ``hit_module``, ``hit_particle_id`` (0 for noise), ``hit_weight`` (equal, and 1 for all particles of an event
    together); ``particle_particle_id``, ``particle_px`` ... [GeV], ``particle_vx`` ... [mm], ``particle_charge``,
    ``particle_pdg_id``. Layers are numbered alike in both detectors: volume after volume from inside out.

    The same arguments give the same events for any number of workers.

    Args:
        path: File to write; an earlier one stays if the simulation fails.
        events: Number of events.
        mu: Mean number of pile-up collisions.
        detector: "compact" or "generic", or a compact `Detector` of one's own.
        generator: "simple" or "pythia".
        seed: No two seeds share an event.
        workers: Processes. 1 stays in this one; more are spawned, so a script needs ``if __name__ == "__main__"``.
        progress: Called with the number of new events after each unit, for instance ``bar.update``.

    Returns:
        What was written.

    Raises:
        ValueError: If a name is unknown, or a number is out of range.
        ImportError: If the extra that the detector or the generator needs is not installed.
        RuntimeError: If Pythia fails.

    Example:
        >>> simulate_hits("hits.root", events=1000, mu=20.0)  # doctest: +SKIP
        HitSummary(path=PosixPath('hits.root'), detector='compact', events=1000, hits=8016000, ...)
    """
    units = _units(events, mu, detector, generator, seed, workers)
    sums = np.zeros(3, np.int64)

    def chunks() -> Iterator[dict[str, Any]]:
        nonlocal sums
        for unit, sample in zip(units, in_order(simulate_unit, units, workers), strict=True):
            sums += len(sample.hits.event), np.sum(sample.hits.particle_id == 0), len(sample.particles.event)
            if progress is not None:
                progress(unit.last - unit.first)
            numbers = np.arange(unit.first, unit.last)
            yield branches(*sample, run=seed, luminosity_block=unit.number + 1, events=numbers)

    stored = ntuples.write(path, TREE, chunks())
    hits, silent, particles = sums.tolist()
    name = detector if isinstance(detector, str) else "compact"
    return HitSummary(Path(path), name, stored, hits, silent / max(hits, 1), particles)


def simulate_unit(unit: Unit) -> UnitSample:
    """Events of a unit, with random numbers of its own."""
    events = unit.last - unit.first
    rng = np.random.default_rng([unit.seed, unit.number])
    particles = _particles(unit, events, rng)
    if unit.detector is None:
        from cortado.simulation.hits.generic import generic_hits

        return UnitSample(*generic_hits(particles, events, seed=_seed(unit)))
    made = crossings(particles, unit.detector, rng)
    seen = measured(made, particles.event, particles.particle_id, unit.detector, rng)
    return UnitSample(ordered(joined(seen, noise(events, unit.detector, rng))), particles)


def _particles(unit: Unit, events: int, rng: np.random.Generator) -> Particles:
    if unit.generator == "simple":
        return simple_particles(events, unit.mu, rng)
    from cortado.simulation.hits.collisions import pythia_particles

    return pythia_particles(events, unit.mu, rng, seed=_seed(unit))


def _seed(unit: Unit) -> int:
    """For the programs that take one number."""
    return unit.seed * MOST_UNITS + unit.number


def _units(events: int, mu: float, detector: str | Detector, generator: str, seed: int, workers: int) -> list[Unit]:
    """Cut the events into units.

    Raises:
        ValueError: If a name is unknown, or a number is out of range.
        ImportError: If a program of an extra is missing.
    """
    if isinstance(detector, str):
        require_one_of("detector", detector, DETECTORS)
    require_one_of("generator", generator, GENERATORS)
    if not 0 <= mu <= 1000:
        raise ValueError(f"mu is {mu}; it must be from 0 to 1000 collisions")
    size = max(1, min(MOST_EVENTS, int(COLLISIONS / (mu + 1))))
    most_seeds = 900_000_000 // (2 * MOST_UNITS) - 1
    check_limits(events=(events, size * MOST_UNITS), seed=(seed, most_seeds), workers=(workers, 1024))
    _check_programs(detector, generator)
    compact = COMPACT if detector == "compact" else detector
    simulated = compact if isinstance(compact, Detector) else None
    starts = range(0, events, size)
    return [
        Unit(number, first, min(first + size, events), mu, seed, simulated, generator)
        for number, first in enumerate(starts)
    ]


def _check_programs(detector: str | Detector, generator: str) -> None:
    """Fail before any work if a program of an extra is missing.

    Raises:
        ImportError: If one is; names the extra.
    """
    if detector == "generic":
        load_acts()
    if generator == "pythia":
        with extra("sim", "the generator pythia"):
            import_module("pythia8mc")
