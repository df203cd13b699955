"""Jets as sets of tracks, and as graphs of tracks that share a vertex: the input of vertex finders and taggers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import Constituents, flat, longest, mask_of, padded
from cortado.representations.features import require_known
from cortado.representations.track_features import (
    RICH_FEATURES,
    SET2GRAPH_FEATURES,
    TRACK_FEATURES,
    flat_track_features,
)

__all__ = ["RICH_FEATURES", "SET2GRAPH_FEATURES", "TrackGraph", "TrackGraphInputs", "TrackSet", "TrackSetInputs"]


class TrackSetInputs(NamedTuple):
    """Padded tracks of n jets; p is the number of tracks of the jet with most, at least 1.

    Attributes:
        features: Shape (n, p, f); 0 where there is no track.
        mask: True where there is a track, shape (n, p).
    """

    features: NDArray[np.float32]
    mask: NDArray[np.bool_]


class TrackGraphInputs(NamedTuple):
    """Padded tracks of n jets and the edges between them.

    Attributes:
        features: Shape (n, p, f); 0 where there is no track.
        mask: True where there is a track, shape (n, p).
        edges: 1 where two different tracks are in one vertex, else 0, shape (n, p, p).
    """

    features: NDArray[np.float32]
    mask: NDArray[np.bool_]
    edges: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TrackSet:
    """All tracks of a jet, in the order of the file.

    The ten features of the paper hold the azimuth; `RICH_FEATURES` do not change when a jet is turned about the beam
    line together with its tracks.

    Attributes:
        features: Names of `track_features.TRACK_FEATURES`.

    Raises:
        ValueError: If a feature is unknown.

    References:
        Shlomi et al., Secondary Vertex Finding in Jets with Neural Networks (2021), arXiv:2008.02831, section 3.
    """

    features: tuple[str, ...] = SET2GRAPH_FEATURES

    def __post_init__(self) -> None:
        require_known(self.features, TRACK_FEATURES, "TrackSet")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        return _fields(self.features)

    def __call__(self, jets: ak.Array) -> TrackSetInputs:
        """Make the sets of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            Features and mask.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a feature is not finite, or the jets are nested.
        """
        return _track_set(_tracks(jets, self.fields, "TrackSet"), self.features, "TrackSet")


@dataclass(frozen=True, kw_only=True)
class TrackGraph:
    """All tracks of a jet with the edges of a partition into vertices that is known beforehand.

    Attributes:
        features: Names of `track_features.TRACK_FEATURES`.
        partition: Field of the tracks: equal in a jet where two share a vertex; a negative number shares none.

    Raises:
        ValueError: If a feature is unknown, or the partition has no name.
    """

    features: tuple[str, ...] = SET2GRAPH_FEATURES
    partition: str = "avr_vertex_index"

    def __post_init__(self) -> None:
        require_known(self.features, TRACK_FEATURES, "TrackGraph")
        if not self.partition:
            raise ValueError("TrackGraph: partition must be the name of a field of the tracks, got ''")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        return (*_fields(self.features), f"tracks.{self.partition}")

    def __call__(self, jets: ak.Array) -> TrackGraphInputs:
        """Make the graphs of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            Features, mask and edges.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a feature is not finite, or the jets are nested.
        """
        tracks = _tracks(jets, self.fields, "TrackGraph")
        features, mask = _track_set(tracks, self.features, "TrackGraph")
        vertex = padded(tracks.own(self.partition) + 1, tracks.counts, mask.shape[1])  # 0 is padding, below is none
        together = (vertex[:, :, np.newaxis] == vertex[:, np.newaxis]) & (vertex[:, np.newaxis] > 0)
        together &= ~np.eye(mask.shape[1], dtype=bool)
        return TrackGraphInputs(features, mask, together.astype(np.float32))


def _fields(names: tuple[str, ...]) -> tuple[str, ...]:
    fields = [field for name in names for field in TRACK_FEATURES[name].fields]
    # The tracks tell how many there are even where all features are the jet's.
    return tuple(dict.fromkeys((*fields, *(() if any("." in field for field in fields) else ("tracks.pt",)))))


def _tracks(jets: ak.Array, fields: tuple[str, ...], caller: str) -> Constituents:
    return flat(jets, fields, caller=caller, collection="tracks", by_pt=False)


def _track_set(tracks: Constituents, names: tuple[str, ...], caller: str) -> TrackSetInputs:
    length = longest(tracks.counts)
    values = flat_track_features(tracks, names, caller)
    return TrackSetInputs(padded(values, tracks.counts, length), mask_of(tracks.counts, length))
