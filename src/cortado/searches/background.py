"""The smooth background of a mass spectrum, from the whole of it or from its sidebands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cortado.searches.dijet_function import DijetFunction
from cortado.searches.poisson import PoissonFits, fit_poisson
from cortado.searches.spectrum import Spectrum, spectrum, trimmed
from cortado.statistics import Estimate, proportion

__all__ = ["BackgroundFit", "FunctionChoice", "choose_function", "fit_background", "goodness_of_fit"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class BackgroundFit(NamedTuple):
    """A fitted background.

    Attributes:
        function: What was fitted.
        edges: Of the bins [GeV], from the first with events on.
        counts: Events, shape (bins,).
        fitted: Bins that took part: not those of the masked window, shape (bins,).
        values: Of ln p0, p1, p2, ..., shape (parameters,).
        covariance: Of the values, from the expected information, shape (parameters, parameters).
        expected: Background in every bin, in the window that of the sidebands, shape (bins,).
        jacobian: Derivatives of the expected counts by the values, shape (bins, parameters).
        deviance: Poisson likelihood chi-square of the fitted bins.
        degrees: Fitted bins with events, less parameters.
    """

    function: DijetFunction
    edges: Floats
    counts: Floats
    fitted: Mask
    values: Floats
    covariance: Floats
    expected: Floats
    jacobian: Floats
    deviance: float
    degrees: int

    @property
    def p_value(self) -> float:
        """Probability of a larger deviance, were it a chi-square; see `goodness_of_fit` where bins hold few events."""
        return float(stats.chi2.sf(self.deviance, self.degrees))

    @property
    def error(self) -> Floats:
        """Uncertainty of the expected counts by the fit, shape (bins,)."""
        variance = np.einsum("bk,kl,bl->b", self.jacobian, self.covariance, self.jacobian)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def prediction(self, bins: slice | Mask) -> Estimate:
        """Background expected in some bins together, with the uncertainty of the fit."""
        slope = self.jacobian[bins].sum(axis=0)
        return Estimate(float(self.expected[bins].sum()), float(np.sqrt(slope @ self.covariance @ slope)))


class FunctionChoice(NamedTuple):
    """How many parameters a spectrum asks for.

    Attributes:
        function: The function with that many.
        fits: One for each number of parameters, rising.
        p_values: Of the F-test of each further parameter, one fewer than fits.
    """

    function: DijetFunction
    fits: tuple[BackgroundFit, ...]
    p_values: tuple[float, ...]


def fit_background(
    counts: hist.Hist | ArrayLike,
    edges: ArrayLike | None = None,
    *,
    function: DijetFunction,
    window: tuple[float, float] | None = None,
    sidebands: int = 3,
) -> BackgroundFit:
    """Maximum of the Poisson likelihood of the bins, the function being integrated over each.

    Empty bins before the first event are left out, for there lies the threshold of a trigger. Those after the last
    take part: that nothing is there is a measurement.

    Args:
        counts: Histogram of one axis, or events in each bin; see `spectrum`.
        edges: Of the bins [GeV], with arrays only.
        function: To be fitted.
        window: Masses [GeV] that take no part; every bin that reaches into it is left out.
        sidebands: Bins that must be left on each side of the window.
    Raises:
        ValueError: As `spectrum`; if there are too few bins for the parameters, or the window has no sidebands.
        RuntimeError: If the fit finds no maximum.
    """
    mass_spectrum = trimmed(spectrum(counts, edges))
    fitted = np.ones(len(mass_spectrum.counts), bool)
    if window is not None:
        fitted = outside(mass_spectrum.edges, window, sidebands)
    return fit_of(mass_spectrum, function, fitted)


def outside(edges: Floats, window: tuple[float, float], sidebands: int) -> Mask:
    """Bins of the sidebands of a window, shape (bins,).

    Raises:
        ValueError: If the window does not rise, or fewer bins than needed are beside it.
    """
    low, high = window
    if not low < high:
        raise ValueError(f"window is {window}; needed are two rising masses")
    below, above = int((edges[1:] <= low).sum()), int((edges[:-1] >= high).sum())
    if min(below, above) < sidebands:
        raise ValueError(
            f"the signal region {low:g} to {high:g} has no sidebands: of the bins from the first event on, "
            f"{edges[0]:g} to {edges[-1]:g}, {below} lie below and {above} above it; needed are {sidebands} on each "
            "side"
        )
    beside: Mask = (edges[1:] <= low) | (edges[:-1] >= high)
    return beside


def fit_of(mass_spectrum: Spectrum, function: DijetFunction, fitted: Mask) -> BackgroundFit:
    """Fit of a checked spectrum in the bins of a mask; errors as `fit_background`."""
    require_bins(mass_spectrum, function, fitted)
    fits = fit_poisson(function.design(mass_spectrum.edges), mass_spectrum.counts[np.newaxis], fitted)
    require_converged(fits, function)
    degrees = int((mass_spectrum.counts[fitted] > 0).sum()) - function.parameters
    return BackgroundFit(
        function=function,
        edges=mass_spectrum.edges,
        counts=mass_spectrum.counts,
        fitted=fitted,
        values=fits.values[0],
        covariance=fits.covariance[0],
        expected=fits.expected[0],
        jacobian=fits.jacobian[0],
        deviance=float(fits.deviance[0]),
        degrees=degrees,
    )


def require_bins(mass_spectrum: Spectrum, function: DijetFunction, fitted: Mask, further: int = 0) -> None:
    """Refuse spectra with fewer fitted bins than parameters (and further ones) plus one, or empty sidebands."""
    parameters = function.parameters + further
    if (bins := int(fitted.sum())) <= parameters:
        raise ValueError(
            f"{bins} bins from the first event on are too few for {parameters} parameters: needed are {parameters + 1}"
        )
    filled = int((mass_spectrum.counts[fitted] > 0).sum())
    if filled <= parameters:
        raise ValueError(
            f"only {filled} of {bins} fitted bins have events: too few for {parameters} parameters, needed are "
            f"{parameters + 1}"
        )


def require_converged(fits: PoissonFits, function: DijetFunction) -> None:
    """Refuse fits of which one has found no maximum."""
    if failed := int((~fits.converged).sum()):
        raise RuntimeError(
            f"{failed} of {len(fits.converged)} fits of {function.parameters} parameters found no maximum of the "
            "likelihood: take fewer parameters, wider bins, or a range without a threshold"
        )


def goodness_of_fit(fit: BackgroundFit, *, toys: int = 1000, seed: int = 0) -> Estimate:
    """Probability of a larger deviance, from toys of the fitted background that are fitted again.

    Args:
        fit: The fit.
        toys: Number of them.
        seed: Of the toys.
    """
    counts = np.random.default_rng(seed).poisson(fit.expected, (toys, len(fit.expected))).astype(np.float64)
    start = np.broadcast_to(fit.values, (toys, len(fit.values)))
    fits = fit_poisson(fit.function.design(fit.edges), counts, fit.fitted, start=start)
    require_converged(fits, fit.function)
    return toy_p_value(fits.deviance, fit.deviance)


def toy_p_value(toys: Floats, observed: float) -> Estimate:
    """Part of toys at or beyond what is observed, itself counted as one of them, and its binomial error.

    References:
        Phipson, Smyth, Permutation p-values should never be zero (2010), arXiv:1603.05766.
    """
    beyond = int((toys >= observed).sum())
    counted = proportion(beyond, len(toys) - beyond, beyond, len(toys) - beyond)
    return Estimate((beyond + 1) / (len(toys) + 1), counted.error)


def choose_function(
    counts: hist.Hist | ArrayLike,
    edges: ArrayLike | None = None,
    *,
    collision_energy: float,
    candidates: Sequence[int] = (3, 4, 5),
    size: float = 0.05,
    window: tuple[float, float] | None = None,
) -> FunctionChoice:
    r"""Fewest parameters that suffice: one more is taken as long as an F-test prefers it.

    :math:`F = (D_1 - D_2) / (k_2 - k_1) \cdot (n - k_2) / D_2` of the deviances D of k parameters in n bins
    with events.

    Args:
        counts: As for `fit_background`.
        edges: Likewise.
        collision_energy: [GeV].
        candidates: Numbers of parameters, rising.
        size: Probability with which a further parameter is taken that is not needed.
        window: As for `fit_background`.
    Raises:
        ValueError: As `fit_background`; if candidates do not rise.
    References:
        Fisher, On the interpretation of chi-square (1922), doi:10.2307/2340521; as CMS chooses, arXiv:1911.03947.
    """
    if not candidates or list(candidates) != sorted(set(candidates)):
        raise ValueError(f"candidates are {tuple(candidates)}; needed are rising numbers of parameters, as (3, 4, 5)")
    function = DijetFunction(collision_energy=collision_energy, parameters=candidates[0])
    fits = tuple(
        fit_background(counts, edges, function=replace(function, parameters=k), window=window) for k in candidates
    )
    p_values = tuple(_f_test(simple, full) for simple, full in pairwise(fits))
    taken = next((i for i, p in enumerate(p_values) if p >= size), len(p_values))
    return FunctionChoice(fits[taken].function, fits, p_values)


def _f_test(simple: BackgroundFit, full: BackgroundFit) -> float:
    further = simple.degrees - full.degrees
    gained = max(simple.deviance - full.deviance, 0.0)
    return float(stats.f.sf(gained / further * full.degrees / max(full.deviance, 1e-300), further, full.degrees))
