"""Jets as sets of particles: the input of energy-flow and particle-flow networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import flat, longest, mask_of, padded
from cortado.representations.features import FEATURES, fields_of, flat_features, require_centre, require_known
from cortado.representations.places import places_by_pt

__all__ = ["ParticleList", "ParticleListInputs"]


class ParticleListInputs(NamedTuple):
    """Padded particles of n jets; p is the length of the longest.

    Attributes:
        features: Shape (n, p, f); 0 where there is no constituent.
        mask: True where there is a constituent, shape (n, p).
    """

    features: NDArray[np.float32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ParticleList:
    """Constituents as a list of particles, from the highest pT to the lowest.

    The defaults are those of the paper: the share of pT, and the angles from the pT-weighted centroid of the
    constituents. An EFN takes the first feature as energy weight. Deviation: pseudorapidity in place of
    rapidity, the same for massless constituents. The paper's PFN-ID is `(..., "particle_code")`.

    Attributes:
        features: Names of `features.FEATURES`.
        max_constituents: Of longer jets, the softest constituents beyond this number are left out; shares
            of pT and the centroid still refer to all.
        centre: Origin of the angles: "centroid", or the jet's "axis".
        mirror_eta: Multiply delta_eta by the sign of the jet's eta.

    Raises:
        ValueError: If a feature or the centre is unknown, or there is room for no constituent.

    References:
        Komiske, Metodiev, Thaler, Energy Flow Networks (2018), arXiv:1810.05165, sec. 3.
    """

    features: tuple[str, ...] = ("pt_fraction", "delta_eta", "delta_phi")
    max_constituents: int = 128
    centre: str = "centroid"
    mirror_eta: bool = False

    def __post_init__(self) -> None:
        require_known(self.features, FEATURES, "ParticleList")
        require_centre(self.centre, "ParticleList")
        if self.max_constituents < 1:
            raise ValueError(f"ParticleList: max_constituents must be at least 1, got {self.max_constituents}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        return fields_of(self.features, centre=self.centre, mirror_eta=self.mirror_eta)

    def places(self, jets: ak.Array) -> NDArray[np.int64]:
        """Index in the jet's own list of each constituent that is taken, shape (n, p); -1 where there is none."""
        return places_by_pt(jets, self.max_constituents, caller="ParticleList")

    def __call__(self, jets: ak.Array) -> ParticleListInputs:
        """Make the lists of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            Features and mask.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a feature is not finite, or the jets are nested.
        """
        constituents = flat(jets, self.fields, caller="ParticleList")
        values = flat_features(
            constituents, self.features, centre=self.centre, mirror_eta=self.mirror_eta, caller="ParticleList"
        )
        length = longest(constituents.counts, self.max_constituents)
        return ParticleListInputs(padded(values, constituents.counts, length), mask_of(constituents.counts, length))
