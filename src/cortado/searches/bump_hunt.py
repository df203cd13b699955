"""The hunt for a bump: the most improbable window of a mass spectrum, and how probable one like it is anywhere."""

from __future__ import annotations

from typing import NamedTuple

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cortado.searches.background import BackgroundFit, fit_of, require_converged, toy_p_value
from cortado.searches.dijet_function import DijetFunction
from cortado.searches.poisson import Design, PoissonFits, fit_poisson
from cortado.searches.resonance import SignalShape
from cortado.searches.spectrum import spectrum, trimmed
from cortado.searches.windows import excess, windows
from cortado.statistics import Estimate

__all__ = ["BumpHunt", "Windows", "bump_hunt"]

Floats = NDArray[np.float64]


class Windows(NamedTuple):
    """All windows that were looked into, columns of shape (windows,).

    Attributes:
        low: Lower edge [GeV].
        high: Upper edge [GeV].
        observed: Events.
        expected: Background predicted by the sidebands of the window.
        error: Its uncertainty by the fit.
        p_value: Local p-value of the excess, see `excess`.
        significance: The same in standard deviations.
    """

    low: Floats
    high: Floats
    observed: Floats
    expected: Floats
    error: Floats
    p_value: Floats
    significance: Floats


class BumpHunt(NamedTuple):
    """Result of a hunt.

    Attributes:
        mass: Centre of the most improbable window [GeV].
        width: Its width [GeV].
        observed: Events in it.
        expected: Background in it, predicted by its sidebands.
        local_p: Its local p-value.
        global_p: Part of background-only toys whose most improbable window is as improbable, with binomial error.
        windows: All windows.
        toys: Largest significance in each toy, shape (toys,).
        background: Fit of the background to all bins, from which the toys are.
        shape: Of the signal that was looked for.
    """

    mass: float
    width: float
    observed: float
    expected: Estimate
    local_p: float
    global_p: Estimate
    windows: Windows
    toys: Floats
    background: BackgroundFit
    shape: SignalShape

    @property
    def local_significance(self) -> float:
        """Significance of the most improbable window, in standard deviations."""
        return float(self.windows.significance.max())

    @property
    def global_significance(self) -> float:
        """The global p-value in standard deviations."""
        return float(-ndtri(self.global_p.value))

    def __str__(self) -> str:
        """As one writes it."""
        return (
            f"{self.mass:.4g} GeV, window {self.width:.3g} GeV: {self.observed:g} events, expected {self.expected}; "
            f"local p = {self.local_p:.2g} ({self.local_significance:.1f} sigma), global p = "
            f"{self.global_p.value:.2g} ± {self.global_p.error:.1g} ({len(self.toys)} toys)"
        )


