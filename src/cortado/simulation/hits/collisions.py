"""Charged particles of top pairs with pile-up, from Pythia 8 (extra ``sim``)."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.simulation.detector import charge_of
from cortado.simulation.events import start
from cortado.simulation.history import history
from cortado.simulation.hits.particles import MAX_ETA, MIN_PT, Particles, beam_spot

__all__ = ["BEAM_ENERGY", "pythia_particles"]

Integers = npt.NDArray[np.int64]

BEAM_ENERGY = 14_000.0  # GeV
_UNDECAYED = (  # what flies further is left to the detector
    "ParticleDecays:limitCylinder = off",
    "ParticleDecays:limitTau0 = on",
    "ParticleDecays:tau0Max = 10.",
)
_TTBAR = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_UNDECAYED)
_MINIMUM_BIAS = ("SoftQCD:nonDiffractive = on", *_UNDECAYED)
_BATCH = 200  # collisions, bounds the memory


def pythia_particles(events: int, mu: float, rng: np.random.Generator, *, seed: int) -> Particles:
    """Charged particles with pT > 0.1 GeV and |eta| < 3 of a top pair and Poisson(mu) non-diffractive collisions.

    Proton-proton collisions at 14 TeV. No collision is used twice.

    Args:
        events: Number of events.
        mu: Mean number of pile-up collisions.
        rng: Source of their numbers and positions.
        seed: Pythia's seed, of which also the next one is used: half of it, 1 to 449,999,999.

    Raises:
        RuntimeError: If Pythia fails.
    """
    soft = np.repeat(np.arange(events), rng.poisson(mu, events))
    parts = [
        _charged(settings, owner, beam_spot(len(owner), rng), 2 * seed + k)
        for k, (settings, owner) in enumerate(((_TTBAR, np.arange(events)), (_MINIMUM_BIAS, soft)))
        if len(owner)
    ]
    joined = Particles(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(joined.event, kind="stable")
    particles = Particles(*(column[order] for column in joined))
    event = particles.event
    return particles._replace(particle_id=1 + np.arange(len(event)) - np.searchsorted(event, event))


def _charged(settings: tuple[str, ...], event: Integers, spot: npt.NDArray[np.float64], seed: int) -> Particles:
    """Those of collisions that belong to the given events, without names."""
    collide = start(settings, seed=seed, mpi=True, beam_energy=BEAM_ENERGY, what="collisions")
    batches, made = [], 0
    while made < len(event):
        particles = collide(min(_BATCH, len(event) - made)).prt
        if not len(particles):
            raise RuntimeError(f"Pythia made {made} of {len(event)} collisions and no more, with {settings}")
        batches.append(_selected(particles, event[made:], spot[made:]))
        made += len(particles)
    return Particles(*(np.concatenate(columns) for columns in zip(*batches, strict=True)))


def _selected(record: ak.Array, event: Integers, spot: npt.NDArray[np.float64]) -> Particles:
    """Stable charged particles in the acceptance."""
    particles = history(record)
    pt, charge = np.hypot(particles.px, particles.py), charge_of(particles.pdg_id)
    chosen = np.flatnonzero(
        particles.stable & (charge != 0) & (pt > MIN_PT) & (np.abs(particles.pz) < pt * np.sinh(MAX_ETA))
    )
    collision = particles.event[chosen]
    momentum = np.stack([particles.px, particles.py, particles.pz], axis=-1)[chosen]
    origin = np.stack([particles.x, particles.y, particles.z], axis=-1)[chosen] + spot[collision]
    pdg_id = particles.pdg_id[chosen]
    return Particles(
        event[collision],
        np.zeros(len(chosen), np.int64),
        pdg_id,
        charge[chosen],
        particles.mass[chosen],
        momentum,
        origin,
    )
