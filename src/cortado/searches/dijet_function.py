"""The smooth function that falling dijet mass spectra follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.searches.poisson import Design

__all__ = ["DijetFunction"]

Floats = NDArray[np.float64]
_NODES, _MEASURE = np.polynomial.legendre.leggauss(3)


@dataclass(frozen=True, kw_only=True)
class DijetFunction:
    r"""Events per GeV: :math:`p_0 (1 - x)^{p_1} / x^{p_2 + p_3 \ln x + p_4 \ln^2 x}`, x = mass over collision energy.

    Its logarithm is linear in ln p0, p1, ..., which is how it is fitted. Three parameters end with p2.

    Attributes:
        collision_energy: [GeV], in the units of the masses.
        parameters: How many of p0 to p4 are free: 3, 4 or 5; the others are 0.

    References:
        CDF, Search for new particles decaying into dijets (2008), arXiv:0812.4036; as used by ATLAS and CMS, for
        instance CMS (2019), arXiv:1911.03947, eq. (1).
    """

    collision_energy: float
    parameters: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.collision_energy < np.inf:
            raise ValueError(f"collision_energy is {self.collision_energy}; needed is a positive number of GeV")
        if self.parameters not in (3, 4, 5):
            raise ValueError(f"parameters is {self.parameters}; the function has 3, 4 or 5")

    def terms(self, mass: ArrayLike) -> Floats:
        """Factors of ln p0, p1, p2, ... in the logarithm of the function, shape (..., parameters)."""
        x = np.asarray(mass, np.float64) / self.collision_energy
        self._require_inside(np.asarray(mass), x >= 1)
        log = np.log(x)
        every = (np.ones_like(x), np.log1p(-x), -log, -(log**2), -(log**3))
        return np.stack(every[: self.parameters], axis=-1)

    def density(self, mass: ArrayLike, values: ArrayLike) -> Floats:
        """Events per GeV at masses (...), for the values (parameters,) of ln p0, p1, p2, ..."""
        return np.asarray(np.exp(self.terms(mass) @ np.asarray(values, np.float64)))

    def design(self, edges: ArrayLike) -> Design:
        """What the fit needs of the bins: terms and lengths at three nodes of each (Gauss and Legendre)."""
        bins = np.asarray(edges, np.float64)
        self._require_inside(bins, bins > self.collision_energy)
        half = np.diff(bins)[:, np.newaxis] / 2
        nodes = (bins[:-1] + bins[1:])[:, np.newaxis] / 2 + half * _NODES
        return Design(self.terms(nodes), half * _MEASURE)

    def expected(self, edges: ArrayLike, values: ArrayLike) -> Floats:
        """Events in each bin, the integral of the density, shape (bins,)."""
        design = self.design(edges)
        counts: Floats = (design.measure * np.exp(design.terms @ np.asarray(values, np.float64))).sum(axis=-1)
        return counts

    def _require_inside(self, mass: NDArray[Any], above: NDArray[np.bool_]) -> None:
        if np.any(outside := above | (mass <= 0)):
            raise ValueError(
                f"a mass of {mass[outside][0]:g} is out of (0, {self.collision_energy:g}), where the function is "
                "defined: mass and collision_energy must have one unit"
            )
