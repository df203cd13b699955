"""Windows of a graph of hits, no wider than true segments of training events need.

A wide window costs most where hits are many. So each pair of layers gives up true segments where these are cheapest:
its two cuts are quantiles of true segments, those that keep most for the chance segments that they let in, at one price
for all pairs.

Shapes: n events, N hits, S true segments, C candidates, P pairs of layers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.hit_graph import HitGraph
from cortado.representations.hits import Hits, flat_hits
from cortado.representations.segment_search import (
    Segments,
    continuations,
    curvature_and_cotangent,
    segments,
    slope_and_z0,
)
from cortado.representations.true_segments import some_true_segments

__all__ = ["fitted"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_LEVELS = np.array([0.3, 0.5, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.9995])
"""Quantiles of true segments to choose from."""
_COUNTED = 30_000  # hits in which candidates are counted, or one event
_SMALLEST = 1e-9  # window of a pair that nothing passes
_HALVINGS = 60
_WIDER = 1 + 1e-9  # so that the segment at the edge of a window is in it, however it is rounded


def fitted(
    events: ak.Array, *, keep: float = 0.99, min_pt: float = 0.5, min_hits: int = 3, bends: bool = True, chain: int = 3
) -> HitGraph:
    """The graph that keeps true segments of training events, with as few others as that takes.

    Half of what may be lost goes to rare pairs of layers, slope and z0, the other half to bends, of which a segment in
    a row needs several.

    Args:
        events: With hits and truth, shape (n,).
        keep: Share of the true segments to keep.
        min_pt: Least transverse momentum of the particles that count [GeV]; 0 needs no `particles`.
        min_hits: Least number of their hits.
        bends: Whether segments must be in a row.
        chain: Least number of hits in a row; particles with fewer are lost.

    Raises:
        ValueError: If `keep` is not in (0, 1) or more than any windows keep, a chain has fewer than 3 hits, or there is
            no true segment.
    """
    if not 0 < keep < 1:
        raise ValueError(f"fitted: keep must be a share in (0, 1), got {keep!r}")
    if chain < 3:
        raise ValueError(f"HitGraph: chain must be 3 hits or more, got {chain!r}")
    lost = (1 - keep) / (2 if bends else 1)
    hits = flat_hits(events, "HitGraph", layer=True)
    few = flat_hits(events[: _first(hits.counts)], "HitGraph", layer=True)
    inner, outer = some_true_segments(events, min_pt=min_pt, min_hits=min_hits)
    pairs = _frequent_pairs(hits.layer[inner], hits.layer[outer], 1 - lost / 2)
    true = Segments(inner, outer, _pair_of(pairs, hits, inner, outer))
    windows = _windows(hits, few, true, pairs, 1 - lost)
    if not bends:
        return HitGraph(pairs=_tuples(pairs), windows=_tuples(windows))
    changes = _bends(hits, few, true, pairs, windows, 1 - lost / (chain - 2))
    return HitGraph(pairs=_tuples(pairs), windows=_tuples(windows), bends=_tuples(changes), chain=chain)


def _first(counts: Indices) -> int:
    """Number of events in which candidates are counted."""
    return int(np.searchsorted(np.cumsum(counts), _COUNTED)) + 1


def _frequent_pairs(inner: Indices, outer: Indices, keep: float) -> Indices:
    """The most frequent pairs of layers of segments, until these are the share `keep` of all; (P, 2), each one way."""
    counts = Counter(zip(inner.tolist(), outer.tolist()))
    chosen: list[tuple[int, int]] = []
    kept = 0
    for pair, number in counts.most_common():
        if kept >= keep * len(inner):
            break
        kept += number
        if pair[::-1] not in chosen:
            chosen.append(pair)
    return np.array(sorted(chosen))


def _pair_of(pairs: Indices, hits: Hits, inner: Indices, outer: Indices) -> Indices:
    """Index of the pair of layers of each segment, -1 for none."""
    place = {pair: index for index, pair in enumerate(map(tuple, pairs.tolist()))}
    both = zip(hits.layer[inner].tolist(), hits.layer[outer].tolist())
    return np.array([place.get(pair, -1) for pair in both], np.int64)


def _windows(hits: Hits, few: Hits, true: Segments, pairs: Indices, keep: float) -> Floats:
    """Largest slope and z0 of each pair (P, 2)."""
    asked = np.abs(slope_and_z0(hits, true.inner, true.outer))
    cuts = _cuts(true.pair, asked, len(pairs))
    candidates = segments(few, pairs, cuts[:, :, -1].T)
    offered = np.abs(slope_and_z0(few, candidates.inner, candidates.outer))
    return _cheapest(cuts, (true.pair, asked), (candidates.pair, offered), keep)


def _bends(hits: Hits, few: Hits, true: Segments, pairs: Indices, windows: Floats, keep: float) -> Floats:
    """Largest change of curvature and cotangent behind a segment of each pair (P, 2)."""
    asked = np.abs(slope_and_z0(hits, true.inner, true.outer))
    inside = (true.pair >= 0) & np.all(asked <= windows[true.pair].T, axis=0)
    behind = 1 + np.flatnonzero((true.outer[:-1] == true.inner[1:]) & inside[:-1] & inside[1:])
    pair, asked = true.pair[behind - 1], _change(hits, true, behind - 1, behind)
    cuts = _cuts(pair, asked, len(pairs))
    candidates = segments(few, pairs, windows)
    before, after = continuations(few, candidates, cuts[:, :, -1].T)
    offered = _change(few, candidates, before, after)
    return _cheapest(cuts, (pair, asked), (candidates.pair[before], offered), keep)


def _change(hits: Hits, candidates: Segments, before: Indices, behind: Indices) -> Floats:
    helix = np.stack(curvature_and_cotangent(hits, candidates.inner, candidates.outer))
    return np.abs(helix[:, behind] - helix[:, before])


def _cuts(pair: Indices, values: Floats, pairs: int) -> Floats:
    """Quantiles of two values (2, S) at the levels for each pair of layers, shape (2, P, L)."""
    cuts = np.full((2, pairs, len(_LEVELS)), _SMALLEST)
    for index in np.unique(pair[pair >= 0]):
        mine = values[:, pair == index]
        mine = mine[:, np.isfinite(mine).all(axis=0)]
        if mine.size:
            cuts[:, index] = np.quantile(mine, _LEVELS, axis=1, method="higher").T
    return cuts.clip(min=_SMALLEST)


def _cheapest(cuts: Floats, true: tuple[Indices, Floats], offered: tuple[Indices, Floats], wanted: float) -> Floats:
    """For each pair the two cuts that keep most true segments at the price at which all keep as many as wanted.

    Args:
        cuts: To choose from, shape (2, P, L).
        true: Pairs (S,) and values (2, S) of true segments.
        offered: The same of the candidates.
        wanted: Share of the true segments to keep, pairs that are none of those counted as well.

    Raises:
        ValueError: If the widest cuts keep less.
    """
    kept, let_in = (_passing(cuts, pair, values) for pair, values in (true, offered))
    every, wanted = np.arange(len(kept)), wanted * len(true[0])
    if (most := kept.max(axis=1).sum()) < wanted:
        raise ValueError(
            f"fitted: the widest windows keep {most / len(true[0]):.4f} of true segments, {wanted / len(true[0]):.4f} "
            "are needed: ask for a smaller keep, or give more events"
        )
    low, high = 1e-9, 1e9
    for _ in range(_HALVINGS):
        price = np.sqrt(low * high)
        enough = kept[every, (kept - price * let_in).argmax(axis=1)].sum() >= wanted
        low, high = (price, high) if enough else (low, price)
    first, second = np.divmod((kept - low * let_in).argmax(axis=1), len(_LEVELS))
    return np.stack([cuts[0, every, first], cuts[1, every, second]], axis=1) * _WIDER


def _passing(cuts: Floats, pair: Indices, values: Floats) -> Floats:
    """How many of each pair pass both cuts, for all choices of the two, shape (P, L * L)."""
    _, pairs, levels = cuts.shape
    known = pair >= 0
    pair, values = pair[known], values[:, known]
    first, second = (
        np.sum([value > cut[pair, level] for level in range(levels)], axis=0) for value, cut in zip(values, cuts)
    )
    size = levels + 1  # the last: not even the widest
    place = (pair * size + first) * size + second
    counts = np.bincount(place, minlength=pairs * size**2).reshape(pairs, size, size)
    passing: Floats = counts.cumsum(axis=1).cumsum(axis=2)[:, :-1, :-1].reshape(pairs, -1).astype(np.float64)
    return passing


def _tuples(rows: NDArray[Any]) -> tuple[tuple[Any, Any], ...]:
    return tuple((first, second) for first, second in rows.tolist())
