"""Jets as clouds of points in the plane of eta and phi: the input of ParticleNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import flat, longest, mask_of, padded
from cortado.representations.features import (
    FEATURES,
    PARTICLENET_FEATURES,
    fields_of,
    flat_features,
    require_centre,
    require_known,
)
from cortado.representations.places import places_by_pt

__all__ = ["PointCloud", "PointCloudInputs"]

_POINTS = ("delta_eta", "delta_phi")


class PointCloudInputs(NamedTuple):
    """Padded clouds of n jets; p is the length of the longest.

    Attributes:
        points: Coordinates delta_eta, delta_phi, in which neighbours are near, shape (n, p, 2).
        features: Shape (n, p, f).
        mask: True where there is a constituent, shape (n, p); points and features are 0 elsewhere.
    """

    points: NDArray[np.float32]
    features: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PointCloud:
    """Constituents as points with features, from the highest pT to the lowest.

    The defaults are those of the paper: its seven features without particle identification, angles relative
    to the jet axis, and delta_eta counted outwards (times the sign of the jet's eta) as in the authors'
    code.

    Attributes:
        features: Names of `features.FEATURES`.
        max_constituents: Of longer jets, the softest constituents beyond this number are left out.
        centre: Origin of the angles: the jet's "axis", or the "centroid" of its constituents, weighted by pT.
        mirror_eta: Multiply delta_eta by the sign of the jet's eta.

    Raises:
        ValueError: If a feature or the centre is unknown, or there is room for no constituent.

    References:
        Qu, Gouskos, ParticleNet: Jet Tagging via Particle Clouds (2019), arXiv:1902.08570, table 1.
    """

    features: tuple[str, ...] = PARTICLENET_FEATURES
    max_constituents: int = 128
    centre: str = "axis"
    mirror_eta: bool = True

    def __post_init__(self) -> None:
        require_known(self.features, FEATURES, "PointCloud")
        require_centre(self.centre, "PointCloud")
        if self.max_constituents < 1:
            raise ValueError(f"PointCloud: max_constituents must be at least 1, got {self.max_constituents}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        return fields_of(self.features, centre=self.centre, mirror_eta=self.mirror_eta)

    def places(self, jets: ak.Array) -> NDArray[np.int64]:
        """Index in the jet's own list of each constituent that is taken, shape (n, p); -1 where there is none."""
        return places_by_pt(jets, self.max_constituents, caller="PointCloud")

    def __call__(self, jets: ak.Array) -> PointCloudInputs:
        """Make the clouds of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            Points, features and mask.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a feature is not finite, or the jets are nested.
        """
        constituents = flat(jets, self.fields, caller="PointCloud")
        names = (*_POINTS, *self.features)
        values = flat_features(constituents, names, centre=self.centre, mirror_eta=self.mirror_eta, caller="PointCloud")
        counts = constituents.counts
        length = longest(counts, self.max_constituents)
        return PointCloudInputs(
            points=padded(values[:, :2], counts, length),
            features=padded(values[:, 2:], counts, length),
            mask=mask_of(counts, length),
        )
