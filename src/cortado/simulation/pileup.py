"""Tracks that do not come from the hard collision: of pile-up collisions along the beam, and fakes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado.simulation.detector import charge_of
from cortado.simulation.events import start
from cortado.simulation.history import FAKE, PILEUP, Vertices, collisions, history
from cortado.simulation.tracks import MAX_ETA, MAX_Z0_SIN_THETA, MIN_PT, Helices, efficiency, perigee

Array = npt.NDArray[Any]

_BEAM_SPOT = 50.0  # mm, spread of the collisions along the beam
_FAKES = 0.1  # a jet


class Library(NamedTuple):
    """Prompt charged particles of minimum-bias events, flat, and the first one of each event (and the end)."""

    start: Array
    charge: Array
    px: Array
    py: Array
    pz: Array


def minimum_bias(events: int, *, seed: int, beam_energy: float) -> Library:
    """Make inelastic, non-diffractive events; their strange decays are left out.

    Args:
        events: Number of events.
        seed: Pythia's seed.
        beam_energy: Energy of the collision [GeV].
    """
    settings = ("SoftQCD:nonDiffractive = on",)
    ancestry = history(
        start(settings, seed=seed, mpi=True, beam_energy=beam_energy, what="minimum-bias events")(events).prt
    )
    pt, charge = np.hypot(ancestry.px, ancestry.py), charge_of(ancestry.pdg_id)
    chosen = ancestry.stable & (charge != 0) & (pt > 0.9 * MIN_PT) & (np.hypot(ancestry.x, ancestry.y) < 1e-3)
    chosen &= np.abs(ancestry.pz) < pt * np.sinh(MAX_ETA + 0.05)
    counts = np.bincount(ancestry.event[chosen], minlength=events)
    return Library(
        np.append(0, np.cumsum(counts)), charge[chosen], ancestry.px[chosen], ancestry.py[chosen], ancestry.pz[chosen]
    )


def overlay(library: Library, events: int, mean: float, rng: np.random.Generator) -> tuple[Helices, Vertices]:
    """Overlay events of the library, each turned by a random azimuth.

    Args:
        library: Minimum-bias events, which are used many times.
        events: Number of events that get pile-up.
        mean: Mean number of pile-up collisions in each.
        rng: Source of positions and azimuths.

    Returns:
        True helices, and the vertices to which they point by row; shape (n,) and (v,).
    """
    event = np.repeat(np.arange(events), rng.poisson(mean, events))
    z = rng.normal(0.0, _BEAM_SPOT, len(event))
    chosen = rng.integers(len(library.start) - 1, size=len(event))
    first, counts = library.start[chosen], np.diff(library.start)[chosen]
    vertex = np.repeat(np.arange(len(event)), counts)
    index = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    px, py, pz = library.px[index], library.py[index], library.pz[index]
    pt, turn = np.hypot(px, py), rng.uniform(-np.pi, np.pi, len(event))[vertex]
    near = np.abs(z[vertex]) * pt / np.hypot(pt, pz) < MAX_Z0_SIN_THETA + 2.0
    near &= rng.random(len(index)) < efficiency(pt, np.zeros(len(pt)))
    momentum = (px * np.cos(turn) - py * np.sin(turn), px * np.sin(turn) + py * np.cos(turn), pz)
    position = (np.zeros(len(index)), np.zeros(len(index)), z[vertex])
    parameters = perigee(library.charge[index], momentum, position)
    return Helices(event[vertex], parameters, vertex).where(near), collisions(z, PILEUP)


def fakes(event: Array, eta: Array, phi: Array, radius: float, rng: np.random.Generator) -> tuple[Helices, Vertices]:
    """Tracks of hits that do not belong together: 0.1 a jet, with pT above 0.5 GeV falling by e a GeV.

    They lie evenly in the jet; d0 has a spread of 2 mm, z0 sin(theta) is even up to 5 mm.

    Args:
        event: Event of each jet, shape (n_jets,).
        eta: Pseudorapidity of the jets, shape (n_jets,).
        phi: Azimuth of the jets [rad], shape (n_jets,).
        radius: Of the jets.
        rng: Source of the fakes.

    Returns:
        Helices, and one vertex for each, without position; shape (n,).
    """
    jet = np.repeat(np.arange(len(event)), rng.poisson(_FAKES, len(event)))
    n = len(jet)
    distance, around = radius * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
    theta = 2 * np.arctan(np.exp(-(eta[jet] + distance * np.cos(around))))
    d0, z0 = rng.normal(0.0, 2.0, n), rng.uniform(-MAX_Z0_SIN_THETA, MAX_Z0_SIN_THETA, n) / np.sin(theta)
    pt, charge = MIN_PT + rng.exponential(1.0, n), rng.choice([-1, 1], n)
    parameters = np.stack([d0, z0, phi[jet] + distance * np.sin(around), theta, charge * np.sin(theta) / pt], axis=-1)
    nowhere = np.full(n, np.nan)
    vertices = collisions(nowhere, FAKE)._replace(x=nowhere, y=nowhere)
    return Helices(event[jet], parameters, np.arange(n)), vertices
