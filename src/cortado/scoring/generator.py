"""A generator: showers of wanted incident energies."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cortado import bundle as bundles
from cortado.bundle import cores
from cortado.scoring.predictor import Predictor, require_verbs

Floats = NDArray[np.float32]

Spectrum = Literal["uniform", "log-uniform"]

_BLOCK = 256  # showers whose random numbers are drawn together
_CHUNK = 8192  # showers of a sample that are in memory together


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowerGenerator:
    """Makes showers; made by `load`.

    The shower of a number is made of random numbers that follow from the seed and this number alone: however a sample
    is cut into calls, batches or processes, it is the same (within 1e-5).

    Attributes:
        predictor: Has the network, and says how many showers are made at once.
        extrapolate: Allow energies outside of those that it was trained on.
    """

    predictor: Predictor
    extrapolate: bool = False

    @classmethod
    def of(cls, predictor: Any, *, extrapolate: bool = False) -> ShowerGenerator:
        """The generator of a predictor of showers.

        Raises:
            ValueError: If it makes no showers, or is of several bundles.
        """
        require_verbs("ShowerGenerator", predictor)
        if not isinstance(predictor, Predictor):
            raise ValueError(f"{predictor.path}: a shower is made by one generator, not by several: load one bundle")
        return cls(predictor=predictor, extrapolate=extrapolate)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, extrapolate: bool = False, **settings: Any) -> ShowerGenerator:
        """Shower generator of the bundle at `path`; the settings are those of `cortado.load`.

        Raises:
            ValueError: As `cortado.load`, or if it generates nothing.
        """
        return cls.of(Predictor.load(path, **settings), extrapolate=extrapolate)

    @property
    def path(self) -> str:
        """Path of the bundle."""
        return self.predictor.path

    @property
    def energy_range(self) -> tuple[float, float]:
        """Incident energies of the training [GeV]."""
        energies: tuple[float, float] = self.predictor.use.energy_range  # type: ignore[attr-defined]
        return energies

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
        loaded = self.predictor.loaded()
        representation: Any = loaded.bundle.representation
        empty = np.empty((0, len(representation.features)), np.float32)
        network: Any = loaded.network
        made = generated(self.predictor, network, wanted, network.latent, seed=seed, first=first)
        features = np.concatenate([empty, *made])
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
        return self.predictor.bundle()

    def bundles(self) -> tuple[bundles.Bundle, ...]:
        """The one bundle."""
        return self.predictor.bundles()

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


def generated(
    on: Predictor, network: Callable[..., Tensor], given: Floats, latent: int, *, seed: int, first: int
) -> Iterator[Floats]:
    """What a network makes of conditions and random numbers, batch by batch.

    Args:
        on: Says how large batches are, and where and how exactly they are made.
        network: (conditions, noise) -> features (n, f).
        given: Conditions, shape (n, ...).
        latent: Random numbers of each.
        seed: Of the sample.
        first: Number of the first of them in the sample.
    """

    def features(start: int) -> Floats:
        rows = given[start : start + on.batch_size]
        made: Floats = (
            bundles.run(network, (rows, noise(seed, first + start, len(rows), latent)), on.device).cpu().numpy()
        )
        return made

    starts = range(0, len(given), on.batch_size)
    return cores.each(features, starts, threads=on.threads, device=on.device, precision=on.precision)


def noise(seed: int, first: int, number: int, latent: int) -> Floats:
    """Standard normal random numbers of the showers first, first + 1, ... of a sample, shape (number, latent).

    Those of a shower follow from the seed and its number alone.
    """
    blocks = range(first // _BLOCK, (first + number - 1) // _BLOCK + 1)
    drawn = [np.random.default_rng((seed, block)).standard_normal((_BLOCK, latent), np.float32) for block in blocks]
    start = first % _BLOCK
    own: Floats = np.concatenate([np.empty((0, latent), np.float32), *drawn])[start : start + number]
    return own
