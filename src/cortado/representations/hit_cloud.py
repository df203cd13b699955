"""Hits of events as a cloud of points, without edges: what an embedding is learned from.

Shapes: n events, N hits of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.hits import POSITION, flat_hits

__all__ = ["HitCloud", "HitCloudInputs"]

_LENGTH = 1000.0  # mm
_ETA = 4.0


class HitCloudInputs(NamedTuple):
    """Hits of n events, one event after the other.

    Attributes:
        nodes: cos(phi), sin(phi), r / 1000, z / 1000 (mm), eta / 4 of each hit, shape (N, 5).
        event: Index of the event of each hit, shape (N,).
    """

    nodes: NDArray[np.float32]
    event: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HitCloud:
    """All hits of an event, by numbers of order one that have no seam in azimuth."""

    fields: ClassVar[tuple[str, ...]] = POSITION

    def __call__(self, events: ak.Array) -> HitCloudInputs:
        """Take the hits of events.

        Args:
            events: With `fields`, shape (n,).

        Raises:
            KeyError: If a field is missing.
            ValueError: If the events are nested, a number is not finite, or a hit lies on the beam line.
        """
        hits = flat_hits(events, "HitCloud", layer=False)
        eta = np.arcsinh(hits.z / hits.r)
        columns = (np.cos(hits.phi), np.sin(hits.phi), hits.r / _LENGTH, hits.z / _LENGTH, eta / _ETA)
        return HitCloudInputs(np.stack(columns, axis=1).astype(np.float32), hits.event)
