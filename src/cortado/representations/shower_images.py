"""Showers as the energies of their cells: what CaloGAN makes."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike

from cortado.calorimeter import CALOGAN, Geometry, as_geometry, layer_names
from cortado.representations.showers import (
    ShowerInputs,
    cell_names,
    columns,
    record,
    require_generated,
    require_in_range,
    require_range,
)

__all__ = ["ShowerImages"]


@dataclass(frozen=True, kw_only=True)
class ShowerImages:
    """All cells of a shower [GeV], layer after layer.

    Attributes:
        geometry: The calorimeter, also as nested tuples.
        energy_range: Least and greatest incident energy [GeV].

    Raises:
        ValueError: If it is no geometry, or no range.

    References:
        Paganini et al., CaloGAN (2017), arXiv:1712.10321.
    """

    geometry: Geometry = CALOGAN
    energy_range: tuple[float, float] = (1.0, 100.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "geometry", as_geometry(self.geometry))
        require_range(self.energy_range, "ShowerImages")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a shower that this needs."""
        return ("energy", *layer_names(self.geometry))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return cell_names(self.geometry)

    def __call__(self, showers: ak.Array) -> ShowerInputs:
        """Line up the cells of showers.

        Args:
            showers: Showers with `fields`, shape (n,).

        Returns:
            Incident energies and cells.

        Raises:
            KeyError: If they have no energy.
            ValueError: If a layer does not fit the geometry, a number cannot be an energy, or an incident energy is
                outside of the range.
        """
        energy, values = columns(showers, self.geometry, "ShowerImages")
        require_in_range(energy, self.energy_range, "ShowerImages")
        return ShowerInputs(energy.astype(np.float32), values.astype(np.float32))

    def inverse(self, energy: ArrayLike, features: ArrayLike) -> ak.Array:
        """Make showers of features; negative ones give empty cells.

        Args:
            energy: Incident energies [GeV], in the range or not, shape (n,).
            features: Energies of the cells [GeV], shape (n, f).

        Returns:
            Showers with `fields`, shape (n,).

        Raises:
            ValueError: If the shapes do not fit, an energy is not positive and finite, or a feature is not finite.
        """
        energies, made = require_generated(energy, features, sum(self.geometry.sizes), "ShowerImages")
        return record(energies, np.maximum(made, 0), self.geometry)
