"""Working points: cuts on a score, with the efficiencies that a labelled sample has there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.statistics import effective_sample_size, require_finite, wilson_error

__all__ = ["WorkingPoint", "efficiency", "working_points"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WorkingPoint:
    """A cut, score >= threshold, with the efficiencies measured on a labelled sample.

    Attributes:
        name: How it is asked for, such as "50%".
        threshold: Smallest score that passes.
        efficiency: Fraction of signal that passes.
        efficiency_err: Its statistical uncertainty, see `efficiency`.
        mistag: Fraction of background that passes.
        mistag_err: Its statistical uncertainty.
        n_signal: Signal jets of the sample, unweighted.
        n_background: Background jets of the sample, unweighted.
    """

    name: str
    threshold: float
    efficiency: float
    efficiency_err: float
    mistag: float
    mistag_err: float
    n_signal: int
    n_background: int


def efficiency(passes: ArrayLike, weights: ArrayLike | None = None) -> tuple[float, float]:
    """Fraction that passes and its statistical uncertainty.

    The uncertainty is half the width of the Wilson score interval at one standard deviation, which stays
    above zero where none or all pass. For weighted jets the binomial variance becomes
    [(1-e)^2 sum_pass w^2 + e^2 sum_fail w^2] / (sum w)^2 and the number of jets the effective one.

    Args:
        passes: Boolean, shape (n,).
        weights: Weights, shape (n,); single ones may be negative, their sum may not.
    Returns:
        Efficiency and uncertainty.
    Raises:
        ValueError: If there are no jets, a weight is not finite, or the weights do not sum to a positive
            number.
    References:
        Brown, Cai, DasGupta, Interval estimation for a binomial proportion (2001), doi:10.1214/ss/1009213286.
    """
    passing = unmasked(passes, bool)
    w = np.ones(len(passing)) if weights is None else unmasked(weights, np.float64)
    require_finite("weights", w)
    if not (total := w.sum()) > 0:
        raise ValueError(f"efficiency of {len(passing)} jets whose weights sum to {total:g}; the sum must be positive")
    e = w[passing].sum() / total
    variance = ((1 - e) ** 2 * (w[passing] ** 2).sum() + e**2 * (w[~passing] ** 2).sum()) / total**2
    return float(e), float(wilson_error(variance, effective_sample_size(w)))


def working_points(
    scores: ArrayLike,
    is_signal: ArrayLike,
    weights: ArrayLike | None = None,
    efficiencies: Iterable[float] = (0.3, 0.5, 0.7, 0.9),
    mistags: Iterable[float] = (),
) -> tuple[WorkingPoint, ...]:
    """Thresholds that keep the wanted fractions of the signal or of the background, with what is then measured.

    Equal scores cannot be separated: the efficiency measured is the smallest one possible that is at least
    the wanted, the mistag rate the largest one that is at most the wanted.

    Args:
        scores: Shape (n,); take jets that the network was not trained on.
        is_signal: Boolean, shape (n,).
        weights: Weights, shape (n,).
        efficiencies: Wanted signal efficiencies, each in (0, 1); 0.5 is named "50%".
        mistags: Wanted mistag rates, each in (0, 1); 0.01 is named "1% mistag".
    Returns:
        One working point for each efficiency, then one for each mistag rate.
    Raises:
        ValueError: If an efficiency or mistag rate is not in (0, 1), a score is not finite, one class has no jets,
            or not a single background jet may pass at a mistag rate.
    """
    score, signal = unmasked(scores), unmasked(is_signal, bool)
    w = np.ones(len(score)) if weights is None else unmasked(weights, np.float64)
    require_finite("scores", score)
    for name, members in (("signal", signal), ("background", ~signal)):
        if not members.any():
            raise ValueError(f"working points need both classes; of {len(score)} jets none is {name}")
    at_efficiency = {f"{100 * x:g}%": _keeping(x, score[signal], w[signal]) for x in efficiencies}
    at_mistag = {f"{100 * x:g}% mistag": passed_by(x, score[~signal], w[~signal]) for x in mistags}
    return tuple(_measured(name, cut, score, signal, w) for name, cut in (at_efficiency | at_mistag).items())


def _keeping(wanted: float, score: NDArray[Any], w: Floats) -> Any:
    """Highest threshold that at least this part of the signal reaches."""
    if not 0 < wanted < 1:
        raise ValueError(f"the efficiency of a working point must lie in (0, 1), got {wanted}")
    descending = np.argsort(-score, kind="stable")
    kept = np.cumsum(w[descending]) / w.sum()
    # The tolerance absorbs rounding of the sum, so that 0.3 of ten jets is three of them.
    return score[descending[np.argmax(kept >= wanted * (1 - 1e-12))]]


def passed_by(wanted: float, score: NDArray[Any], w: Floats) -> Any:
    """Lowest threshold that at most this part of the background reaches."""
    if not 0 < wanted < 1:
        raise ValueError(f"the mistag rate of a working point must lie in (0, 1), got {wanted}")
    descending = np.argsort(-score, kind="stable")
    passed = np.cumsum(w[descending]) / w.sum()
    first_refused = score[descending[np.argmax(passed > wanted * (1 + 1e-12))]]
    if first_refused == score.max():
        raise ValueError(f"a mistag rate of {wanted:g} cannot be measured with {len(score)} background jets")
    # In the precision of the scores: a threshold between two of their numbers would be rounded when compared.
    return np.nextafter(first_refused, np.array(np.inf, score.dtype))


def _measured(name: str, threshold: Any, score: NDArray[Any], signal: NDArray[np.bool_], w: Floats) -> WorkingPoint:
    passes = score >= threshold
    measured, measured_err = efficiency(passes[signal], w[signal])
    mistag, mistag_err = efficiency(passes[~signal], w[~signal])
    return WorkingPoint(
        name=name,
        threshold=float(threshold),
        efficiency=measured,
        efficiency_err=measured_err,
        mistag=mistag,
        mistag_err=mistag_err,
        n_signal=int(signal.sum()),
        n_background=int((~signal).sum()),
    )
