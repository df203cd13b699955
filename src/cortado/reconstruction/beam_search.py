"""Tracks by a network that follows: from seeds outwards, all at once, several branches of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.reconstruction.ambiguity import solve_ambiguities
from cortado.reconstruction.detector_layers import Layer
from cortado.reconstruction.hit_columns import in_blocks
from cortado.reconstruction.seed_and_follow import detector_hits
from cortado.reconstruction.seeding import DetectorHits, SeedCuts, neighbours, triplets

__all__ = ["BeamSearch", "Predict", "beam_search", "layer_transitions"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

Predict = Callable[[NDArray[np.float32], Bools], NDArray[np.float32]]
"""Hits (m, p, 3) [mm] and mask (m, p) -> what is said of the hit after each, (m, p, 5).

Azimuth [rad], z [mm], logarithms of the standard deviations across, radius times azimuth, and along z [mm], and their
correlation. Of the hit after it, only the radius may be used.
"""

_ROWS = 8192  # sequences that the network is shown at once
_LEAST_SLACK = 1e-4


@dataclass(frozen=True, kw_only=True)
class BeamSearch:
    """Where to seed and how to follow.

    Attributes:
        layers: From `detector_layers`.
        triplets: Numbers of layers to seed from, one after the other, each on the hits that are left: from
            `common_triplets`.
        transitions: From `layer_transitions`.
        magnetic_field: Along z [T], for seeds.
        seeds: Cuts on seeds.
        beam: Branches of a seed that are followed.
        max_chi2: Of one hit, which has two coordinates.
        window: Around the expected place in which hits are looked for [mm].
        neighbours: Hits in the window that are tried, the nearest first.
        margin: By which a layer is taken to be longer at its ends [mm].
        min_hits: Hits that a track must have.
        max_hits: Hits after which following ends.
        max_shared: Hits of better tracks that a candidate may have, which it loses.
        hits_at_once: Events are taken together up to this number of hits, which bounds memory.
    """

    layers: tuple[Layer, ...]
    triplets: tuple[tuple[int, int, int], ...]
    transitions: tuple[tuple[int, int, float], ...]
    magnetic_field: float
    seeds: SeedCuts = field(default_factory=SeedCuts)
    beam: int = 2
    max_chi2: float = 20.0
    window: float = 15.0
    neighbours: int = 3
    margin: float = 5.0
    min_hits: int = 6
    max_hits: int = 24
    max_shared: int = 2
    hits_at_once: int = 20_000

    def __post_init__(self) -> None:
        numbers = {layer.number for layer in self.layers}
        named = {number for triplet in self.triplets for number in triplet}
        if unknown := sorted((named | {number for a, b, _ in self.transitions for number in (a, b)}) - numbers):
            raise ValueError(f"triplets and transitions are of the layers {unknown}, not among {sorted(numbers)}")
        if not self.transitions:
            raise ValueError("BeamSearch needs transitions from layer to layer, from `layer_transitions`")
        if self.beam < 1:
            raise ValueError(f"BeamSearch: beam must be at least 1, got {self.beam}")


class Branches(NamedTuple):
    """Beginnings of tracks.

    Attributes:
        hits: Index of each hit, -1 after the last, shape (b, max_hits).
        length: Number of hits, shape (b,).
        cost: Sum of chi2 and of -2 ln of the shares of the transitions, shape (b,).
        seed: Index of the seed, shape (b,).
    """

    hits: Integers
    length: Integers
    cost: Floats
    seed: Integers

    def take(self, chosen: Integers | Bools) -> Branches:
        """Some of them."""
        hits, length, cost, seed = self
        return Branches(hits[chosen], length[chosen], cost[chosen], seed[chosen])


class _Search(NamedTuple):
    """What stays the same while branches grow."""

    hits: DetectorHits
    free: Bools
    settings: BeamSearch
    predict: Predict
    onward: tuple[Integers, Integers, Floats]  # layers after each, in a row; where those of each layer begin; cost


def layer_transitions(particles: ak.Array, *, least: float = 0.01) -> tuple[tuple[int, int, float], ...]:
    """Layers that come after each layer, with their share among all, from true particles.

    Args:
        particles: With `hits` ordered along the path, which have a layer, shape (n, var) or (n,); select first those
            that are to be found.
        least: Share below which a transition is left out.
    Raises:
        ValueError: If no particle has hits on two layers.
    """
    layers = ak.flatten(particles["hits"]["layer"]) if particles.ndim == 2 else particles["hits"]["layer"]
    before, after = (ak.to_numpy(ak.flatten(part)).astype(np.int64) for part in (layers[:, :-1], layers[:, 1:]))
    if not np.any(before != after):
        raise ValueError("no particle has hits on two layers, from which transitions could be learned")
    pairs, number = np.unique(np.stack([before, after])[:, before != after], axis=1, return_counts=True)
    total = np.bincount(pairs[0] - pairs[0].min(), number)[pairs[0] - pairs[0].min()]
    kept = number >= least * total
    return tuple((int(a), int(b), float(share)) for a, b, share in zip(*pairs[:, kept], (number / total)[kept]))


def beam_search(hits: ak.Array, settings: BeamSearch, predict: Predict) -> ak.Array:
    """Find tracks.

    From each seed the network says where the next hit is on each layer that may come next; hits near there are tried,
    and those of low chi2 make branches, of which the cheapest are followed. At the end, greedily, candidates of most
    hits take theirs. Layers may be missed as far as `transitions` have it.

    Args:
        hits: Hits of events with x, y, z [mm] and layer, shape (n, var); those on unknown layers are not used.
        settings: Where to seed and how to follow.
        predict: The network.
    Returns:
        Track of each hit, -1 for none, shape (n, var): from 0 on in each event, in the order of their first hits.
    Raises:
        ValueError: If hits are not of shape (n, var), or a position is not finite.
    """
    find = partial(_components, settings=settings, predict=predict)
    return in_blocks(hits, find, "beam_search", hits_at_once=settings.hits_at_once, min_hits=settings.min_hits)


def _components(hits: ak.Array, settings: BeamSearch, predict: Predict) -> Integers:
    """For each hit the first hit of its track, itself if it is of none, shape (h,)."""
    flat = detector_hits(hits, settings.layers)
    free, component = flat.layer >= 0, np.arange(len(flat.event))
    search = _Search(flat, free, settings, predict, _onward(settings))
    index = {layer.number: place for place, layer in enumerate(settings.layers)}
    for triplet in settings.triplets:
        a, b, c = (index[number] for number in triplet)
        three = (settings.layers[a], settings.layers[b], settings.layers[c])
        seeds = triplets(flat, free, three, (a, b, c), settings.seeds, settings.magnetic_field)
        grown = _grown(_begun(seeds, settings), search)
        owner = solve_ambiguities(
            grown.hits, grown.cost, len(free), min_hits=settings.min_hits, max_shared=settings.max_shared
        )
        on = np.flatnonzero(owner >= 0)
        _, lead, of_track = np.unique(owner[on], return_index=True, return_inverse=True)
        component[on], free[on] = on[lead][of_track], False
    return component


def _onward(settings: BeamSearch) -> tuple[Integers, Integers, Floats]:
    index = {layer.number: place for place, layer in enumerate(settings.layers)}
    rows = np.array([(index[a], index[b], -2 * np.log(share)) for a, b, share in settings.transitions])
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    begin = np.searchsorted(rows[:, 0], np.arange(len(settings.layers) + 1))
    return rows[:, 1].astype(np.int64), begin, rows[:, 2]


def _begun(seeds: Integers, settings: BeamSearch) -> Branches:
    hits = np.full((len(seeds), settings.max_hits), -1, dtype=np.int64)
    hits[:, :3] = seeds
    return Branches(hits, np.full(len(seeds), 3), np.zeros(len(seeds)), np.arange(len(seeds)))


def _grown(branches: Branches, search: _Search) -> Branches:
    """Branches that have come to their ends."""
    ended = [branches.take(np.zeros(0, dtype=np.int64))]
    while len(branches.length):
        longer, went_on = _longer(branches, search)
        ended.append(branches.take(~went_on))
        full = longer.length == search.settings.max_hits
        ended.append(longer.take(full))
        branches = longer.take(~full)
    return Branches(*(np.concatenate(columns) for columns in zip(*ended)))


def _longer(branches: Branches, search: _Search) -> tuple[Branches, Bools]:
    """Branches with one hit more, the cheapest of each seed; and which of the given ones are among their stems."""
    hits, settings = search.hits, search.settings
    stem, layer, cost, expected = _expected(branches, search)
    last = branches.hits[stem, branches.length[stem] - 1]
    usable = np.flatnonzero(search.free & np.isin(hits.layer, layer))
    number = len(settings.layers)
    own, wanted = hits.event[usable] * number + hits.layer[usable], hits.event[last] * number + layer
    row, place = neighbours(hits.on_layer[usable], own, expected, wanted, settings.window, settings.neighbours)
    hit, stem, cost = usable[place], stem[row], cost[row]
    radius = np.hypot(hits.points[hit, 0], hits.points[hit, 1])
    chi2 = _chi2(_said(branches, stem, radius, search), hits.points[hit], radius)
    good = chi2 < settings.max_chi2
    hit, stem, cost = hit[good], stem[good], branches.cost[stem[good]] + (cost + chi2)[good]
    longer = branches.take(stem)
    longer.hits[np.arange(len(stem)), longer.length] = hit
    longer = longer._replace(length=longer.length + 1, cost=cost)
    went_on = np.zeros(len(branches.length), dtype=np.bool_)
    went_on[stem] = True
    return longer.take(_cheapest(longer, settings.beam)), went_on


def _expected(branches: Branches, search: _Search) -> tuple[Integers, Integers, Floats, Floats]:
    """Branch, layer, cost of the transition, and place on the layer, of all that may come next; shape (q, ...)."""
    after, begin, cost = search.onward
    points, settings = search.hits.points, search.settings
    last = branches.hits[np.arange(len(branches.length)), branches.length - 1]
    now = search.hits.layer[last]
    many = begin[now + 1] - begin[now]
    stem = np.repeat(np.arange(len(now)), many)
    way = np.arange(many.sum()) + np.repeat(begin[now] - np.cumsum(many) + many, many)
    layer = after[way]
    disc, position, low, high = (np.array([each[i] for each in settings.layers])[layer] for i in range(1, 5))
    (r0, z0), (r1, z1) = (
        (np.hypot(*points[index][:, :2].T), points[index][:, 2]) for index in (branches.hits[stem, 0], last[stem])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        along = r1 + (position - z1) * (r1 - r0) / (z1 - z0)
    radius = np.nan_to_num(np.where(disc, along, position), nan=0.0, posinf=0.0, neginf=0.0)
    there = (radius > low - settings.margin) & (radius < high + settings.margin) | ~disc
    stem, way, layer, radius = stem[there], way[there], layer[there], radius[there]
    disc, position, low, high = disc[there], position[there], low[there], high[there]
    said = _said(branches, stem, radius, search)
    phi, z = said[:, 0], np.where(disc, position, said[:, 1])
    there = disc | ((z > low - settings.margin) & (z < high + settings.margin))
    place = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=-1)
    return stem[there], layer[there], cost[way[there]], place[there]


def _said(branches: Branches, stem: Integers, radius: Floats, search: _Search) -> Floats:
    """What the network says of the hits of branches at the next radius, shape (q, 5)."""
    said = np.zeros((len(stem), 5))
    for begin in range(0, len(stem), _ROWS):
        part = slice(begin, begin + _ROWS)
        rows, length = np.arange(len(stem[part])), branches.length[stem[part]]
        index = branches.hits[stem[part], : int(length.max()) + 1]
        mask = np.arange(index.shape[1]) <= length[:, np.newaxis]
        sequence = np.where((index >= 0)[..., np.newaxis], search.hits.points[index], 0.0)
        sequence[rows, length, 0] = radius[part]
        said[part] = search.predict(sequence.astype(np.float32), mask)[rows, length - 1]
    return said


def _chi2(said: Floats, points: Floats, radius: Floats) -> Floats:
    phi, z, *log_widths, correlation = said.T
    turn = (np.arctan2(points[:, 1], points[:, 0]) - phi + np.pi) % (2 * np.pi) - np.pi
    across, along = radius * turn / np.exp(log_widths[0]), (points[:, 2] - z) / np.exp(log_widths[1])
    slack = np.maximum(1 - correlation**2, _LEAST_SLACK)
    return np.asarray((across**2 - 2 * correlation * across * along + along**2) / slack)


def _cheapest(branches: Branches, beam: int) -> Integers:
    """The `beam` cheapest of each seed."""
    order = np.lexsort((branches.cost, branches.seed))
    seed = branches.seed[order]
    rank = np.arange(len(seed)) - np.searchsorted(seed, seed)
    return order[rank < beam]
