"""A classical track finder of our own: seeds, a Kalman filter outwards, and greedy ambiguity solving, in numpy.

It is plain: one hypothesis of each seed (no combinatorial branches), hits outwards of the seed only, layers as ideal
cylinders and discs, multiple scattering of one thickness, no energy loss. Where `acts` can be installed, its
combinatorial Kalman filter is the rival to beat; this one needs nothing but numpy and scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.reconstruction.ambiguity import solve_ambiguities
from cortado.reconstruction.detector_layers import Layer
from cortado.reconstruction.following import FollowCuts, follow, start
from cortado.reconstruction.helix_distance import HitErrors, of_hits
from cortado.reconstruction.hit_columns import hit_points, in_blocks
from cortado.reconstruction.seeding import DetectorHits, SeedCuts, triplets

__all__ = ["SeedAndFollow", "seed_and_follow"]

Integers = NDArray[np.int64]


_SEEDS, _FOLLOWING = SeedCuts(), FollowCuts()


@dataclass(frozen=True, kw_only=True)
class SeedAndFollow:
    """Where to seed and how to follow.

    Attributes:
        layers: From `detector_layers`.
        triplets: Numbers of layers to seed from, one after the other, each on the hits that are left: from
            `common_triplets`.
        magnetic_field: Along z [T].
        seeds: Cuts on seeds.
        following: Cuts on the way outwards.
        min_hits: Hits that a track must have.
        max_shared: Hits of better tracks that a candidate may have, which it loses.
        hits_at_once: Events are taken together up to this number of hits, which bounds memory.
    """

    layers: tuple[Layer, ...]
    triplets: tuple[tuple[int, int, int], ...]
    magnetic_field: float
    seeds: SeedCuts = _SEEDS
    following: FollowCuts = _FOLLOWING
    min_hits: int = 6
    max_shared: int = 2
    hits_at_once: int = 100_000

    def __post_init__(self) -> None:
        numbers = [layer.number for layer in self.layers]
        if unknown := sorted({number for triplet in self.triplets for number in triplet} - set(numbers)):
            raise ValueError(f"triplets are of the layers {unknown}, which are not among {sorted(numbers)}")
        if self.magnetic_field == 0:
            raise ValueError("seed_and_follow needs a magnetic field other than 0")


def seed_and_follow(
    hits: ak.Array, settings: SeedAndFollow, errors: HitErrors | Callable[[ak.Array], HitErrors]
) -> ak.Array:
    """Find tracks.

    Args:
        hits: Hits of events with x, y, z [mm] and layer, shape (n, var); those on unknown layers are not used.
        settings: Where to seed and how to follow.
        errors: Of the hits: numbers, or a function of the flat hits that gives one for each.
    Returns:
        Track of each hit, -1 for none, shape (n, var): from 0 on in each event, in the order of their first hits.
    Raises:
        ValueError: If hits are not of shape (n, var), or a position is not finite.
    """
    find = partial(_components, settings=settings, errors=errors)
    return in_blocks(hits, find, "seed_and_follow", hits_at_once=settings.hits_at_once, min_hits=settings.min_hits)


def _components(
    hits: ak.Array, settings: SeedAndFollow, errors: HitErrors | Callable[[ak.Array], HitErrors]
) -> Integers:
    """For each hit the first hit of its track, itself if it is of none, shape (h,)."""
    flat = detector_hits(hits, settings.layers)
    given = errors(ak.flatten(hits)) if callable(errors) else errors
    each = of_hits(given, flat.layer >= -1, len(flat.event))
    free, component = flat.layer >= 0, np.arange(len(flat.event))
    index = {layer.number: place for place, layer in enumerate(settings.layers)}
    for a, b, c in settings.triplets:
        at = (index[a], index[b], index[c])
        three = (settings.layers[at[0]], settings.layers[at[1]], settings.layers[at[2]])
        seeds = triplets(flat, free, three, at, settings.seeds, settings.magnetic_field)
        if not len(seeds):
            continue
        cuts = (settings.seeds, settings.following)
        begun = start(seeds, flat, each, settings.layers, cuts, settings.magnetic_field)
        grown = follow(begun, flat, free, each, settings.layers, settings.following, settings.magnetic_field)
        owner = solve_ambiguities(
            grown.hits, grown.chi2, len(free), min_hits=settings.min_hits, max_shared=settings.max_shared
        )
        on = np.flatnonzero(owner >= 0)
        _, lead, of_track = np.unique(owner[on], return_index=True, return_inverse=True)
        component[on], free[on] = on[lead][of_track], False
    return component


def detector_hits(hits: ak.Array, layers: tuple[Layer, ...]) -> DetectorHits:
    """All hits of the events (n,) in a row, each with its event and its place among the layers: -1, in none of them.

    Raises:
        ValueError: If a position is not finite.
    """
    points, number = hit_points(hits), ak.to_numpy(ak.flatten(hits["layer"])).astype(np.int64)
    if len(bad := np.flatnonzero(~np.isfinite(points).all(axis=1))):
        raise ValueError(f"the position of hit {bad[0]} is {points[bad[0]].tolist()}, must be finite")
    order = np.argsort([layer.number for layer in layers])
    known = np.array([layers[i].number for i in order])
    place = np.minimum(np.searchsorted(known, number), len(known) - 1)
    layer = np.where(known[place] == number, order[place], -1)
    disc, position = (
        np.array(column)[layer] for column in ([each.disc for each in layers], [each.position for each in layers])
    )
    factor = np.where(disc, 1.0, position / np.maximum(np.hypot(points[:, 0], points[:, 1]), 1e-9))
    on_layer = np.stack([*(points[:, :2] * factor[:, np.newaxis]).T, np.where(disc, position, points[:, 2])], axis=-1)
    event = np.repeat(np.arange(len(hits)), ak.to_numpy(ak.num(hits)))
    return DetectorHits(points, on_layer, layer, event)
