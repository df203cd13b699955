"""Segments between hits of two layers, found by sorting and searching in azimuth: never all pairs.

A segment is compatible with a track from the beam line: its slope abs(dphi/dr), which is that of a circle through the
beam line at 1 / (2 R), and where it meets the beam line, abs(z0), are within the windows of its pair of layers. A
*bend* is the change of curvature and of the polar angle where two segments share a hit; it is small for one track, and
for chance segments only by a second chance.

Shapes: N hits, E segments, P pairs of layers.

References:
    Farrell et al., Novel deep learning methods for track reconstruction (2018), arXiv:1810.06111 (slope and z0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import delta_phi
from cortado.representations.hits import Hits

__all__ = ["Segments", "are_chained", "continuations", "curvature_and_cotangent", "segments", "slope_and_z0"]

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

_CHUNK = 300_000  # candidates at a time: the memory of a search does not grow with them
_SLICES = 24  # of a layer along its longer side
_STRIDE = 4 * np.pi + 1  # of a cell on the line on which all hits are searched: azimuths and their copies are inside
_MARGIN = 1e-6  # mm or rad, for rounding: what is found is cut exactly
_HALF_TURN = np.pi * (1 - 1e-12)
_STEEPEST = 1e3  # cotangents beyond that are alike


class Segments(NamedTuple):
    """Segments between hits.

    Attributes:
        inner: Index of the hit where each begins, shape (E,).
        outer: Index of the hit where it ends, shape (E,).
        pair: Index of its pair of layers, shape (E,).
    """

    inner: Indices
    outer: Indices
    pair: Indices

    def take(self, chosen: NDArray[np.generic]) -> Segments:
        """Some of them."""
        return Segments(*(array[chosen] for array in self))


class _Layers(NamedTuple):
    """Where the hits of L layers are, in all events together.

    Attributes:
        number: Numbers of the layers, rising, shape (L,).
        r: Least and largest r [mm], shape (2, L).
        z: Least and largest z [mm], shape (2, L).
    """

    number: Indices
    r: Floats
    z: Floats

    @property
    def is_barrel(self) -> NDArray[np.bool_]:
        """Whether a layer is longer than deep: it is then cut into slices of z, else of r."""
        longer: NDArray[np.bool_] = self.z[1] - self.z[0] > self.r[1] - self.r[0]
        return longer

    def slices(self, rank: Indices, along: Floats) -> Indices:
        """Slice at a coordinate, z of a barrel and r of a disc, of layers by their rank."""
        start, end = np.where(self.is_barrel, self.z, self.r)[:, rank]
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.nan_to_num((along - start) / (end - start), nan=0.0)
        part: Indices = np.floor(place.clip(0, 1) * _SLICES).clip(max=_SLICES - 1).astype(np.int64)
        return part


class _Line(NamedTuple):
    """Hits of known layers on a line: one cell (event, layer, slice) after the other, each by azimuth.

    Hits stand there a second time, a turn away, so that no window is cut by the seam.
    """

    hit: Indices  # (M,)
    r: Floats  # (M,)
    phi: Floats  # (M,)
    z: Floats  # (M,)
    key: Floats  # (M,), rising


class _Queries(NamedTuple):
    """Windows of azimuth in cells."""

    hit: Indices  # (q,)
    pair: Indices  # (q,)
    centre: Floats  # (q,), on the line
    half: Floats  # (q,)


def segments(hits: Hits, pairs: Indices, windows: Floats) -> Segments:
    """All segments within the windows.

    Args:
        hits: Of any number of events.
        pairs: Inner and outer layer, shape (P, 2).
        windows: Largest abs(dphi/dr) [rad/mm] and abs(z0) [mm], shape (P, 2).
    """
    number = np.unique(pairs)
    rank = np.searchsorted(number, hits.layer).clip(max=len(number) - 1)
    known = np.flatnonzero(number[rank] == hits.layer)
    layers = _Layers(number, *(_extent(values[known], rank[known], len(number)) for values in (hits.r, hits.z)))
    line = _line(hits, layers, known, rank[known])
    queries = _queries(hits, layers, known, pairs, windows)
    first = np.searchsorted(line.key, queries.centre - queries.half)
    count = np.searchsorted(line.key, queries.centre + queries.half) - first
    parts = [
        _within(hits, line, windows, place, queries.hit[query], queries.pair[query])
        for query, place in _ranges(first, count)
    ]
    return Segments(*(np.concatenate(each) for each in zip(*parts)))


def slope_and_z0(hits: Hits, inner: Indices, outer: Indices) -> Floats:
    """dphi/dr [rad/mm] and z0 [mm] of segments, shape (2, E); infinite where dr is 0."""
    dr = hits.r[outer] - hits.r[inner]
    dz = hits.z[outer] - hits.z[inner]
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = np.stack([delta_phi(hits.phi[outer], hits.phi[inner]) / dr, hits.z[inner] - hits.r[inner] * dz / dr])
    return np.where(dr == 0, np.inf, numbers)


def curvature_and_cotangent(hits: Hits, inner: Indices, outer: Indices) -> tuple[Floats, Floats]:
    """Of the helices from the beam line through two hits each: 1 / (2 R) [1/mm] with its sign, and dz by arc length.

    An inscribed angle of a circle is half that at its centre: a chord that is seen under dphi from the beam line has
    the length 2 R sin(dphi), and its arc is 2 R dphi.
    """
    dphi = hits.phi[outer] - hits.phi[inner]
    dphi -= 2 * np.pi * np.round(dphi / (2 * np.pi))
    r1, r2 = hits.r[inner], hits.r[outer]
    chord = np.sqrt((r2 - r1) ** 2 + 4 * r1 * r2 * np.sin(dphi / 2) ** 2)
    cotangent = (hits.z[outer] - hits.z[inner]) * np.sinc(dphi / np.pi) / chord
    return np.sin(dphi) / chord, cotangent


def continuations(hits: Hits, candidates: Segments, bends: Floats) -> tuple[Indices, Indices]:
    """Segments, and those that begin where they end and go on as they do.

    Args:
        hits: Of any number of events.
        candidates: Segments between them.
        bends: As of `are_chained`.

    Returns:
        Indices of segments, and of one behind each, any number of times, shape (c,) each.
    """
    curvature, cotangent = curvature_and_cotangent(hits, candidates.inner, candidates.outer)
    cotangent = cotangent.clip(-_STEEPEST, _STEEPEST)
    stride = 4 * _STEEPEST  # windows wider than the steepest angles are all alike
    key, centre = candidates.inner * stride + cotangent, candidates.outer * stride + cotangent
    order, asked = np.argsort(key), np.argsort(centre)  # both rise: searching one in the other is then fast
    key, centre, half = key[order], centre[asked], bends[candidates.pair[asked], 1].clip(max=_STEEPEST)
    first = np.searchsorted(key, centre - half)
    parts = []
    for query, place in _ranges(first, np.searchsorted(key, centre + half, side="right") - first):
        before, behind = asked[query], order[place]
        alike = np.abs(curvature[behind] - curvature[before]) <= bends[candidates.pair[before], 0]
        parts.append((before[alike], behind[alike]))
    before, behind = (np.concatenate(each) for each in zip(*parts))
    return before, behind


def are_chained(hits: Hits, candidates: Segments, bends: Floats, chain: int) -> NDArray[np.bool_]:
    """Which segments are in a row of segments, each of which goes on as the one before, shape (E,).

    Args:
        hits: Of any number of events.
        candidates: Segments between them.
        bends: Largest change of curvature [1/mm] and of the cotangent from a segment of a pair of layers to the next,
            shape (P, 2).
        chain: Least number of hits in the row.
    """
    before, behind = continuations(hits, candidates, bends)
    inwards, outwards = ([np.ones(len(candidates.inner), np.bool_)] for _ in range(2))  # by so many segments
    for _ in range(chain - 2):
        for reached, one, other in ((inwards, behind, before), (outwards, before, behind)):
            longer = np.zeros(len(candidates.inner), np.bool_)
            longer[one[reached[-1][other]]] = True
            reached.append(longer)
    chained: NDArray[np.bool_] = np.any([a & b for a, b in zip(inwards, reversed(outwards))], axis=0)
    return chained


def _extent(values: Floats, rank: Indices, number: int) -> Floats:
    """Least and largest value of each layer, shape (2, L); a layer without hits has none between them."""
    extent = np.full((2, number), [[np.inf], [-np.inf]])
    np.minimum.at(extent[0], rank, values)
    np.maximum.at(extent[1], rank, values)
    return extent


def _cell(hits: Hits, hit: Indices, layers: _Layers, rank: Indices, part: Indices) -> Floats:
    """Where the cell of a slice of a layer, in the event of a hit, begins on the line."""
    cell = (hits.event[hit] * len(layers.number) + rank) * _SLICES + part
    return cell.astype(np.float64) * _STRIDE


def _line(hits: Hits, layers: _Layers, known: Indices, rank: Indices) -> _Line:
    part = layers.slices(rank, np.where(layers.is_barrel[rank], hits.z[known], hits.r[known]))
    begin, phi = _cell(hits, known, layers, rank, part), hits.phi[known]
    phi = np.concatenate([phi, phi - 2 * np.pi * np.where(phi < 0, -1, 1)])
    key = np.tile(begin, 2) + phi
    order = np.argsort(key)
    hit = np.tile(known, 2)[order]
    return _Line(hit, hits.r[hit], phi[order], hits.z[hit], key[order])


def _queries(hits: Hits, layers: _Layers, known: Indices, pairs: Indices, windows: Floats) -> _Queries:
    """The window of each hit and each pair of layers that begins at its layer, in each slice that it reaches."""
    by_inner = np.argsort(pairs[:, 0], kind="stable")
    starts = pairs[by_inner, 0]
    first = np.searchsorted(starts, hits.layer[known])
    which, place = _expanded(first, np.searchsorted(starts, hits.layer[known], side="right") - first)
    hit, pair = known[which], by_inner[place]
    rank = np.searchsorted(layers.number, pairs[:, 1])[pair]
    near, far, along = _reached(hits, hit, windows[pair, 1], layers, rank)
    lowest, highest = (layers.slices(rank, end) for end in along)
    inside = (along[0] <= along[1]) & (near <= far)
    query, part = _expanded(lowest, np.where(inside, highest - lowest + 1, 0))
    hit, pair = hit[query], pair[query]
    half = windows[pair, 0] * np.maximum(np.abs(near[query] - hits.r[hit]), np.abs(far[query] - hits.r[hit]))
    centre = _cell(hits, hit, layers, rank[query], part) + hits.phi[hit]
    order = np.argsort(centre)
    return _Queries(hit[order], pair[order], centre[order], (half[order] + _MARGIN).clip(max=_HALF_TURN))


def _reached(
    hits: Hits, hit: Indices, z0: Floats, layers: _Layers, rank: Indices
) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
    """Where lines from each hit that meet the beam line within z0 reach a layer.

    Returns:
        Least and largest r, and the least and the largest coordinate by which the layer is sliced [mm].
    """
    r, z = hits.r[hit], hits.z[hit]
    levers = z - z0, z + z0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = [r + r * (end - z) / lever for end in layers.z[:, rank] for lever in levers]
    is_bounded = levers[0] * levers[1] > 0
    near = np.where(is_bounded, np.min(crossing, axis=0) - _MARGIN, -np.inf).clip(min=layers.r[0, rank])
    far = np.where(is_bounded, np.max(crossing, axis=0) + _MARGIN, np.inf).clip(max=layers.r[1, rank])
    height = [z + lever * (end - r) / r for end in (near, far) for lever in levers]
    lowest = (np.min(height, axis=0) - _MARGIN).clip(min=layers.z[0, rank])
    highest = (np.max(height, axis=0) + _MARGIN).clip(max=layers.z[1, rank])
    is_barrel = layers.is_barrel[rank]
    return near, far, (np.where(is_barrel, lowest, near), np.where(is_barrel, highest, far))


def _within(hits: Hits, line: _Line, windows: Floats, place: Indices, inner: Indices, pair: Indices) -> Segments:
    """Of candidates, whose outer hits are places on the line, those within their windows."""
    r = hits.r[inner]
    dr = line.r[place] - r
    offset = hits.z[inner] * dr - r * (line.z[place] - hits.z[inner])
    near = np.flatnonzero((np.abs(offset) <= windows[pair, 1] * np.abs(dr)) & (dr != 0))
    inner, place, pair = inner[near], place[near], pair[near]
    near = np.abs(line.phi[place] - hits.phi[inner]) <= windows[pair, 0] * np.abs(dr[near])
    return Segments(inner[near], line.hit[place[near]], pair[near])


def _ranges(first: Indices, number: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Ranges of places, a chunk at a time: index of the range, and place in it; at least one chunk."""
    ends = np.cumsum(number)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(_CHUNK, total + _CHUNK, _CHUNK), side="left") + 1
    start = 0
    for stop in [*np.unique(cuts.clip(max=len(number))), len(number)] if total else [0]:
        which, place = _expanded(first[start:stop], number[start:stop])
        yield which + start, place
        start = int(stop)


def _expanded(first: Indices, number: Indices) -> tuple[Indices, Indices]:
    """Index of each range, and place in it, for ranges one after the other."""
    which = np.repeat(np.arange(len(number)), number)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(number) - number - first, number)
