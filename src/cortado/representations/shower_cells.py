"""Showers as a classifier of generated and simulated ones sees them: all cells, and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from cortado.calorimeter import CALOGAN, Geometry, as_geometry, layer_names
from cortado.names import require_one_of
from cortado.representations.showers import ShowerFeatures, cell_names, columns, layer_energies, log10_energies

__all__ = ["NORMS", "ShowerCells"]

NORMS = ("incident", "layer", "logarithm")
"""What the energies of the cells can be divided by, or how else they are brought to order one."""


@dataclass(frozen=True, kw_only=True)
class ShowerCells:
    """Low-level features: log10 of the energies of particle and layers, then all cells.

    The energies of the cells are divided by the incident energy, or by the energy of their layer, which shows better
    what weak layers look like; CaloFlow and the CaloChallenge have both. "logarithm" is log10(1 + energy / threshold),
    which shows a network the weak cells as well: some thousand showers teach it far more than the shares do. All are of
    order one as they are, and cells that are empty in all showers of a sample, as there often are, would make
    `scaling.fit` raise.

    Attributes:
        geometry: The calorimeter, also as nested tuples.
        normalise: One of `NORMS`.
        threshold: Cells of at most this energy [GeV] are taken for empty; the logarithm needs one.

    Raises:
        ValueError: If it is no geometry, or an unknown norm, or the threshold is negative or not finite, or 0 for the
            logarithm.

    References:
        Krause, Shih, CaloFlow (2021), arXiv:2106.05285, whose log10(E / 100 GeV + 1e-8) + 2 is log10(E / GeV + 1e-6).
        Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611.
    """

    geometry: Geometry = CALOGAN
    normalise: str = "incident"
    threshold: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometry", as_geometry(self.geometry))
        require_one_of("ShowerCells: normalise", self.normalise, NORMS)
        if not 0 <= self.threshold < np.inf:
            raise ValueError(f"ShowerCells: threshold must be finite and not negative, got {self.threshold} GeV")
        if self.normalise == "logarithm" and self.threshold == 0:
            raise ValueError("ShowerCells: the logarithm needs a threshold [GeV] above 0")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a shower that this needs."""
        return ("energy", *layer_names(self.geometry))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        energies = (f"log10_energy_{index}" for index in range(len(self.geometry.layers)))
        return ("log10_energy", *energies, *cell_names(self.geometry))

    def __call__(self, showers: ak.Array) -> ShowerFeatures:
        """Compute the features of showers.

        Args:
            showers: Showers with `fields`, shape (n,).

        Returns:
            The features.

        Raises:
            KeyError: If they have no energy.
            ValueError: If a layer does not fit the geometry, or a number cannot be an energy.
        """
        energy, values = columns(showers, self.geometry, "ShowerCells")
        values = np.where(values > self.threshold, values, 0)
        incident, by_layer = energy[:, np.newaxis], layer_energies(values, self.geometry)
        if self.normalise == "logarithm":
            scaled = np.log10(1 + values / self.threshold)
        else:
            norm = incident if self.normalise == "incident" else np.repeat(by_layer, self.geometry.sizes, axis=1)
            scaled = np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)
        features = np.concatenate([np.log10(incident), log10_energies(by_layer), scaled], axis=1)
        return ShowerFeatures(features.astype(np.float32))
