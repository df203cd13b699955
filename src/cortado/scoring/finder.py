"""A vertex finder: which tracks of a jet share a vertex, and the fits of these vertices."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from typing import Any, ClassVar

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado import reconstruction
from cortado.reconstruction.priors import Prior, each_prior
from cortado.reconstruction.tracks import Resolution, flat_tracks
from cortado.scoring.columns import vertex_friend
from cortado.scoring.nesting import entries, flatten, restore
from cortado.scoring.predictor import Predictor, require_verbs


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexFinder:
    """Tells which tracks of a jet share a vertex; made by `load`.

    Jets may be flat (n,), per event (n_events, var), nested deeper, or optional. Neither truth nor any tracks are
    needed: a jet without tracks has none in its result. What is found in a jet depends on that jet alone.

    Attributes:
        predictor: Joins the tracks: a `Predictor`, or `SeveralPredictors`.
    """

    predictor: Any

    tree: ClassVar[str] = "vertices"

    @classmethod
    def of(cls, predictor: Any, *, threshold: float | None = None) -> VertexFinder:
        """The finder of a predictor of pairs.

        Args:
            predictor: See `VertexFinder`.
            threshold: Probability above which a pair of tracks is joined; None takes that of the training.
        Raises:
            ValueError: If its answers are no pairs.
        """
        require_verbs("VertexFinder", predictor)
        if threshold is not None:
            predictor = predictor.with_use(dataclasses.replace(predictor.use, threshold=threshold))
        return cls(predictor=predictor)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threshold: float | None = None, **settings: Any) -> VertexFinder:
        """Vertex finder of the bundle at `path`; the settings are those of `cortado.load`.

        Raises:
            ValueError: As `cortado.load`, or if it finds no vertices.
        """
        return cls.of(Predictor.load(path, **settings), threshold=threshold)

    @property
    def path(self) -> str:
        """Path of the bundle, or of all bundles."""
        path: str = self.predictor.path
        return path

    @property
    def collection(self) -> str:
        """Field of the jets that is put together, "tracks"."""
        collection: str = self.predictor.use.collection
        return collection

    @property
    def threshold(self) -> float:
        """Probability above which a pair of tracks is joined."""
        threshold: float = self.predictor.use.threshold
        return threshold

    def __call__(self, jets: ak.Array, *, skip_unfit: bool = False) -> ak.Array:
        """Number of its vertex for each track, int32, of the nesting of `jets.tracks`.

        Tracks of a jet with the same number share a vertex; a track alone has a number of its own. The pairs above
        the threshold are joined, and what they join.

        Args:
            jets: Of any nesting.
            skip_unfit: Leave out tracks that cannot be fitted, as if they were not there, with a warning: their number
                is -1.

        Raises:
            KeyError: If a field that fits need is missing, and tracks are to be left out.
            ValueError: If a field is missing, or a value is not finite.
        """
        flat = flatten(jets)
        return restore(self._partition(flat, _fit(flat, None) if skip_unfit else None), jets)

    def probabilities(self, jets: ak.Array) -> ak.Array:
        """Probability of each pair of tracks to share a vertex, float32, of the nesting of `jets.tracks`, and one more.

        The matrix of a jet is symmetric, with ones on its diagonal.
        """
        pairs = self.predictor.with_use(dataclasses.replace(self.predictor.use, matrix=True))
        return pairs(jets).probabilities

    def vertices(
        self,
        jets: ak.Array,
        *,
        primary: Prior | None = None,
        resolution: Resolution | None = None,
        skip_unfit: bool = False,
        **options: Any,
    ) -> ak.Array:
        """Fitted vertices of two tracks and more, of the nesting of `jets` and one more.

        Args:
            jets: With the covariances of the tracks, of any nesting.
            primary: What distances are measured from: one for all, or one for each entry of `jets`, such as
                `cortado.reconstruction.primary_vertices` gives for events. The origin if not given.
            resolution: Of `cortado.reconstruction.vertices`.
            skip_unfit: Leave out tracks that cannot be fitted, as if they were not there, with a warning.
            **options: Of `cortado.reconstruction.vertices`.

        Raises:
            KeyError: If a field that fits need is missing.
            ValueError: If a field is missing, a value is not finite, or a track cannot be fitted.
        """
        flat = flatten(jets)
        if primary is not None:
            position, covariance = each_prior(primary, len(jets))
            primary = Prior(position[entries(jets)], covariance[entries(jets)])
        partition = self._partition(flat, _fit(flat, resolution) if skip_unfit else None)
        fits = reconstruction.vertices(
            flat, partition, primary=primary, resolution=resolution, skip_unfit=skip_unfit, **options
        )
        return restore(fits, jets)

    def events(
        self, record: ak.Array, *, magnetic_field: float = 2.0, skip_unfit: bool = False
    ) -> tuple[dict[str, ak.Array], Counter[str]]:
        """What a friend tree holds of events, and what is to be said of it; see `vertex_columns`."""
        return vertex_friend(self, record, magnetic_field=magnetic_field, skip_unfit=skip_unfit)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all, read from disk unless this process has it; of folds the first."""
        bundle: bundles.Bundle = self.predictor.bundle()
        return bundle

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """All bundles."""
        every: tuple[bundles.Bundle, ...] = self.predictor.bundles()
        return every

    def _partition(self, flat: ak.Array, kept: NDArray[np.bool_] | None = None) -> ak.Array:
        """Number of the vertex of each track, shape (n, var); -1 for those that are not kept."""
        if kept is None:
            return self.predictor.flat(flat).partition
        counts = ak.num(flat[self.collection])
        tracks = flat[self.collection][ak.unflatten(kept, counts)]
        number = np.full(len(kept), -1, np.int32)
        number[kept] = ak.to_numpy(ak.flatten(self._partition(ak.with_field(flat, tracks, self.collection))))
        return ak.unflatten(number, counts)


def _fit(jets: ak.Array, resolution: Resolution | None) -> NDArray[np.bool_]:
    """Which tracks of flat jets can be fitted, shape (m,)."""
    tracks = flat_tracks(jets, resolution=resolution, skip_unfit=True, caller="VertexFinder")
    fit = np.zeros(int(tracks.counts.sum()), dtype=np.bool_)
    fit[tracks.entry] = True
    return fit
