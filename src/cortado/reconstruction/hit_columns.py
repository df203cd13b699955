"""Hits of events as flat arrays, checked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["hit_columns", "hit_points", "in_blocks", "numbered"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def hit_columns(hits: ak.Array, label: ArrayLike, caller: str) -> tuple[Integers, Integers]:
    """Event and label of each hit, shape (h,) each.

    Args:
        hits: Hits of events, shape (n, var).
        label: An integer for each hit, shape (n, var).
        caller: The function that asks, for messages.
    Raises:
        ValueError: If there are not as many labels as hits in each event, or they are no integers.
    """
    labels = ak.Array(label)
    counts, given = _counts(hits, caller), _counts(labels, caller)
    if len(counts) != len(given):
        raise ValueError(f"{caller}: labels are of {len(given)} events, hits of {len(counts)}; they must be the same")
    if len(wrong := np.flatnonzero(counts != given)):
        event = wrong[0]
        raise ValueError(f"{caller}: event {event} has {counts[event]} hits and {given[event]} labels")
    flat = ak.to_numpy(ak.flatten(labels))
    if len(flat) and not np.issubdtype(flat.dtype, np.integer):
        raise ValueError(f"{caller}: labels must be integers, got {flat.dtype}")
    return np.repeat(np.arange(len(counts)), counts), flat.astype(np.int64)


def hit_points(hits: ak.Array) -> Floats:
    """x, y, z of all hits [mm], shape (h, 3)."""
    flat = ak.flatten(hits)
    return np.stack([ak.to_numpy(flat[name]).astype(np.float64) for name in ("x", "y", "z")], axis=-1)


def numbered(component: Integers, counts: Integers, min_hits: int) -> ak.Array:
    """Tracks of enough hits, numbered from 0 on in each event by their first hits; -1 for other hits, shape (n, var).

    Args:
        component: Which track each hit is of, different from event to event, shape (h,).
        counts: Number of hits of each event, shape (n,).
        min_hits: Hits that a track must have.
    """
    names, first, of_hit, size = np.unique(component, return_index=True, return_inverse=True, return_counts=True)
    event = np.repeat(np.arange(len(counts)), counts)
    order = np.argsort(first)
    real = size[order] >= min_hits
    of_event = event[first[order]]
    before = np.cumsum(real, dtype=np.int64) - real
    first_of_event = np.searchsorted(of_event, np.arange(len(counts)))
    offset = np.append(before, real.sum())[first_of_event] if len(counts) else before
    label = np.full(len(names), -1, dtype=np.int32)
    label[order] = np.where(real, before - offset[of_event], -1)
    return ak.unflatten(label[of_hit], counts)


def in_blocks(
    hits: ak.Array, find: Callable[[ak.Array], Integers], caller: str, *, hits_at_once: int, min_hits: int
) -> ak.Array:
    """Tracks of events, which are taken together up to a number of hits: that bounds memory.

    Args:
        hits: Hits of events, shape (n, var).
        find: Hits of some events -> which track each hit is of, shape (h,): a number of its own for each hit of none.
        caller: The function that asks, for messages.
        hits_at_once: Number of hits up to which events are taken together.
        min_hits: Hits that a track must have.
    Returns:
        Track of each hit, -1 for none, shape (n, var).
    Raises:
        ValueError: If hits are not of shape (n, var).
    """
    counts = _counts(hits, caller)
    block = np.cumsum(counts) // hits_at_once
    edges = np.flatnonzero(np.diff(block, prepend=-1, append=-2)) if len(counts) else np.zeros(1, dtype=np.int64)
    component = [find(hits[low:high]) for low, high in pairwise(edges)]
    first = np.cumsum([0, *(len(part) for part in component)])
    joined = np.concatenate([np.zeros(0, dtype=np.int64), *(part + k for part, k in zip(component, first))])
    return numbered(joined, counts, min_hits)


def _counts(array: ak.Array, caller: str) -> Integers:
    if array.ndim != 2:
        raise ValueError(f"{caller} takes one list of hits for each event, shape (n, var), got {ak.type(array)!s:.60}")
    return np.asarray(ak.to_numpy(ak.num(array)), dtype=np.int64)
