"""Candidates that share hits to tracks that do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["solve_ambiguities"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def solve_ambiguities(
    candidate_hits: Integers, chi2: Floats, hits: int, *, min_hits: int, max_shared: int = 2
) -> Integers:
    """Tracks of hits, greedily: the candidate of most hits, and of those the one of lowest chi2, takes its hits first.

    A later one is a track if it has enough hits that are still free, and not too many that are not; it loses those.
    All candidates of which no hit is claimed by a better open one are decided at once, which gives the same tracks as
    one by one.

    Args:
        candidate_hits: Index of each hit of each candidate, -1 for none, shape (c, k).
        chi2: Of each candidate, shape (c,).
        hits: Number h of hits.
        min_hits: Free hits that a track must have.
        max_shared: Hits of better tracks that a candidate may have.
    Returns:
        Index of the candidate that takes each hit, -1 for none, shape (h,).
    """
    owner = np.full(hits, -1, dtype=np.int64)
    number = (candidate_hits >= 0).sum(axis=1)
    candidates = np.lexsort((chi2, -number))  # in the order in which they are decided
    rank = np.empty(len(candidates), dtype=np.int64)
    rank[candidates] = np.arange(len(candidates))
    open_ones = np.flatnonzero(number >= min_hits)
    while len(open_ones):
        own = candidate_hits[open_ones]
        real = own >= 0
        best = np.full(hits, len(rank), dtype=np.int64)
        np.minimum.at(best, own[real], np.broadcast_to(rank[open_ones][:, np.newaxis], own.shape)[real])
        decided = (~real | (best[own] == rank[open_ones][:, np.newaxis])).all(axis=1)
        free = real & (owner[own] < 0)
        good = decided & (free.sum(axis=1) >= min_hits) & ((real & ~free).sum(axis=1) <= max_shared)
        rows, columns = np.nonzero(free & good[:, np.newaxis])
        owner[own[rows, columns]] = open_ones[rows]
        open_ones = open_ones[~decided]
    return owner
