"""Masses drawn from a fitted background: what is sampled in a signal region follows the sidebands' prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortado.searches.background import BackgroundFit

__all__ = ["draw_masses"]

Floats = NDArray[np.float64]
_STEPS = 1000  # of the integral over the window


def draw_masses(fit: BackgroundFit, number: int, *, window: tuple[float, float], seed: int = 0) -> Floats:
    """Masses that follow a fitted function in a window.

    Args:
        fit: Of the background, without the window as a rule.
        number: How many.
        window: Lowest and highest mass [GeV].
        seed: Of the draws.
    Returns:
        Masses [GeV], shape (number,), within the window.
    Raises:
        ValueError: If the number is negative, or the window does not rise or leaves the range of the fit.
    References:
        Hallin et al., Classifying anomalies through outer density estimation (2021), arXiv:2109.00546, section 3.1,
        which takes a kernel density estimate of the masses.
    """
    low, high = window
    if number < 0:
        raise ValueError(f"number is {number}; needed is none or more")
    if not fit.edges[0] <= low < high <= fit.edges[-1]:
        raise ValueError(
            f"window is {window}; needed are two rising masses from {fit.edges[0]:g} to {fit.edges[-1]:g}, as fitted"
        )
    grid = np.linspace(low, high, _STEPS + 1)
    cumulative = np.append(0.0, np.cumsum(fit.function.expected(grid, fit.values)))
    part = np.random.default_rng(seed).random(number)
    return np.asarray(np.interp(part * cumulative[-1], cumulative, grid))
