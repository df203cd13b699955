"""One bundle as a function from jets to the vertices of their tracks."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles
from cortado import reconstruction
from cortado.reconstruction.partition import components
from cortado.reconstruction.priors import Prior, each_prior
from cortado.reconstruction.tracks import Resolution, flat_tracks
from cortado.scoring import batching, process
from cortado.scoring.nesting import entries, flatten, restore
from cortado.scoring.scorer import Precision


@dataclasses.dataclass(frozen=True, kw_only=True)
class VertexFinder:
    """Tells which tracks of a jet share a vertex, with the bundle at `path`; made by `load_finder`.

    Jets may be flat (n,), per event (n_events, var), nested deeper, or optional. Neither truth nor any tracks are
    needed: a jet without tracks has none in its result. What is found in a jet depends on that jet alone.

    Attributes:
        path: Absolute path of the bundle.
        sha256: Its fingerprint; another bundle at the same path is refused.
        device: "cpu", "cuda", "cuda:1" or "mps".
        threads: CPU threads while scoring. None: one in worker processes, torch's own choice elsewhere.
        batch_size: Most jets scored at once; fewer where they have more than 32 tracks.
        precision: Of products: "float32", or "bfloat16" by autocast.
        threshold: Probability above which a pair of tracks is joined.
        collection: Field of the jets that is put together, "tracks".
        representations: Classes of your own that the bundle uses.
        models: Likewise.
    """

    path: str
    sha256: str
    device: str = "cpu"
    threads: int | None = None
    batch_size: int = 512
    precision: Precision = "float32"
    threshold: float = 0.5
    collection: str = "tracks"
    representations: tuple[type, ...] = ()
    models: tuple[type, ...] = ()

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be a probability in (0, 1), got {self.threshold}")

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
        flat = self._needed(flatten(jets))
        counts = ak.to_numpy(ak.num(flat[self.collection]))
        first = np.cumsum(counts**2) - counts**2
        found = np.ones(int((counts**2).sum()), np.float32)
        for batch, pairs in self._pairs(flat):
            track = np.arange(pairs.shape[1])
            there = track < counts[batch, None]
            inside = there[:, :, None] & there[:, None, :]
            row = first[batch, None] + track * counts[batch, None]
            place = row[:, :, None] + track
            inside &= ~np.eye(len(track), dtype=bool)
            found[place[inside]] = pairs[inside]
        return restore(ak.unflatten(ak.unflatten(found, np.repeat(counts, counts)), counts), jets)

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
        found = reconstruction.vertices(
            flat, partition, primary=primary, resolution=resolution, skip_unfit=skip_unfit, **options
        )
        return restore(found, jets)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all; read from disk unless this process has it."""
        return self._loaded().bundle

    def _loaded(self) -> process.Loaded:
        return process.loaded(self.path, self.sha256, self.device, self.representations, self.models)

    def _needed(self, flat: ak.Array) -> ak.Array:
        """The jets with the fields that the representation reads, or ValueError."""
        return bundles.columns(flat, self._loaded().bundle.fields)

    def _partition(self, flat: ak.Array, kept: NDArray[np.bool_] | None = None) -> ak.Array:
        """Number of the vertex of each track, shape (n, var); -1 for those that are not kept."""
        if kept is not None:
            counts = ak.num(flat[self.collection])
            tracks = flat[self.collection][ak.unflatten(kept, counts)]
            found = np.full(len(kept), -1, np.int32)
            found[kept] = ak.to_numpy(ak.flatten(self._partition(ak.with_field(flat, tracks, self.collection))))
            return ak.unflatten(found, counts)
        jets = self._needed(flat)
        counts = ak.to_numpy(ak.num(jets[self.collection]))
        first = np.cumsum(counts) - counts
        found = np.zeros(int(counts.sum()), np.int32)
        for batch, pairs in self._pairs(jets):
            inside = np.arange(pairs.shape[1]) < counts[batch, None]
            place = first[batch, None] + np.arange(pairs.shape[1])
            found[place[inside]] = components(pairs, inside, self.threshold)[inside]
        return ak.unflatten(found, counts)

    def _pairs(self, jets: ak.Array) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Indices of jets with tracks, and probabilities (n, p, p) of their pairs, batch by batch."""
        loaded = self._loaded()
        lengths = batching.lengths(jets, loaded.bundle)
        with process.settings(self.device, self.threads, self.precision):
            for batch in batching.batches(np.flatnonzero(lengths), lengths, self.batch_size):
                with batching.numbered(batch):
                    logits = loaded.logits(jets[batch], self.device)
                yield batch, bundles.probabilities(logits, "pairing").cpu().numpy()


def _fit(jets: ak.Array, resolution: Resolution | None) -> NDArray[np.bool_]:
    """Which tracks of flat jets can be fitted, shape (m,)."""
    tracks = flat_tracks(jets, resolution=resolution, skip_unfit=True, caller="VertexFinder")
    fit = np.zeros(int(tracks.counts.sum()), dtype=np.bool_)
    fit[tracks.entry] = True
    return fit
