"""A resonance in mass, and its strength above the smooth background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from cortado.searches.background import BackgroundFit, fit_of, require_bins, require_converged
from cortado.searches.dijet_function import DijetFunction
from cortado.searches.poisson import fit_poisson
from cortado.searches.spectrum import spectrum, trimmed
from cortado.statistics import Estimate

__all__ = ["SignalFit", "SignalShape", "fit_signal"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SignalShape:
    """A narrow resonance as it is measured: a Gaussian.

    Attributes:
        resolution: Standard deviation over the mass, such as 0.04.
    """

    resolution: float

    def __post_init__(self) -> None:
        if not 0 < self.resolution < 1:
            raise ValueError(f"resolution is {self.resolution}; needed is a standard deviation over mass in (0, 1)")

    def width(self, mass: ArrayLike) -> Floats:
        """Standard deviation [GeV]."""
        return np.asarray(self.resolution * np.asarray(mass, np.float64))

    def parts(self, edges: ArrayLike, mass: float) -> Floats:
        """Part of the signal in each bin, shape (bins,); what is outside of the edges is in none."""
        return np.diff(ndtr((np.asarray(edges, np.float64) - mass) / self.width(mass)))


class SignalFit(NamedTuple):
    """Signal and background fitted together to all bins.

    Attributes:
        mass: Of the signal [GeV].
        events: Signal events in the whole Gaussian; may be negative.
        significance: Signed root of the likelihood ratio to no signal.
        background: Background that goes with the signal, shape (bins,).
        signal: Signal in the bins, shape (bins,).
        alone: Fit of the background without signal.
    """

    mass: float
    events: Estimate
    significance: float
    background: Floats
    signal: Floats
    alone: BackgroundFit


def fit_signal(
    counts: hist.Hist | ArrayLike,
    edges: ArrayLike | None = None,
    *,
    function: DijetFunction,
    shape: SignalShape,
    mass: float,
) -> SignalFit:
    """Strength of a resonance at a given mass, over a background that is fitted with it.

    Args:
        counts: As for `fit_background`.
        edges: Likewise.
        function: Of the background.
        shape: Of the signal.
        mass: Of the signal [GeV].
    Raises:
        ValueError: As `fit_background`; if the mass lies outside of the bins.
        RuntimeError: If the fit finds no maximum.
    References:
        Cowan et al., Asymptotic formulae for likelihood-based tests (2010), arXiv:1007.1727, eq. (12) and (52).
    """
    mass_spectrum = trimmed(spectrum(counts, edges))
    require_mass(mass_spectrum.edges, mass)
    fitted = np.ones(len(mass_spectrum.counts), bool)
    require_bins(mass_spectrum, function, fitted, further=1)
    alone = fit_of(mass_spectrum, function, fitted)
    parts = shape.parts(mass_spectrum.edges, mass)
    fits = fit_poisson(
        function.design(mass_spectrum.edges),
        mass_spectrum.counts[np.newaxis],
        fitted,
        start=alone.values[np.newaxis],
        signal=parts,
    )
    require_converged(fits, function)
    events = Estimate(float(fits.values[0, -1]), float(np.sqrt(fits.covariance[0, -1, -1])))
    gained = max(alone.deviance - float(fits.deviance[0]), 0.0)
    signal = events.value * parts
    significance = float(np.sign(events.value) * np.sqrt(gained))
    return SignalFit(mass, events, significance, fits.expected[0] - signal, signal, alone)


def require_mass(edges: Floats, mass: float) -> None:
    """Refuse a mass of the signal outside of the bins."""
    if not edges[0] < mass < edges[-1]:
        raise ValueError(
            f"a signal at {mass:g} is outside of the bins from the first event on, {edges[0]:g} to {edges[-1]:g}"
        )
