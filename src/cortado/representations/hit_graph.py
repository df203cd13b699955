"""Events as graphs of hits: edges are segments between layers that a track from the beam line could have made.

Shapes: n events, N hits of all of them, E edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import flat
from cortado.representations.hits import POSITION, HitGraphInputs, flat_hits, graph_inputs
from cortado.representations.segment_search import are_chained, segments
from cortado.representations.true_segments import some_true_segments

__all__ = ["GivenGraph", "HitGraph", "HitGraphInputs", "kept_segments", "unknown_hits"]


@dataclass(frozen=True, kw_only=True)
class HitGraph:
    """All hits of an event, and the segments between pairs of layers that are within windows.

    `cortado.representations.window_fit.fitted` finds both for events of yours.

    With `bends`, a segment must also be one of a row that could be a track: at ten times the hits, a window of slope
    and z0 holds ten times the chance segments, but few of them go on by another chance.

    Attributes:
        pairs: Inner and outer layer of the segments.
        windows: Largest abs(dphi/dr) [rad/mm] and abs(z0) [mm] for each of the pairs.
        bends: Largest change of 1 / (2 R) [1/mm] and of the cotangent of the polar angle from a segment of each of the
            pairs to the next; none of them accepts segments alone.
        chain: Least number of hits in a row of segments, where there are bends.

    Raises:
        ValueError: If there is no pair, one joins a layer with itself or stands there twice, the numbers of windows or
            bends are not that of the pairs, one of them is not positive, or a chain has fewer than 3 hits.
    """

    pairs: tuple[tuple[int, int], ...]
    windows: tuple[tuple[float, float], ...]
    bends: tuple[tuple[float, float], ...] = ()
    chain: int = 3

    def __post_init__(self) -> None:
        pairs = self.pairs
        if not pairs or any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs) or len(set(pairs)) < len(pairs):
            raise ValueError(f"HitGraph: pairs must be different (inner, outer) layers, each once, got {pairs!r:.200}")
        for name, numbers in (("windows", self.windows), ("bends", self.bends)):
            if len(numbers) != len(pairs) and (name == "windows" or numbers):
                raise ValueError(f"HitGraph: {name} must be one for each of {len(pairs)} pairs, got {len(numbers)}")
            if bad := [each for each in numbers if len(each) != 2 or not all(value > 0 for value in each)]:
                raise ValueError(f"HitGraph: {name} must be two positive numbers each, got {bad[0]!r}")
        if self.chain < 3:
            raise ValueError(f"HitGraph: chain must be 3 hits or more, got {self.chain!r}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an event that this needs."""
        return (*POSITION, "hits.layer")

    def __call__(self, events: ak.Array) -> HitGraphInputs:
        """Make the graphs of events; hits in layers of no pair are nodes without edges, see `unknown_hits`.

        Args:
            events: With `fields`, shape (n,).

        Returns:
            Nodes, and edges by their inner, then their outer hit.

        Raises:
            KeyError: If a field is missing.
            ValueError: If the events are nested, a number is not finite, or a hit lies on the beam line.
        """
        hits = flat_hits(events, "HitGraph", layer=True)
        candidates = segments(hits, np.array(self.pairs), np.array(self.windows))
        if self.bends:
            candidates = candidates.take(are_chained(hits, candidates, np.array(self.bends), self.chain))
        edges = np.stack([candidates.inner, candidates.outer])
        return graph_inputs(hits, edges[:, np.lexsort(edges[::-1])])


@dataclass(frozen=True, kw_only=True)
class GivenGraph:
    """All hits of an event, with the edges that its record brings: graphs that others have prepared.

    Edges keep their order. `edges.inner` and `edges.outer` are indices of hits in their event.
    """

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of an event that this needs."""
        return (*POSITION, "edges.inner", "edges.outer")

    def __call__(self, events: ak.Array) -> HitGraphInputs:
        """Take the graphs of events.

        Args:
            events: With `fields`, shape (n,).

        Raises:
            KeyError: If a field is missing.
            ValueError: If the events are nested, a number is not finite, a hit lies on the beam line, or an edge ends
                at a hit that the event does not have.
        """
        hits = flat_hits(events, "GivenGraph", layer=False)
        fields = ("edges.inner", "edges.outer")
        edges = flat(events, fields, caller="GivenGraph", collection="edges", by_pt=False, of="event")
        ends = np.stack([edges.own("inner"), edges.own("outer")]).astype(np.int64)
        missing = ((ends < 0) | (ends >= hits.counts[edges.owner])).any(axis=0)
        if missing.any():
            edge = int(np.argmax(missing))
            event = edges.owner[edge]
            raise ValueError(
                f"GivenGraph: an edge of event {event} joins hits {ends[0, edge]} and {ends[1, edge]}, but the event "
                f"has {hits.counts[event]} hits"
            )
        starts = np.cumsum(hits.counts) - hits.counts
        return graph_inputs(hits, ends + starts[edges.owner])


def kept_segments(graph: Any, events: ak.Array, *, min_pt: float = 0.5, min_hits: int = 3) -> float:
    """Share of the true segments of events that are edges of their graphs.

    Args:
        graph: A `HitGraph` or `GivenGraph`.
        events: With hits and truth, shape (n,).
        min_pt: Least transverse momentum of the particles that count [GeV]; 0 needs no `particles`.
        min_hits: Least number of their hits.

    Raises:
        ValueError: If there is no true segment.
    """
    truth = some_true_segments(events, min_pt=min_pt, min_hits=min_hits)
    inputs = graph(events)
    number = len(inputs.nodes)
    true, joined = (ends[0] * number + ends[1] for ends in (truth, inputs.edge_index))
    return float(np.isin(true, joined).mean())


def unknown_hits(graph: HitGraph, events: ak.Array) -> NDArray[np.int64]:
    """Number of hits of each event in layers that are in no pair of the graph, and so without edges; shape (n,)."""
    hits = flat_hits(events, "HitGraph", layer=True)
    unknown = ~np.isin(hits.layer, np.unique(graph.pairs))
    return np.bincount(hits.event[unknown], minlength=len(hits.counts))
