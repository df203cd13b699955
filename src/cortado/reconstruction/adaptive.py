"""Adaptive vertex reconstruction (AVR): robust fits with soft weights, repeated on the tracks that are left over.

The classical rival of networks that find vertices. Tracks of large final weight in an adaptive fit (see `annealing`)
make the vertex and are taken out, and the next is sought among the others, until no two tracks agree. All jets run in
parallel.

References:
    Waltenberger, Adaptive Vertex Reconstruction, CMS NOTE-2008/033.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.reconstruction.annealing import TEMPERATURES, annealed, seeds
from cortado.reconstruction.matrices import inverse
from cortado.reconstruction.priors import Constraint, Prior, constraint
from cortado.reconstruction.tracks import Resolution, flat_tracks

__all__ = ["AdaptiveCuts", "Tuning", "find_vertices", "tune"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AdaptiveCuts:
    """Cuts of the adaptive vertex reconstruction; the defaults are those of RAVE.

    Attributes:
        primary_cutoff: Distance of a track to the primary vertex, in standard deviations, at weight 1/2.
        secondary_cutoff: The same for all further vertices.
        minimum_weight: From which on a track belongs to the vertex.
        temperatures: Of the annealing, falling.
        max_vertices: How many are sought in a jet at most, with the primary.

    Raises:
        ValueError: If a cutoff, a temperature or the number of vertices is not positive, the temperatures do not
            fall, or the minimum weight is not between 0 and 1.
    """

    primary_cutoff: float = 2.0
    secondary_cutoff: float = 6.0
    minimum_weight: float = 0.5
    temperatures: tuple[float, ...] = TEMPERATURES
    max_vertices: int = 10

    def __post_init__(self) -> None:
        for name in ("primary_cutoff", "secondary_cutoff", "max_vertices"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be positive")
        if not 0 < self.minimum_weight < 1:
            raise ValueError(f"minimum_weight is {self.minimum_weight}, must be between 0 and 1")
        falling = all(earlier > later for earlier, later in zip(self.temperatures, self.temperatures[1:]))
        if not (self.temperatures and falling and self.temperatures[-1] > 0):
            raise ValueError(f"temperatures are {self.temperatures}, must be positive and fall")


class Tuning(NamedTuple):
    """Result of `tune`: the best cuts, and every candidate with its score."""

    cuts: AdaptiveCuts
    scores: dict[AdaptiveCuts, float]


def find_vertices(
    jets: ak.Array,
    *,
    cuts: AdaptiveCuts | None = None,
    primary: Prior | None = None,
    magnetic_field: float = 2.0,
    resolution: Resolution | None = None,
    skip_unfit: bool = False,
) -> ak.Array:
    """Partition the tracks of each jet into vertices.

    Args:
        jets: Jets with `tracks`, shape (n,); a jet may have none.
        cuts: Cuts; those of RAVE if not given.
        primary: Primary vertex of the jets, or beam spot, that constrains vertex 0: position (3,) or (n, 3). Without
            it vertex 0 is the one with which most tracks agree, which in a b jet may be that of the decay.
        magnetic_field: Along z [T].
        resolution: Errors to assume, instead of the covariance in the record; see `tracks.flat_tracks`.
        skip_unfit: Give tracks that cannot be fitted a vertex of their own, with a warning, instead of refusing them.

    Returns:
        Index of the vertex of each track, shape (n, var), int32: 0 for tracks of the primary vertex, then the other
        vertices in the order in which they were found; each track in no vertex has an index of its own.

    Raises:
        KeyError: If a field is missing.
        ValueError: If a track cannot be fitted, see `tracks.flat_tracks`, or the covariance of the primary vertex is
            not positive definite.
    """
    tracks = flat_tracks(jets, resolution=resolution, skip_unfit=skip_unfit, caller="find_vertices")
    n = len(tracks.counts)
    known = constraint(primary, n)
    vertex = np.full(int(tracks.counts.sum()), -1)
    vertex[tracks.entry] = _vertices(
        tracks.parameters, inverse(tracks.covariance), tracks.jet, known, cuts or AdaptiveCuts(), magnetic_field
    )
    jet = np.repeat(np.arange(n), tracks.counts)
    return ak.unflatten(_own_index(vertex, jet, n).astype(np.int32), tracks.counts)


def tune(
    jets: ak.Array,
    score: Callable[[ak.Array, ak.Array], float],
    *,
    primary_cutoffs: Sequence[float] = (2.0, 3.0, 4.0),
    secondary_cutoffs: Sequence[float] = (3.0, 4.0, 6.0),
    temperatures: Sequence[tuple[float, ...]] = (TEMPERATURES, (4.0, 1.0)),
    cuts: AdaptiveCuts | None = None,
    primary: Prior | None = None,
    magnetic_field: float = 2.0,
    resolution: Resolution | None = None,
    skip_unfit: bool = False,
) -> Tuning:
    """Choose the cutoffs and temperatures that do best on a training sample, by trying all combinations.

    Args:
        jets: Jets to judge by, with `tracks.vertex_index`, shape (n,); give only b jets to tune for them.
        score: Of true and reconstructed partitions, both of shape (n, var), such as the mean pairwise F1; larger is
            better.
        primary_cutoffs: To try.
        secondary_cutoffs: To try.
        temperatures: Schedules to try: a start that is as good as here may need less heat than RAVE's.
        cuts: All other cuts.
        primary: As in `find_vertices`, here and below.
        magnetic_field: Along z [T].
        resolution: Errors to assume.
        skip_unfit: Leave out tracks that cannot be fitted.

    Raises:
        KeyError: If a field is missing.
        ValueError: If there is nothing to try, a score is not finite, or a track cannot be fitted.
    """
    candidates = [
        replace(cuts or AdaptiveCuts(), primary_cutoff=first, secondary_cutoff=second, temperatures=schedule)
        for first, second, schedule in product(primary_cutoffs, secondary_cutoffs, temperatures)
    ]
    if not candidates:
        raise ValueError(f"no cuts to try: {primary_cutoffs=}, {secondary_cutoffs=}, {temperatures=}")
    scores = {}
    for candidate in candidates:
        reconstructed = find_vertices(
            jets,
            cuts=candidate,
            primary=primary,
            magnetic_field=magnetic_field,
            resolution=resolution,
            skip_unfit=skip_unfit,
        )
        scores[candidate] = float(score(jets.tracks.vertex_index, reconstructed))
        if not np.isfinite(scores[candidate]):
            raise ValueError(f"the score of {candidate} is {scores[candidate]}, must be finite")
    return Tuning(max(candidates, key=scores.__getitem__), scores)


def _vertices(
    parameters: Floats, precision: Floats, jet: Integers, known: Constraint, cuts: AdaptiveCuts, magnetic_field: float
) -> Integers:
    """Index of the vertex of each track, -1 if in none, shape (m,)."""
    n = len(known.position)
    # Secondary vertices are sought around the primary, but not drawn to it.
    unknown = Constraint(known.position, np.zeros((n, 3, 3)))
    vertex = np.full(len(jet), -1)
    searching = np.ones(n, dtype=np.bool_)
    for number in range(cuts.max_vertices):
        primary = number == 0
        left = (vertex == -1) & searching[jet]
        enough = np.bincount(jet[left], minlength=n) >= (1 if primary else 2)
        track = np.flatnonzero(left & enough[jet])
        if not len(track):
            continue
        owners, owner = np.unique(jet[track], return_inverse=True)
        near = Constraint(*(column[owners] for column in (known if primary else unknown)))
        cutoff = cuts.primary_cutoff if primary else cuts.secondary_cutoff
        own = parameters[track], precision[track], owner, near
        start = seeds(*own, cutoff, magnetic_field)
        weight = annealed(*own, start, cutoff, cuts.temperatures, magnetic_field)
        taken = weight >= cuts.minimum_weight
        if not primary:
            searching[owners] = np.bincount(owner[taken], minlength=len(owners)) >= 2
            taken &= searching[jet[track]]
        vertex[track[taken]] = number
    return vertex


def _own_index(vertex: Integers, jet: Integers, n: int) -> Integers:
    """Give each track in no vertex (-1) an index of its own, beyond those of its jet, shape (m,)."""
    highest = np.zeros(n, dtype=np.int64)
    np.maximum.at(highest, jet, vertex)
    alone = vertex == -1
    seen = np.cumsum(alone)
    before = np.concatenate([[0], seen])[np.searchsorted(jet, np.arange(n))]
    return np.where(alone, highest[jet] + seen - before[jet], vertex)
