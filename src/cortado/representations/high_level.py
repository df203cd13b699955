"""Jets as a few observables: mass, N-subjettiness ratios, multiplicity, energy correlators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import Constituents, as_float32, flat
from cortado.representations.energy_correlators import RATIOS, correlator_ratios
from cortado.representations.features import require_known

__all__ = ["OBSERVABLES", "HighLevel", "HighLevelInputs", "Observable", "subjettiness_ratio"]

Floats = NDArray[np.float64]


class Observable(NamedTuple):
    """One number of each jet: the fields it is made of, and how."""

    fields: tuple[str, ...]
    compute: Callable[[Constituents], Floats]


def subjettiness_ratio(above: Floats, below: Floats) -> Floats:
    """Ratio of tau_(N+1) to tau_N, which says how much a further axis helps.

    A jet of N constituents or fewer has tau_N = tau_(N+1) = 0: no further axis can help, and the ratio is
    1. A negative tau, with which some ntuples say that it was not computed, gives NaN; so does a ratio to
    zero of what is not zero.

    Args:
        above: tau_(N+1), shape (n,).
        below: tau_N, shape (n,).
    """
    valid = (above >= 0) & (below >= 0) & ((below > 0) | (above == 0))
    ratio = np.divide(above, below, out=np.ones_like(below), where=below > 0)
    return np.where(valid, ratio, np.nan)


def _of_jet(name: str) -> Observable:
    return Observable((name,), lambda jets: jets.columns[name])


def _ratio(above: str, below: str) -> Observable:
    return Observable((above, below), lambda jets: subjettiness_ratio(jets.columns[above], jets.columns[below]))


OBSERVABLES = {
    name: _of_jet(name) for name in ("pt", "eta", "mass", "soft_drop_mass", "tau1", "tau2", "tau3", "tau4")
} | {
    "tau21": _ratio("tau2", "tau1"),
    "tau32": _ratio("tau3", "tau2"),
    "tau43": _ratio("tau4", "tau3"),
    "multiplicity": Observable(("constituents.pt",), lambda jets: jets.counts.astype(np.float64)),
}
"""All observables by name, except the energy correlators.

====================  ============================================================================================
pt, mass              of the jet [GeV]
eta                   of its axis
soft_drop_mass        mass after soft drop, as in the file [GeV]
tau1, tau2, ...       N-subjettiness, as in the file
tau21, tau32, tau43   ratio of two of them, 1 where both are 0
multiplicity          number of constituents
c2, d2, n2            energy correlators of the constituents, see `energy_correlators`; 0 for fewer than three
====================  ============================================================================================
"""

_ANGLES = ("constituents.pt", "constituents.eta", "constituents.phi")


class HighLevelInputs(NamedTuple):
    """Observables of n jets.

    Attributes:
        features: Shape (n, f).
    """

    features: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class HighLevel:
    """Observables of a jet as a whole: the baseline that a network on constituents has to beat.

    Conventions at the edge of definition: ratios of N-subjettiness are 1 where both are 0 (no more
    constituents than axes), C2, D2 and N2 are 0 for fewer than three constituents. Masses, pT and tau are
    taken from the record as they are.

    Attributes:
        features: Names of `OBSERVABLES`, or the energy correlators "c2", "d2", "n2" of `energy_correlators`.
        beta: Exponent of the distances in the energy correlators.
        max_constituents: Use only so many of the hardest constituents in the energy correlators, whose cost
            grows with the third power; None for all.

    Raises:
        ValueError: If a feature is unknown, beta is not positive, or there is room for no constituent.
    """

    features: tuple[str, ...] = ("mass", "soft_drop_mass", "tau21", "tau32", "multiplicity", "c2", "d2", "n2")
    beta: float = 1.0
    max_constituents: int | None = None

    def __post_init__(self) -> None:
        require_known(self.features, (*OBSERVABLES, *RATIOS), "HighLevel")
        if not self.beta > 0:
            raise ValueError(f"HighLevel: beta must be positive, got {self.beta}")
        if self.max_constituents is not None and self.max_constituents < 1:
            raise ValueError(f"HighLevel: max_constituents must be at least 1 or None, got {self.max_constituents}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of a jet that this needs."""
        needed = (OBSERVABLES[name].fields if name in OBSERVABLES else _ANGLES for name in self.features)
        return tuple(dict.fromkeys(field for fields in needed for field in fields))

    def __call__(self, jets: ak.Array) -> HighLevelInputs:
        """Compute the observables of jets.

        Args:
            jets: Jets with `fields`, shape (n,).

        Returns:
            The features.

        Raises:
            KeyError: If a field is missing.
            ValueError: If a feature is not finite, or the jets are nested.
        """
        constituents = flat(jets, self.fields, caller="HighLevel")
        asked = [name for name in self.features if name in RATIOS]
        with np.errstate(invalid="ignore"):
            ratios = correlator_ratios(constituents, asked, beta=self.beta, max_constituents=self.max_constituents)
        values = [
            OBSERVABLES[name].compute(constituents) if name in OBSERVABLES else ratios[name] for name in self.features
        ]
        return HighLevelInputs(as_float32(values, self.features, np.arange(len(jets)), "HighLevel"))
