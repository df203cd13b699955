"""A track finder: which hits of an event belong to one track, and the helices of these tracks."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado import reconstruction
from cortado.models import sectors
from cortado.names import require_one_of
from cortado.perigee import COVARIANCE
from cortado.reconstruction import HitErrors
from cortado.representations.hit_graph import HitGraph, unknown_hits
from cortado.scoring.edges import Proposer, chosen_proposers, edges_of, with_edges
from cortado.scoring.predictor import Predictor, require_verbs

Build = Literal["best edges", "components"]
Errors = HitErrors | Callable[[ak.Array], HitErrors]

RESOLUTION = HitErrors(transverse=0.05, longitudinal=0.5)
"""Of the hits of a silicon tracker, about [mm]; give your own detector's."""


_COLUMNS: dict[str, tuple[str, type]] = {
    "n_hits": ("n_hits", np.int32),
    "degrees_of_freedom": ("ndf", np.int32),
    "converged": ("converged", np.bool_),
}
"""Of a friend tree that are no float32: field of the tracks -> name and type."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrackFinder:
    """Finds the tracks of events from their hits; made by `load`. Truth is not needed.

    Attributes:
        predictor: Scores the edges between hits: a `Predictor`, or `SeveralPredictors`.
        threshold: Score above which an edge may be part of a track.
        min_hits: Fewer hits are no track.
        build: "best edges" gives each hit one predecessor and one successor at most; "components" joins all that
            edges join.
        proposers: Asked one after the other before `predictor`, which judges the edges that are left: an embedding,
            then a filter. None where the representation of `predictor` makes the edges itself.
    """

    predictor: Any
    threshold: float = 0.5
    min_hits: int = 3
    build: Build = "best edges"
    proposers: tuple[Proposer, ...] = ()

    tree: ClassVar[str] = "tracks"

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be a probability in (0, 1), got {self.threshold}")
        if self.min_hits < 1:
            raise ValueError(f"min_hits must be at least 1, got {self.min_hits}")
        require_one_of("build", self.build, get_args(Build))

    @classmethod
    def of(
        cls,
        predictor: Any,
        *,
        threshold: float = 0.5,
        min_hits: int = 3,
        build: Build = "best edges",
        proposers: Iterable[Any] = (),
    ) -> TrackFinder:
        """The finder of a predictor of edges; the arguments are the attributes.

        Proposers may be predictors or paths of bundles, each alone or with its threshold:
        ``("embedding.cortado", ("filter.cortado", 0.05))``; paths are loaded with the settings of the predictor.

        Raises:
            FileNotFoundError: If there is no bundle of a proposer.
            ValueError: If its answers are no edges, or a proposer or threshold is none.
        """
        require_verbs("TrackFinder", predictor)
        asked = chosen_proposers(proposers, predictor)
        return cls(predictor=predictor, threshold=threshold, min_hits=min_hits, build=build, proposers=asked)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        threshold: float = 0.5,
        min_hits: int = 3,
        build: Build = "best edges",
        proposers: Iterable[Any] = (),
        **settings: Any,
    ) -> TrackFinder:
        """Track finder of the bundle at `path`; the other settings are those of `cortado.load`.

        Raises:
            FileNotFoundError: If there is no bundle.
            ValueError: As `cortado.load` and `of`, or if it finds no tracks.
        """
        predictor = Predictor.load(path, **settings)
        return cls.of(predictor, threshold=threshold, min_hits=min_hits, build=build, proposers=proposers)

    @property
    def path(self) -> str:
        """Path of the bundle, or of all bundles."""
        path: str = self.predictor.path
        return path

    def __call__(self, events: ak.Array) -> ak.Array:
        """Number of its track for each hit, int32, -1 for none, shape (n_events, var).

        Args:
            events: Record with `hits`, shape (n_events,).
        Raises:
            ValueError: If a field is missing, or a position is not finite.
        """
        return self.join(self.edges(events), events.hits)

    def edges(self, events: ak.Array) -> ak.Array:
        """Edges between hits, shape (n_events, var): inner, outer (index of the hit in its event), score.

        The network sees a graph of more than `cortado.models.sectors.MAX_EDGES` edges in sectors of azimuth; its
        scores are the same.
        """
        for proposer in self.proposers:
            events = with_edges(events, *proposer)
        return edges_of(events, self.predictor)

    def join(self, edges: ak.Array, hits: ak.Array) -> ak.Array:
        """Tracks that edges make of hits, as calling this gives them.

        Args:
            edges: What `edges` has given, shape (n_events, var).
            hits: Of these events, shape (n_events, var).
        """
        cuts: dict[str, Any] = {"threshold": self.threshold, "min_hits": self.min_hits}
        if self.build == "components":
            return reconstruction.tracks_from_components(edges, ak.num(hits), **cuts)
        return reconstruction.tracks_from_best_edges(edges, ak.num(hits), places=hits, **cuts)

    def tracks(
        self,
        events: ak.Array,
        *,
        errors: Errors = RESOLUTION,
        magnetic_field: float = 2.0,
        radiation_lengths: float = 0.0,
        label: ak.Array | None = None,
    ) -> ak.Array:
        """Helices of the tracks, shape (n_events, var); see `cortado.reconstruction.fit_tracks`.

        Args:
            events: Record with `hits`, shape (n_events,).
            errors: Of the hits [mm]: numbers, or a function of the flat hits.
            magnetic_field: Along z [T].
            radiation_lengths: Of the matter at each hit, for multiple scattering; without it errors of soft tracks are
                far too small.
            label: What calling this has given for the events, if it is known already.
        """
        label = self(events) if label is None else label
        return reconstruction.fit_tracks(
            events.hits, label, errors, magnetic_field=magnetic_field, radiation_lengths=radiation_lengths
        )

    def events(
        self, record: ak.Array, *, errors: Errors = RESOLUTION, magnetic_field: float = 2.0
    ) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it.

        The collection hit has `trackIdx`, the index of the track in the event or -1; track has the perigee parameters
        with respect to the origin (d0, z0 [mm], phi, theta, q_over_p [1/GeV]), pt, eta, n_hits, chi2, ndf and
        converged.
        """
        edges = self.edges(record)
        label = self.join(edges, record.hits)
        tracks = self.tracks(record, errors=errors, magnetic_field=magnetic_field, label=label)
        numbers = [name for name in tracks.fields if name not in (*COVARIANCE, *_COLUMNS, "label")]
        fields = {name: ak.values_astype(tracks[name], np.float32) for name in numbers}
        fields |= {column: ak.values_astype(tracks[name], kind) for name, (column, kind) in _COLUMNS.items()}
        return {"hit": ak.zip({"trackIdx": label}), "track": ak.zip(fields)}, self._notes(record, edges, tracks)

    def _notes(self, record: ak.Array, edges: ak.Array, tracks: ak.Array) -> Counter[str]:
        """What a user would not see in the tracks, and how often it is so."""
        graph = self.bundle().representation
        notes = {
            "entries have hits, but not a single track was found": (ak.num(record.hits) > 0) & (ak.num(tracks) == 0),
            f"entries have more than {sectors.MAX_EDGES:,} edges, seen in sectors by the network": is_by_sectors(edges),
            "tracks have no converged fit: see track_converged": ~tracks.converged,
            "hits are in layers that the bundle does not know: they are in no track": (
                unknown_hits(graph, record) if isinstance(graph, HitGraph) else np.zeros(0)
            ),
        }
        sums = {note: int(ak.sum(each, axis=None)) for note, each in notes.items()}
        return Counter({note: number for note, number in sums.items() if number})

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all, read from disk unless this process has it; of several the first."""
        bundle: bundles.Bundle = self.predictor.bundle()
        return bundle

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """All bundles: of the predictor, then of the proposers."""
        asked = (self.predictor, *(proposer.predictor for proposer in self.proposers))
        return tuple(bundle for each in asked for bundle in each.bundles())


def is_by_sectors(edges: ak.Array) -> NDArray[np.bool_]:
    """Which events have more edges than a network sees at once, shape (n_events,)."""
    large: NDArray[np.bool_] = ak.to_numpy(ak.num(edges)) > sectors.MAX_EDGES
    return large