def bump_hunt(
    counts: hist.Hist | ArrayLike,
    edges: ArrayLike | None = None,
    *,
    function: DijetFunction,
    shape: SignalShape,
    widths: tuple[float, ...] = (2.0, 3.0, 4.0),
    sidebands: int = 3,
    toys: int = 1000,
    seed: int = 0,
) -> BumpHunt:
    """Look into all windows of some widths for an excess over what their sidebands predict.

    The statistic of the hunt is the largest significance of all windows, that is the smallest local p-value. Toys are
    drawn from the function fitted to all bins, and hunted like the data: every window of every toy has a fit of its
    own sidebands. With a signal in the data that fit is too high, which makes the global p-value too large, not too
    small. Bins as wide as a third of the resolution to one of it do well.

    Args:
        counts: Histogram of one axis, or events in each bin; see `spectrum`. Empty bins before the first event are
            left out.
        edges: Of the bins [GeV], with arrays only.
        function: Of the background; see `choose_function`.
        shape: Of the signal: its resolution sets the widths of the windows.
        widths: Of the windows, in standard deviations of the signal.
        sidebands: Bins that a window must have on each side.
        toys: Background-only pseudo-experiments.
        seed: Of the toys.
    Raises:
        ValueError: As `fit_background`; if there are no toys, or no window has sidebands.
        RuntimeError: If a fit finds no maximum.
    References:
        Choudalakis, On hypothesis testing, trials factor, hypertests and the BumpHunter (2011), arXiv:1101.0390.
    Example:
        >>> rng = np.random.default_rng(1)
        >>> edges = np.linspace(2000, 6000, 41)
        >>> background = DijetFunction(collision_energy=13000, parameters=3).expected(edges, (-12.0, 8.0, 6.0))
        >>> data = rng.poisson(background + 150 * SignalShape(resolution=0.04).parts(edges, 3500))
        >>> hunt = bump_hunt(
        ...     data, edges, function=DijetFunction(collision_energy=13000), shape=SignalShape(resolution=0.04), toys=50
        ... )
        >>> abs(hunt.mass - 3500) < 2 * 0.04 * 3500
        True
    """
    if toys < 1:
        raise ValueError(f"toys is {toys}; a global p-value needs at least 1")
    mass_spectrum = trimmed(spectrum(counts, edges))
    everything = np.ones(len(mass_spectrum.counts), bool)
    # Before the windows: too few bins for the function is the plainer thing to say.
    background = fit_of(mass_spectrum, function, everything)
    chosen = windows(mass_spectrum.edges, shape, widths, sidebands)
    observed = _scan(mass_spectrum.counts[np.newaxis], background, chosen)
    drawn = np.random.default_rng(seed).poisson(background.expected, (toys, len(mass_spectrum.counts)))
    largest = _scan(drawn.astype(np.float64), background, chosen).significance.max(axis=1)
    table = Windows(
        *(np.array([mass_spectrum.edges[window[side]] for window in chosen]) for side in (0, 1)),
        *(column[0] for column in observed),
    )
    best = int(table.significance.argmax())
    return BumpHunt(
        mass=float(table.low[best] + table.high[best]) / 2,
        width=float(table.high[best] - table.low[best]),
        observed=float(table.observed[best]),
        expected=Estimate(float(table.expected[best]), float(table.error[best])),
        local_p=float(table.p_value[best]),
        global_p=toy_p_value(largest, float(table.significance[best])),
        windows=table,
        toys=largest,
        background=background,
        shape=shape,
    )


class _Scan(NamedTuple):
    """Of t histograms, each of shape (t, windows)."""

    observed: Floats
    expected: Floats
    error: Floats
    p_value: Floats
    significance: Floats


def _scan(counts: Floats, background: BackgroundFit, chosen: list[tuple[int, int]]) -> _Scan:
    """Every window of every histogram (t, bins), each with its own fit of the sidebands."""
    design = background.function.design(background.edges)
    near = np.broadcast_to(background.values, (len(counts), len(background.values)))
    start = _fitted(design, counts, background, background.fitted, near).values
    columns = [_look(design, counts, background, window, start) for window in chosen]
    return _Scan(*(np.stack(column, axis=1) for column in zip(*columns)))


def _look(
    design: Design, counts: Floats, background: BackgroundFit, window: tuple[int, int], start: Floats
) -> tuple[Floats, ...]:
    """Columns (t,) of `_Scan` of one window."""
    inside = slice(*window)
    fitted = background.fitted.copy()
    fitted[inside] = False
    fits = _fitted(design, counts, background, fitted, start)
    observed, expected = counts[:, inside].sum(axis=1), fits.expected[:, inside].sum(axis=1)
    slope = fits.jacobian[:, inside].sum(axis=1)
    error = np.sqrt(np.einsum("tk,tkl,tl->t", slope, fits.covariance, slope))
    return (observed, expected, error, *excess(observed, expected, error))


def _fitted(
    design: Design, counts: Floats, background: BackgroundFit, fitted: NDArray[np.bool_], start: Floats
) -> PoissonFits:
    fits = fit_poisson(design, counts, fitted, start=start)
    require_converged(fits, background.function)
    return fits
