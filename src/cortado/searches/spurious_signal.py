"""Signal that a fit finds where there is none: the bias of a background function."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.searches.background import require_bins, require_converged
from cortado.searches.dijet_function import DijetFunction
from cortado.searches.poisson import fit_poisson
from cortado.searches.resonance import SignalShape, require_mass
from cortado.searches.spectrum import Spectrum, spectrum
from cortado.statistics import require_finite

__all__ = ["SpuriousSignal", "spurious_signal"]

Floats = NDArray[np.float64]


class SpuriousSignal(NamedTuple):
    """Signal fitted to background-only samples, columns of shape (masses,).

    Attributes:
        masses: At which a signal was fitted [GeV].
        events: Mean number of signal events over the samples: the bias.
        error: Of the mean, from the scatter of the samples; of one sample the error of its fit.
        statistical: Mean error of the strength in one sample, to compare the bias with.
        fitted: Signal events of every sample, shape (samples, masses).
        fitted_error: Their errors by the fit, shape (samples, masses).
    """

    masses: Floats
    events: Floats
    error: Floats
    statistical: Floats
    fitted: Floats
    fitted_error: Floats

    @property
    def relative(self) -> Floats:
        """Bias over the error of one sample; experiments ask for less than 0.2 to 0.5."""
        return self.events / self.statistical

    @property
    def pulls(self) -> Floats:
        """Fitted signal over its error, shape (samples, masses); standard normal without a bias."""
        return self.fitted / self.fitted_error


def spurious_signal(
    samples: ArrayLike,
    edges: ArrayLike,
    *,
    function: DijetFunction,
    shape: SignalShape,
    masses: ArrayLike,
) -> SpuriousSignal:
    """Fit signal and background to samples that hold background alone.

    All samples have one range: bins before the first event of any are left out.

    Args:
        samples: Counts of background-only samples, simulated or resampled, shape (samples, bins), or one, (bins,); an
            expectation, which need not be whole, gives the bias without its statistical error.
        edges: Of the bins [GeV], shape (bins + 1,).
        function: Of the background.
        shape: Of the signal.
        masses: At which to fit a signal [GeV].
    Raises:
        ValueError: As `fit_background`, for each sample; if a mass is outside of the bins.
        RuntimeError: If a fit finds no maximum.
    References:
        ATLAS, Recommendations for the modeling of smooth backgrounds (2020), ATL-PHYS-PUB-2020-028, section 2.
    """
    counts, bins, signals = _checked(samples, edges, masses)
    fitted = np.ones(counts.shape[1], bool)
    for each in counts:
        require_bins(Spectrum(each, bins), function, fitted, further=1)
    design = function.design(bins)
    start = fit_poisson(design, counts, fitted).values
    events, errors = np.empty((2, len(counts), len(signals)))
    for column, mass in enumerate(signals):
        fits = fit_poisson(design, counts, fitted, start=start, signal=shape.parts(bins, mass))
        require_converged(fits, function)
        events[:, column], errors[:, column] = fits.values[:, -1], np.sqrt(fits.covariance[:, -1, -1])
    single = len(counts) == 1
    scatter = errors[0] if single else events.std(axis=0, ddof=1) / np.sqrt(len(counts))
    return SpuriousSignal(signals, events.mean(axis=0), scatter, errors.mean(axis=0), events, errors)


def _checked(samples: ArrayLike, edges: ArrayLike, masses: ArrayLike) -> tuple[Floats, Floats, Floats]:
    counts = np.atleast_2d(np.asarray(samples, np.float64))
    if counts.ndim != 2 or not len(counts):
        raise ValueError(f"samples have shape {np.shape(samples)}; needed is (samples, bins), one sample or more")
    every = [spectrum(each, edges) for each in counts]
    first = int(np.flatnonzero(counts.any(axis=0))[0])
    bins = every[0].edges[first:]
    signals = np.atleast_1d(np.asarray(masses, np.float64))
    require_finite("masses", signals)
    for mass in signals:
        require_mass(bins, mass)
    return counts[:, first:], bins, signals
