"""Particles as sequences of the hits that they left, from inside out: what a network follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import flat, longest, mask_of, padded

__all__ = ["HitSequence", "HitSequenceInputs"]


class HitSequenceInputs(NamedTuple):
    """Padded hits of n particles; p is the number of hits of the particle with most, at least 1.

    Attributes:
        hits: x, y, z of each [mm], shape (n, p, 3); 0 where there is none.
        mask: True where there is a hit, shape (n, p).
    """

    hits: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HitSequence:
    """The hits of a particle in the order of its record, which is that along its path.

    Attributes:
        max_hits: Hits of a particle that are kept, the first; those that come back in loops are many.

    Raises:
        ValueError: If this is below 1.
    """

    max_hits: int = 30

    def __post_init__(self) -> None:
        if self.max_hits < 1:
            raise ValueError(f"HitSequence: max_hits must be at least 1, got {self.max_hits}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a particle that this needs."""
        return ("hits.x", "hits.y", "hits.z")

    def __call__(self, particles: ak.Array) -> HitSequenceInputs:
        """Make the sequences of particles.

        Args:
            particles: With `fields`, shape (n,).

        Returns:
            Hits and mask.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a position is not finite, or the particles are nested.
        """
        hits = flat(particles, self.fields, caller="HitSequence", collection="hits", by_pt=False, of="particle")
        points = np.stack([hits.own(name) for name in "xyz"], axis=1).astype(np.float32)
        length = longest(hits.counts, self.max_hits)
        return HitSequenceInputs(padded(points, hits.counts, length), mask_of(hits.counts, length))
