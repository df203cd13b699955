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
from cortado.scoring import batching, process
from cortado.scoring.nesting import flatten, restore
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

    def __call__(self, jets: ak.Array) -> ak.Array:
        """Number of its vertex for each track, int32, of the nesting of `jets.tracks`.

        Tracks of a jet with the same number share a vertex; a track alone has a number of its own. The pairs above
        the threshold are joined, and what they join.

        Raises:
            ValueError: If a field is missing, or a value is not finite.
        """
        flat = flatten(jets)
        return restore(self._partition(flat), jets)

    def probabilities(self, jets: ak.Array) -> ak.Array:
        """Probability of each pair of tracks to share a vertex, float32, of the nesting of `jets.tracks`, and one more.

        The matrix of a jet is symmetric, with ones on its diagonal.
        """
        flat = flatten(jets)
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

    def vertices(self, jets: ak.Array, **options: Any) -> ak.Array:
        """Fitted vertices of two tracks and more, of the nesting of `jets` and one more.

        Args:
            jets: With the covariances of the tracks, of any nesting.
            **options: Of `cortado.reconstruction.vertices`.
        """
        flat = flatten(jets)
        return restore(reconstruction.vertices(flat, self._partition(flat), **options), jets)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all; read from disk unless this process has it."""
        return self._loaded().bundle

    def _loaded(self) -> process.Loaded:
        return process.loaded(self.path, self.sha256, self.device, self.representations, self.models)

    def _partition(self, flat: ak.Array) -> ak.Array:
        counts = ak.to_numpy(ak.num(flat[self.collection]))
        first = np.cumsum(counts) - counts
        found = np.zeros(int(counts.sum()), np.int32)
        for batch, pairs in self._pairs(flat):
            inside = np.arange(pairs.shape[1]) < counts[batch, None]
            place = first[batch, None] + np.arange(pairs.shape[1])
            found[place[inside]] = components(pairs, inside, self.threshold)[inside]
        return ak.unflatten(found, counts)

    def _pairs(self, flat: ak.Array) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Indices of jets with tracks, and probabilities (n, p, p) of their pairs, batch by batch."""
        loaded = self._loaded()
        jets = bundles.columns(flat, loaded.bundle.fields)
        lengths = batching.lengths(jets, loaded.bundle)
        with process.settings(self.device, self.threads, self.precision):
            for batch in batching.batches(np.flatnonzero(lengths), lengths, self.batch_size):
                logits = loaded.logits(jets[batch], self.device)
                yield batch, bundles.probabilities(logits, "pairing").cpu().numpy()
