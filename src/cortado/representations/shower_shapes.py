"""Showers as a few observables: energies, depths, centres and widths."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from cortado.calorimeter import CALOGAN, Geometry, as_geometry, layer_names, shape_names, shower_shapes
from cortado.representations.features import require_known
from cortado.representations.showers import ShowerFeatures, columns, layer_energies, log10_energies

__all__ = ["ShowerShapes"]


@dataclass(frozen=True, kw_only=True)
class ShowerShapes:
    """High-level features: log10 of the incident energy [GeV], then shower shapes as `calorimeter.shapes` has them.

    The default leaves out `depth`, which is the same for nearly all showers of some GeV: `scaling.fit` raises for a
    feature that is constant.

    Energies span orders of magnitude, and where a layer has few hit cells each one counts: with `logarithms` a network
    sees the weak layers as well, by log10 of the energy of each layer (+ 1 keV) and of its number of hit cells (+ 1).

    Attributes:
        geometry: The calorimeter, also as nested tuples.
        shapes: Names of `calorimeter.shape_names`; None for all but `depth`.
        threshold: Cells of at most this energy [GeV] are taken for empty.
        logarithms: Whether these follow the shapes.

    Raises:
        ValueError: If it is no geometry, a shape is unknown, or the threshold is negative or not finite.

    References:
        Krause, Shih, CaloFlow (2021), arXiv:2106.05285.
        Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611.
    """

    geometry: Geometry = CALOGAN
    shapes: tuple[str, ...] | None = None
    threshold: float = 0.0
    logarithms: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometry", as_geometry(self.geometry))
        if self.shapes is not None:
            require_known(self.shapes, shape_names(self.geometry), "ShowerShapes")
        if not 0 <= self.threshold < np.inf:
            raise ValueError(f"ShowerShapes: threshold must be finite and not negative, got {self.threshold} GeV")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a shower that this needs."""
        return ("energy", *layer_names(self.geometry))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        numbers = range(len(self.geometry.layers)) if self.logarithms else ()
        logarithms = (f"log10_{what}_{number}" for what in ("energy", "hits") for number in numbers)
        return ("log10_energy", *self._shapes, *logarithms)

    @property
    def _shapes(self) -> tuple[str, ...]:
        return self.shapes or tuple(name for name in shape_names(self.geometry) if name != "depth")

    def __call__(self, showers: ak.Array) -> ShowerFeatures:
        """Compute the shapes of showers.

        Args:
            showers: Showers with `fields`, shape (n,).

        Returns:
            The features.

        Raises:
            KeyError: If they have no energy.
            ValueError: If a layer does not fit the geometry, or a number cannot be an energy.
        """
        energy, values = columns(showers, self.geometry, "ShowerShapes")
        shapes = shower_shapes(showers, self.geometry, threshold=self.threshold)
        features = [np.log10(energy)[:, np.newaxis], np.stack([shapes[name] for name in self._shapes], axis=1)]
        if self.logarithms:
            hit = values > self.threshold
            features.append(log10_energies(layer_energies(np.where(hit, values, 0), self.geometry)))
            features.append(np.log10(1 + layer_energies(hit.astype(np.float64), self.geometry)))
        return ShowerFeatures(np.concatenate(features, axis=1).astype(np.float32))
