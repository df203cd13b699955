"""One bundle as a function from incident energies to showers."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado import bundle as bundles
from cortado.scoring import process
from cortado.scoring.scorer import Precision

Floats = NDArray[np.float32]

Spectrum = Literal["uniform", "log-uniform"]

_BLOCK = 256  # showers whose random numbers are drawn together
_CHUNK = 8192  # showers of a sample that are in memory together


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowerGenerator:
    """Makes showers with the bundle at `path`; made by `load_generator`.

    The shower of a number is made of random numbers that follow from the seed and this number alone: however a sample
    is cut into calls, batches or processes, it is the same (within 1e-5).

    Attributes:
        path: Absolute path of the bundle.
        sha256: Its fingerprint; another bundle at the same path is refused.
        device: "cpu", "cuda", "cuda:1" or "mps".
        threads: CPU threads. None: one in worker processes, torch's own choice elsewhere.
        batch_size: Most showers made at once.
        precision: Of products: "float32", or "bfloat16" by autocast.
        extrapolate: Allow energies outside of those that it was trained on.
        energy_range: Those energies [GeV].
        representations: Classes of your own that the bundle uses.
        models: Likewise.
    """

    path: str
    sha256: str
    device: str = "cpu"
    threads: int | None = None
    batch_size: int = 1024
    precision: Precision = "float32"
    extrapolate: bool = False
    energy_range: tuple[float, float]
    representations: tuple[type, ...] = ()
    models: tuple[type, ...] = ()

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")

    def __call__(self, energy: ArrayLike, *, seed: int = 1, first: int = 0) -> ak.Array:
        """Showers of particles of these energies.

        Args:
            energy: Incident energies [GeV], shape (n,).
            seed: Of the sample.
            first: Number of the first shower in the sample.

        Returns:
            Showers, shape (n,): energy, layer_0, layer_1, ... [GeV], in the form of the readers.

        Raises:
            ValueError: If an energy is not positive and finite, or outside the range of the training without
                `extrapolate`.
        """
        wanted = self._checked(np.asarray(energy, dtype=np.float32))
        loaded = self._loaded()
        representation: Any = loaded.bundle.representation
        empty = np.empty((0, len(representation.features)), np.float32)
        features = np.concatenate([empty, *self._batches(loaded, wanted, seed, first)])
        if loaded.bundle.scaling is not None:
            features = loaded.bundle.scaling.inverse(features)
        showers: ak.Array = representation.inverse(wanted, features)
        return showers

    def sample(
        self, number: int, energy: tuple[float, float], *, spectrum: Spectrum = "uniform", seed: int = 1
    ) -> Iterator[ak.Array]:
        """Showers with random incident energies, chunk by chunk; the first ones are the same for any number.

        Args:
            number: How many.
            energy: Lowest and highest incident energy [GeV].
            spectrum: "uniform" or "log-uniform" between them.
            seed: Of the sample.

        Yields:
            Showers, shape (n,), as by calling this.

        Raises:
            ValueError: If the spectrum is unknown, or as by calling this.
        """
        if spectrum not in get_args(Spectrum):
            raise ValueError(f"spectrum = {spectrum!r}, required: {' or '.join(get_args(Spectrum))}")
        self._checked(np.asarray(energy, dtype=np.float32))
        for first in range(0, number, _CHUNK):
            place = np.random.default_rng((seed, first, 1)).random(_CHUNK)[: number - first]
            low, high = energy
            drawn = low + (high - low) * place if spectrum == "uniform" else low * (high / low) ** place
            yield self(np.clip(drawn.astype(np.float32), low, high), seed=seed, first=first)

    def bundle(self) -> bundles.Bundle:
        """The bundle, with provenance and all; read from disk unless this process has it."""
        return self._loaded().bundle

    def _loaded(self) -> process.Loaded:
        return process.loaded(self.path, self.sha256, self.device, self.representations, self.models)

    def _checked(self, energy: Floats) -> Floats:
        if energy.ndim != 1:
            raise ValueError(f"energies must have the shape (n,), got {energy.shape}")
        low, high = self.energy_range
        for wrong, required in (
            (~(np.isfinite(energy) & (energy > 0)), "positive and finite energies are required"),
            (
                ((energy < low) | (energy > high)) & (not self.extrapolate),
                f"{self.path} was trained on {low:g} to {high:g} GeV; extrapolate=True (--extrapolate) makes such "
                "showers all the same",
            ),
        ):
            if wrong.any():
                raise ValueError(
                    f"{wrong.sum()} of {len(energy)} energies, such as {energy[wrong][0]:g} GeV: {required}"
                )
        return energy

    def _batches(self, loaded: process.Loaded, energy: Floats, seed: int, first: int) -> Iterator[Floats]:
        """Features of the showers, batch by batch."""
        network: Any = loaded.network
        with process.settings(self.device, self.threads, self.precision):
            for start in range(0, len(energy), self.batch_size):
                batch = energy[start : start + self.batch_size]
                drawn = noise(seed, first + start, len(batch), network.latent)
                yield bundles.run(network, (batch, drawn), self.device).cpu().numpy()


def noise(seed: int, first: int, number: int, latent: int) -> Floats:
    """Standard normal random numbers of the showers first, first + 1, ... of a sample, shape (number, latent).

    Those of a shower follow from the seed and its number alone.
    """
    blocks = range(first // _BLOCK, (first + number - 1) // _BLOCK + 1)
    drawn = [np.random.default_rng((seed, block)).standard_normal((_BLOCK, latent), np.float32) for block in blocks]
    start = first % _BLOCK
    found: Floats = np.concatenate([np.empty((0, latent), np.float32), *drawn])[start : start + number]
    return found
