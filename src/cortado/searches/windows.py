"""Windows of mass that a bump hunt looks into, and how probable what it sees in one is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, log_ndtr, ndtri, xlogy

from cortado.searches.resonance import SignalShape

__all__ = ["Excess", "excess", "windows"]

Floats = NDArray[np.float64]
_SMALLEST = 1e-290  # below it the incomplete beta function loses its digits


class Excess(NamedTuple):
    """Local p-value and significance of windows, shapes of the counts that they are of."""

    p_value: Floats
    significance: Floats


def windows(edges: Floats, shape: SignalShape, widths: tuple[float, ...], sidebands: int) -> list[tuple[int, int]]:
    """First bin and the one after the last of every window that has its sidebands.

    Around the centre of each bin, for each width, the bins whose centres lie within half a width of it. Windows of
    the same bins count once.

    Args:
        edges: Of the bins, shape (bins + 1,).
        shape: Tells the width of the signal at each mass.
        widths: Of the windows, in standard deviations of the signal.
        sidebands: Bins that must be left on each side.
    Raises:
        ValueError: If a width is not positive, or there is no such window.
    """
    if not widths or min(widths) <= 0:
        raise ValueError(f"widths are {widths}; needed are positive numbers of standard deviations, as (2, 3)")
    centres = (edges[:-1] + edges[1:]) / 2
    reach = np.multiply.outer(np.asarray(widths) / 2, shape.width(centres))
    first, stop = np.searchsorted(centres, centres - reach), np.searchsorted(centres, centres + reach, side="right")
    kept = (first >= sidebands) & (stop <= len(centres) - sidebands)
    if not kept.any():
        raise ValueError(
            f"no window of {widths} standard deviations has {sidebands} bins on each side among {len(centres)} bins "
            f"from {edges[0]:g} to {edges[-1]:g}: sidebands are missing"
        )
    return sorted({(int(low), int(high)) for low, high in zip(first[kept], stop[kept])})


def excess(observed: Floats, expected: Floats, error: Floats) -> Excess:
    r"""How probable so many events or more are, given a background that is known with an error.

    The background is taken as measured by :math:`b \tau` events in a control region that is
    :math:`\tau = b / \sigma^2` times as large, which has its relative error. Of all events that of the window is then
    a binomial part: :math:`p = I_{1 / (1 + \tau)}(n, b \tau + 1)`, the regularised incomplete beta function.
    The same comes from a Gamma prior of the background. Where p is too small for it, the significance is that of the
    profile likelihood of the same problem.

    Args:
        observed: Events n in the window, any shape.
        expected: Background b, of that shape, positive.
        error: Its standard deviation, of that shape.
    References:
        Cousins, Linnemann, Tucker, Evaluation of three methods for calculating statistical significance when
        incorporating a systematic uncertainty into a test of the background-only hypothesis (2007),
        arXiv:physics/0702156: Z_Bi with its correspondence of tau and error; Z_PL, eq. (20).
    """
    background = np.maximum(expected, 1e-12)
    tau = background / np.maximum(error, 1e-9 * background) ** 2
    control = tau * background
    p_value = np.where(observed > 0, betainc(np.maximum(observed, 1e-12), control + 1, 1 / (1 + tau)), 1.0)
    deep = p_value < _SMALLEST
    ratio = xlogy(observed, observed * (1 + tau) / (observed + control))
    ratio = ratio + xlogy(control, background * (1 + tau) / (observed + control))
    profile = np.sqrt(2 * np.maximum(ratio, 0.0))
    significance = np.where(deep, profile, -ndtri(np.clip(p_value, _SMALLEST, 1 - 1e-16)))
    return Excess(np.where(deep, np.exp(log_ndtr(-profile)), p_value), significance)
