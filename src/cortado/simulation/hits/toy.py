"""The toy of HEP.TrkX: straight tracks through 50 layers of 50 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cortado import ntuples
from cortado.simulation.hits.dialect import TREE, branches
from cortado.simulation.hits.measurement import Hits
from cortado.simulation.hits.particles import Particles
from cortado.simulation.units import MOST_UNITS, check_limits

__all__ = ["LAYERS", "PIXELS", "SEED_LAYERS", "ToyHitSummary", "simulate_toy_hits"]

LAYERS, PIXELS = 50, 50
SEED_LAYERS = 5
"""First layers in which the track is alone."""
UNIT = 4096  # events

Integers = npt.NDArray[np.int64]


class ToyHitSummary(NamedTuple):
    """What was written.

    Attributes:
        path: The file.
        events: Number of them.
        hits: Number of them in all events.
        background: Share of the hits that are not of the track.
    """

    path: Path
    events: int
    hits: int
    background: float


def simulate_toy_hits(
    path: str | Path,
    *,
    events: int,
    tracks: int = 1,
    noise: float = 0.0,
    seed: int = 1,
    progress: Callable[[int], object] | None = None,
) -> ToyHitSummary:
    """Simulate straight tracks in a square of 50 layers of 50 pixels and write them in the dialect of hits.

    A track enters and leaves the square at places that are even over it, and hits the pixel floor(b + m layer) of each
    layer, m being the difference of the places over 50. The first track is the one to be followed: others, and noise,
    leave the first 5 layers to it. A pixel is hit once, whatever hits it, and belongs to the track if the track is
    there. The published samples have 20 % noise, or five tracks beside the first: ``noise=0.2``, or ``tracks=6``.

    The layer is the row, x is the column, y and z are 0. Particle 1 is the track, the others are 2, 3, ...; momenta
    are in arbitrary units, (slope, layer) = (px, py), and (vx, 0, 0) is where a track enters.

    Args:
        path: File to write; an earlier one stays if the simulation fails.
        events: Number of events.
        tracks: Number of tracks in each, the one to be followed among them.
        noise: Probability that a pixel is hit by itself.
        seed: No two seeds share an event.
        progress: Called with the number of new events after each unit of 4096, for instance ``bar.update``.

    Raises:
        ValueError: If a number is out of range.

    References:
        Farrell et al., The HEP.TrkX project (2017), EPJ Web Conf. 150, 00003.

    Example:
        >>> simulate_toy_hits("toy.root", events=102_400, noise=0.2)  # doctest: +SKIP
        ToyHitSummary(path=PosixPath('toy.root'), events=102400, hits=51200000, ...)
    """
    check_limits(events=(events, UNIT * MOST_UNITS), tracks=(tracks, 1000), seed=(seed, 2**32 - 1))
    if not 0 <= noise <= 1:
        raise ValueError(f"noise is {noise}; it must be a probability, from 0 to 1")
    total, of_track = 0, 0

    def chunks() -> Iterator[dict[str, npt.NDArray[np.float64]]]:
        nonlocal total, of_track
        for unit, first in enumerate(range(0, events, UNIT)):
            numbers = np.arange(first, min(first + UNIT, events))
            hits, particles = _toys(len(numbers), tracks, noise, np.random.default_rng([seed, unit]))
            total += len(hits.event)
            of_track += int(np.sum(hits.particle_id == 1))
            if progress is not None:
                progress(len(numbers))
            yield branches(hits, particles, run=seed, luminosity_block=unit + 1, events=numbers)

    stored = ntuples.write(path, TREE, chunks())
    return ToyHitSummary(Path(path), stored, total, 1 - of_track / total)


def _toys(events: int, tracks: int, noise: float, rng: np.random.Generator) -> tuple[Hits, Particles]:
    """Hits and tracks of some events."""
    entry, leave = rng.uniform(0.0, PIXELS, (2, events, tracks))
    slope = (leave - entry) / LAYERS
    depth = np.arange(LAYERS)
    pixel = np.floor(entry[:, :, np.newaxis] + slope[:, :, np.newaxis] * depth).astype(np.int64)
    image = np.zeros((events, LAYERS, PIXELS), np.int64)  # 0 nothing, -1 noise, else particle
    image[:, SEED_LAYERS:] = -(rng.random((events, LAYERS - SEED_LAYERS, PIXELS)) < noise).astype(np.int64)
    row = np.arange(events)[:, np.newaxis]
    for track in range(tracks - 1, -1, -1):
        shown = depth[SEED_LAYERS if track else 0 :]
        image[row, shown, pixel[:, track, shown]] = track + 1
    event, layer, column = np.nonzero(image)
    return _hits(event, layer, column, image), _tracks(entry, slope)


def _hits(event: Integers, layer: Integers, column: Integers, image: Integers) -> Hits:
    nothing = np.zeros(len(event))
    position = np.stack([column.astype(float), nothing, nothing], axis=-1)
    zero = np.zeros(len(event), np.int64)
    return Hits(event, position, layer, zero, column, np.maximum(image[event, layer, column], 0))


def _tracks(entry: npt.NDArray[np.float64], slope: npt.NDArray[np.float64]) -> Particles:
    events, tracks = entry.shape
    n = entry.size
    one, nothing = np.ones(n), np.zeros(n)
    return Particles(
        event=np.repeat(np.arange(events), tracks),
        particle_id=np.tile(np.arange(1, tracks + 1), events),
        pdg_id=np.zeros(n, np.int64),
        charge=np.zeros(n, np.int64),
        mass=nothing,
        momentum=np.stack([slope.ravel(), one, nothing], axis=-1),
        origin=np.stack([entry.ravel(), nothing, nothing], axis=-1),
    )
