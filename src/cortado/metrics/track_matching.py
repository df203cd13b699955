"""Which particles were found as tracks, by every definition in use, and how many tracks are fake or double.

A track and a particle are compared by the hits that they share. Of a track counts the particle with most of its hits
(of two with as many, the one of the lower identifier); hits of no particle (identifier 0, noise) count for the length
of a track, but are nobody's. The particle's hits are all those of its event, so labels must be given for whole events:
then no number depends on the division into batches, and none on sectors once their labels are joined.

=======================  =========================================================================================
`double_majority`        > 1/2 of the track's hits and > 1/2 of the particle's, strict: TrackML's rule
`acts_double_match`      >= 1/2 of both: ACTS' rule, which a track of two halves passes
`lhc_match`              > 3/4 of the track's hits, whatever part of the particle's: "LHC" in the literature
`perfect_match`          all hits of the track, and all of the particle
=======================  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Match",
    "TrackMatches",
    "acts_double_match",
    "double_majority",
    "flat_columns",
    "lhc_match",
    "match_tracks",
    "pair_numbers",
    "perfect_match",
    "trackml_scores",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


class TrackMatches(NamedTuple):
    """Tracks, ordered by event and label, and the particle with most of their hits; each array of shape (t,)."""

    event: Integers
    label: Integers
    hits: Integers  # of the track
    particle_id: Integers  # 0 for a track of noise alone
    shared: Integers  # hits of the track that are of this particle
    particle_hits: Integers  # of the particle, in the whole event
    shared_weight: Floats  # weight of the shared hits; NaN without weights


Match = Callable[[TrackMatches], Bools]
"""Which tracks match the particle with most of their hits, shape (t,)."""


def match_tracks(label: ArrayLike, particle_id: ArrayLike, weight: ArrayLike | None = None) -> TrackMatches:
    """Compare the tracks of events with the true particles, hit by hit.

    Args:
        label: Track of each hit, negative for none, shape (n, var).
        particle_id: True particle of each hit, 0 for noise, shape (n, var).
        weight: TrackML's weight of each hit, shape (n, var).
    Raises:
        ValueError: If these are not of the same hits; labels or identifiers are no integers; or a weight is negative
            or not finite.
    """
    event, _, (track, particle) = flat_columns(label=label, particle_id=particle_id)
    weights = np.full(len(event), np.nan) if weight is None else _weights(weight, label)
    on = track >= 0
    track_keys, of_track = pair_numbers(event[on], track[on])
    particle_keys, of_particle = pair_numbers(event, particle)
    real = particle[on] != 0
    shares, place = np.unique(of_track[real] * len(particle_keys[0]) + of_particle[on][real], return_inverse=True)
    owner, other = np.divmod(shares, max(len(particle_keys[0]), 1))
    number = np.bincount(place, minlength=len(shares))
    total = np.bincount(place, weights[on][real], minlength=len(shares))
    order = np.lexsort((other, -number, owner))  # identifiers ascend with `other` in an event
    best = order[np.unique(owner[order], return_index=True)[1]]

    def of_best(values: NDArray[Any]) -> NDArray[Any]:
        column = np.zeros(len(track_keys[0]), dtype=values.dtype)
        column[owner[best]] = values[best]
        return column

    in_event = np.bincount(of_particle, minlength=len(particle_keys[0]))
    return TrackMatches(
        *track_keys,
        np.bincount(of_track, minlength=len(track_keys[0])),
        of_best(particle_keys[1][other]),
        of_best(number),
        of_best(in_event[other]),
        of_best(total) if weight is not None else np.full(len(track_keys[0]), np.nan),
    )


def double_majority(tracks: TrackMatches) -> Bools:
    """More than half of the hits of the track, and of those of the particle, are shared, shape (t,).

    Args:
        tracks: From `match_tracks`.
    References:
        Amrouche et al., The Tracking Machine Learning Challenge: Accuracy Phase (2019), arXiv:1904.06778, section 4.
    """
    return (2 * tracks.shared > tracks.hits) & (2 * tracks.shared > tracks.particle_hits)


def acts_double_match(tracks: TrackMatches) -> Bools:
    """Half or more of the hits of the track, and of those of the particle, are shared, shape (t,).

    Args:
        tracks: From `match_tracks`.
    References:
        Ai et al., A Common Tracking Software Project (2021), arXiv:2106.13593; doubleMatching of TrackTruthMatcher.
    """
    some = tracks.shared > 0
    return np.asarray(some & (2 * tracks.shared >= tracks.hits) & (2 * tracks.shared >= tracks.particle_hits))


def lhc_match(tracks: TrackMatches) -> Bools:
    """More than three quarters of the hits of the track are of one particle, shape (t,).

    Args:
        tracks: From `match_tracks`.
    """
    return 4 * tracks.shared > 3 * tracks.hits


def perfect_match(tracks: TrackMatches) -> Bools:
    """The track has all hits of the particle and no other, shape (t,).

    Args:
        tracks: From `match_tracks`.
    """
    return np.asarray((tracks.shared == tracks.hits) & (tracks.shared == tracks.particle_hits))


def trackml_scores(label: ArrayLike, particle_id: ArrayLike, weight: ArrayLike) -> Floats:
    """TrackML score of each event: weight of the hits that double-majority tracks share, of the whole, shape (n,).

    NaN for an event without weight.

    Args:
        label: Track of each hit, negative for none, shape (n, var).
        particle_id: True particle of each hit, 0 for noise, shape (n, var).
        weight: Of each hit, 0 for noise, shape (n, var).
    Raises:
        ValueError: As `match_tracks`.
    References:
        Amrouche et al., The Tracking Machine Learning Challenge: Accuracy Phase (2019), arXiv:1904.06778, section 4.
    """
    tracks = match_tracks(label, particle_id, weight)
    total = ak.to_numpy(ak.sum(ak.Array(weight), axis=1)).astype(np.float64)
    good = double_majority(tracks)
    score = np.bincount(tracks.event[good], tracks.shared_weight[good], minlength=len(total))
    return np.asarray(np.divide(score, total, out=np.full(len(total), np.nan), where=total > 0))


def flat_columns(**columns: ArrayLike) -> tuple[Integers, Integers, list[Integers]]:
    """Event of each entry, shape (h,), number of entries of each event, shape (n,), and the flat columns.

    Args:
        columns: Integers by the name that messages say, shape (n, var) each.
    Raises:
        ValueError: If these are no integers, or not of the same entries.
    """
    arrays = {name: ak.Array(values) for name, values in columns.items()}
    counts = _same_counts(arrays)
    flat = []
    for name, array in arrays.items():
        values = ak.to_numpy(ak.flatten(array))
        if len(values) and not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"{name} must be integers, got {values.dtype}")
        flat.append(values.astype(np.int64))
    return np.repeat(np.arange(len(counts)), counts), counts, flat


def pair_numbers(event: Integers, identifier: Integers) -> tuple[tuple[Integers, Integers], Integers]:
    """Different pairs of event and identifier, ordered, shape (k,) each, and which of them each entry has, shape (h,).

    Args:
        event: Of each entry, shape (h,).
        identifier: Any integers, shape (h,).
    """
    names, code = np.unique(identifier, return_inverse=True)
    keys, place = np.unique(event * max(len(names), 1) + code, return_inverse=True)
    of_event, of_name = np.divmod(keys, max(len(names), 1))
    return (of_event, names[of_name] if len(names) else of_name), place


def _same_counts(arrays: dict[str, ak.Array]) -> Integers:
    """Number of entries of each event, the same of all arrays."""
    (first, reference), *others = arrays.items()
    for name, array in arrays.items():
        if array.ndim != 2:
            raise ValueError(f"{name} must have one list for each event, shape (n, var), got {ak.type(array)!s:.60}")
    counts = np.asarray(ak.to_numpy(ak.num(reference)), dtype=np.int64)
    for name, array in others:
        number = ak.to_numpy(ak.num(array)).astype(np.int64)
        if len(number) != len(counts):
            raise ValueError(f"{first} is of {len(counts)} events, {name} of {len(number)}; they must be the same")
        if len(wrong := np.flatnonzero(number != counts)):
            at = wrong[0]
            raise ValueError(f"event {at} has {counts[at]} entries of {first} and {number[at]} of {name}")
    return counts


def _weights(weight: ArrayLike, label: ArrayLike) -> Floats:
    array = ak.Array(weight)
    _same_counts({"label": ak.Array(label), "weight": array})
    weights = np.asarray(ak.to_numpy(ak.flatten(array)), dtype=np.float64)
    if len(bad := np.flatnonzero(~(weights >= 0) | np.isinf(weights))):
        raise ValueError(f"the weight of hit {bad[0]} is {weights[bad[0]]}, must be 0 or more")
    return weights
