"""How many particles were found as tracks, and how many tracks are fake or double, by any definition of a match.

Rates are Wilson's (`statistics.proportion`), and undefined where there is nothing of which they are the part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.track_matching import Match, TrackMatches, acts_double_match, flat_columns, pair_numbers
from cortado.statistics import Estimate, proportion

__all__ = [
    "TrackClasses",
    "TrackFinding",
    "classify_tracks",
    "matched_particles",
    "reconstructed_particles",
    "sum_findings",
    "track_finding",
]

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


class TrackClasses(NamedTuple):
    """What each track is; one of the four is True, each of shape (t,)."""

    matched: Bools  # to a selected particle, the best of those that are
    duplicate: Bools  # matched to a selected particle that has a better track
    fake: Bools  # not matched, with most hits from a selected particle, or of noise alone
    outside: Bools  # most hits are of a particle that is not selected: neither matched nor fake, as ACTS counts


class TrackFinding(NamedTuple):
    """Numbers of particles and tracks, which can be summed over batches (`sum_findings`), and their rates."""

    particles: int  # selected
    reconstructed: int  # of them with one matched track or more
    tracks: int  # all of them
    matched: int
    duplicates: int
    fakes: int
    outside: int

    @property
    def efficiency(self) -> Estimate:
        """Selected particles that were found, of all selected ones."""
        return _part(self.reconstructed, self.particles)

    @property
    def fake_rate(self) -> Estimate:
        """Fakes of all tracks, also of those outside of the selection: ACTS' summary; undefined without any track."""
        return _part(self.fakes, self.tracks)

    @property
    def fake_rate_inside(self) -> Estimate:
        """Fakes of the tracks that are not outside of the selection: ACTS' histograms."""
        return _part(self.fakes, self.tracks - self.outside)

    @property
    def duplicate_rate(self) -> Estimate:
        """Duplicates of all tracks; undefined without any track."""
        return _part(self.duplicates, self.tracks)

    @property
    def matched_rate_inside(self) -> Estimate:
        """Matched tracks with duplicates, of those not outside of the selection: gnn_tracking's "LHC" efficiency."""
        return _part(self.matched + self.duplicates, self.tracks - self.outside)

    def __str__(self) -> str:
        """In one line, which says it if no track was found."""
        of = f"efficiency {self.efficiency} ({self.reconstructed} of {self.particles} particles)"
        if not self.tracks:
            return f"no track was found: {of}, fakes and duplicates undefined"
        rates = f"fakes {self.fake_rate}, duplicates {self.duplicate_rate} of {self.tracks} tracks"
        return f"{of}, {rates}, {self.outside} of them of particles outside of the selection"


def reconstructed_particles(tracks: TrackMatches, particles: ak.Array, match: Match = acts_double_match) -> ak.Array:
    """Whether particles have a track that matches them, shape (n, var).

    Args:
        tracks: From `match_tracks`, of the same events.
        particles: With `particle_id`, shape (n, var).
        match: The definition.
    Raises:
        ValueError: If there are tracks of events that have no list of particles.
    """
    good = match(tracks)
    (chosen, known), counts = _together(tracks, particles)
    return ak.unflatten(np.isin(known, chosen[good]), counts)


def matched_particles(tracks: TrackMatches, particles: ak.Array) -> Integers:
    """Index, among all particles of the events, of the particle with most of the hits of each track, shape (t,).

    -1 for tracks of noise, and of particles that are not in the list.

    Args:
        tracks: From `match_tracks`, of the same events.
        particles: With `particle_id`, shape (n, var).
    Raises:
        ValueError: If there are tracks of events that have no list of particles.
    """
    (of_track, known), _ = _together(tracks, particles)
    place = np.full(max(of_track.max(initial=-1), known.max(initial=-1)) + 1, -1)
    place[known] = np.arange(len(known))
    return np.where(tracks.particle_id == 0, -1, place[of_track])


def classify_tracks(
    tracks: TrackMatches, particles: ak.Array, selected: ArrayLike, match: Match = acts_double_match
) -> TrackClasses:
    """What each track is, with respect to a selection of particles.

    ACTS leaves tracks of noise alone out, as its simulation has none; here they are fakes.

    Args:
        tracks: From `match_tracks`, of the same events.
        particles: With `particle_id`, shape (n, var).
        selected: Whether a particle is one to be found (`reconstructable`), shape (n, var).
        match: The definition.
    Raises:
        ValueError: If particles and selection are not of one shape, or not of the events of the tracks.
    """
    (of_track, known), counts = _together(tracks, particles)
    inside = np.isin(of_track, known[_selection(selected, counts)])
    good = match(tracks) & inside
    order = np.lexsort((tracks.label, tracks.hits, -tracks.shared, of_track))
    order = order[good[order]]
    best = np.zeros(len(good), dtype=np.bool_)
    best[order[np.unique(of_track[order], return_index=True)[1]]] = True
    nobody = tracks.particle_id == 0
    return TrackClasses(best, good & ~best, (inside & ~good) | nobody, ~inside & ~nobody)


def track_finding(
    tracks: TrackMatches, particles: ak.Array, selected: ArrayLike, match: Match = acts_double_match
) -> TrackFinding:
    """Efficiency, fakes and duplicates of events, with respect to a selection of particles.

    Args:
        tracks: From `match_tracks`, of the same events.
        particles: With `particle_id`, shape (n, var).
        selected: Whether a particle is one to be found (`reconstructable`), shape (n, var).
        match: The definition.
    Raises:
        ValueError: As `classify_tracks`.
    """
    classes = classify_tracks(tracks, particles, selected, match)
    chosen = ak.Array(selected)
    reconstructed = int(ak.sum(reconstructed_particles(tracks, particles, match) & chosen))
    return TrackFinding(
        int(ak.sum(chosen)), reconstructed, len(tracks.event), *(int(column.sum()) for column in classes)
    )


def sum_findings(findings: Iterable[TrackFinding]) -> TrackFinding:
    """Of all events of several batches.

    Args:
        findings: Of each batch.
    """
    return TrackFinding(*(sum(numbers) for numbers in zip(*findings, (0,) * 7)))


def _part(inside: int, total: int) -> Estimate:
    return proportion(inside, total - inside, inside, total - inside)


def _together(tracks: TrackMatches, particles: ak.Array) -> tuple[tuple[Integers, Integers], Integers]:
    """One number for each (event, particle), of the tracks and of the particles; number of particles of each event."""
    event, counts, (identifier,) = flat_columns(particle_id=particles["particle_id"])
    if len(tracks.event) and tracks.event.max() >= len(counts):
        raise ValueError(f"a track is of event {tracks.event.max()}, but particles are of {len(counts)} events")
    events = np.concatenate([tracks.event, event])
    _, place = pair_numbers(events, np.concatenate([tracks.particle_id, identifier]))
    return (place[: len(tracks.event)], place[len(tracks.event) :]), counts


def _selection(selected: ArrayLike, counts: Integers) -> Bools:
    array = ak.Array(selected)
    number = ak.to_numpy(ak.num(array)).astype(np.int64) if array.ndim == 2 else None
    if number is None or not np.array_equal(number, counts):
        raise ValueError(f"selected must be one boolean for each particle, got {ak.type(array)!s:.60}")
    return np.asarray(ak.to_numpy(ak.flatten(array)), dtype=np.bool_)
