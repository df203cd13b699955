"""Showers as a few observables: energies, depths, centres and widths."""

from dataclasses import dataclass

import awkward as ak
import numpy as np

from cortado.calorimeter import CALOGAN, Geometry, as_geometry, layer_names, shape_names, shower_shapes
from cortado.representations.features import require_known
from cortado.representations.showers import ShowerFeatures, columns

__all__ = ["ShowerShapes"]


@dataclass(frozen=True, kw_only=True)
class ShowerShapes:
    """High-level features: log10 of the incident energy [GeV], then shower shapes as `calorimeter.shapes` has them.

    The default leaves out `depth`, which is the same for nearly all showers of some GeV: `scaling.fit` raises for a
    feature that is constant.

    Attributes:
        geometry: The calorimeter, also as nested tuples.
        shapes: Names of `calorimeter.shape_names`; None for all but `depth`.
        threshold: Cells of at most this energy [GeV] are taken for empty.

    Raises:
        ValueError: If it is no geometry, a shape is unknown, or the threshold is negative or not finite.

    References:
        Krause, Shih, CaloFlow (2021), arXiv:2106.05285.
        Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611.
    """

    geometry: Geometry = CALOGAN
    shapes: tuple[str, ...] | None = None
    threshold: float = 0.0

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
        shapes = shape_names(self.geometry) if self.shapes is None else self.shapes
        return ("log10_energy", *(name for name in shapes if self.shapes or name != "depth"))

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
        energy, _ = columns(showers, self.geometry, "ShowerShapes")
        shapes = shower_shapes(showers, self.geometry, threshold=self.threshold)
        features = [np.log10(energy), *(shapes[name] for name in self.features[1:])]
        return ShowerFeatures(np.stack(features, axis=1).astype(np.float32))
