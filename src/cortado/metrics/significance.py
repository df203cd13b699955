"""What a cut on a score does for a search: by which factor the significance of a signal rises.

With many background events the significance of a signal is S / sqrt(B), and a cut multiplies it by eps_S / sqrt(eps_B):
the significance improvement. Its maximum is found where hardly any background is left, and is that of a fluctuation
unless enough events of it are asked for: a floor, which belongs to every number quoted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.classification import RocCurve, roc
from cortado.statistics import Estimate

__all__ = [
    "SignificanceImprovement",
    "significance_improvement",
    "significance_improvement_at",
    "significance_improvement_of",
]

Floats = NDArray[np.float64]


class SignificanceImprovement(NamedTuple):
    """Significance improvement with every distinct score as the threshold, loosest first.

    The arrays have shape (t,), for thresholds at which at least `floor` background events pass.
    """

    signal_efficiency: Floats
    background_efficiency: Floats
    thresholds: Floats
    improvement: Floats
    error: Floats
    floor: float  # least number of background events that pass
    best: Estimate  # the largest improvement; chosen as such, it is on average too high by part of its error

    def __str__(self) -> str:
        """As one writes it: "13.5 ± 0.6 (at least 25 background events)"."""
        return f"{self.best} (at least {self.floor:g} background events)"


def significance_improvement(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, floor: float = 25
) -> SignificanceImprovement:
    """Significance improvement curve eps_S / sqrt(eps_B) of weighted events, and its maximum.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Larger for signal, shape (n,).
        weights: Weight of each event, shape (n,), none of them negative.
        floor: Least number of background events that a threshold must keep, the effective number where they are
            weighted.
    Raises:
        ValueError: If the input is not fit for `roc`, or there are not so many background events.
    References:
        Gallicchio et al., Multivariate discrimination and the Higgs + W/Z search (2010), arXiv:1010.3698, sec. 2.
    """
    return significance_improvement_of(roc(labels, scores, weights), floor=floor)


def significance_improvement_of(curve: RocCurve, *, floor: float = 25) -> SignificanceImprovement:
    """The same of a ROC curve.

    The relative error is that of eps_S and half that of eps_B, which are independent, in quadrature; both are binomial.
    The number of background events that pass is eps_B times their effective number.

    Args:
        curve: From `roc`.
        floor: Least number of background events that a threshold must keep, at least 1.
    Raises:
        ValueError: If the floor is below 1, or there are not so many background events.
    """
    if not floor >= 1:
        raise ValueError(f"floor = {floor}: at least 1 background event must pass, or a cut improves without end")
    passing = curve.background_efficiency * curve.n_background
    kept = np.flatnonzero(passing >= floor * (1 - 1e-12))[::-1]
    if not len(kept):
        raise ValueError(f"floor = {floor:g}, but there are {curve.n_background:g} background events in all")
    signal, background = curve.signal_efficiency[kept], curve.background_efficiency[kept]
    improvement = signal / np.sqrt(background)
    error = np.hypot(curve.signal_error[kept], signal * curve.background_error[kept] / (2 * background))
    error /= np.sqrt(background)
    best = int(np.argmax(improvement))
    return SignificanceImprovement(
        signal_efficiency=signal,
        background_efficiency=background,
        thresholds=curve.thresholds[kept],
        improvement=improvement,
        error=error,
        floor=floor,
        best=Estimate(float(improvement[best]), float(error[best])),
    )


def significance_improvement_at(curve: RocCurve, background_efficiency: float) -> Estimate:
    """Significance improvement of the loosest threshold that keeps at most this background efficiency.

    The threshold is chosen by the background: eps_B is known as well as the events tell, and how far the threshold is
    off moves eps_S. Both are in the error, as in `significance_improvement`.

    Args:
        curve: From `roc`.
        background_efficiency: In (0, 1], such as 0.002.
    Returns:
        The improvement; NaN where no background passes such a tight cut.
    Raises:
        ValueError: If the efficiency is out of (0, 1].
    """
    if not 0 < background_efficiency <= 1:
        raise ValueError(f"background efficiency {background_efficiency} is out of range: it must be in (0, 1]")
    index = int(np.searchsorted(curve.background_efficiency, background_efficiency * (1 + 1e-12), side="right")) - 1
    signal, background = float(curve.signal_efficiency[index]), float(curve.background_efficiency[index])
    if background == 0:
        return Estimate(math.nan, math.nan)
    relative = float(curve.background_error[index]) / (2 * background)
    error = math.hypot(float(curve.signal_error[index]), signal * relative)
    return Estimate(signal / math.sqrt(background), error / math.sqrt(background))
