"""How well a score separates signal from background: ROC curve, area, and rejection, with uncertainties."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.extras import extra
from cortado.metrics.counting import ConfusionMatrix, confusion, confusion_counts
from cortado.metrics.inputs import Binary, binary
from cortado.statistics import Estimate, effective_sample_size, proportion_error, proportion_interval

__all__ = [
    "ConfusionMatrix",
    "RocCurve",
    "auc",
    "background_at",
    "confusion",
    "confusion_counts",
    "rejection",
    "rejection_at",
    "roc",
]

Floats = NDArray[np.float64]


class RocCurve(NamedTuple):
    """Efficiencies of signal and background with every distinct score as the threshold, tightest first.

    The arrays have shape (t + 1,) for t distinct scores. An event passes if its score is at least the
    threshold; the first threshold is infinite and passes nothing. With negative weights efficiencies may fall on the
    way: the tightest threshold of an efficiency is the first that reaches it.
    """

    signal_efficiency: Floats
    background_efficiency: Floats
    thresholds: Floats
    signal_error: Floats
    background_error: Floats
    n_signal: float  # effective number of events, (sum w)^2 / sum w^2
    n_background: float
    auc: Estimate


def roc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> RocCurve:
    """ROC curve of weighted events; both efficiencies have the binomial errors of `statistics.proportion`.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Larger for signal, shape (n,).
        weights: Weight of each event, shape (n,); single ones may be negative.
    Raises:
        ValueError: If the input is not as above, contains NaN or infinity, or lacks one of the classes.
    """
    events = binary(labels, scores, weights, signed=True)
    background, signal, thresholds = _curve(events, events.weights)
    background_w2, signal_w2, _ = _curve(events, events.weights**2)
    n_signal, n_background = (effective_sample_size(events.weights[mask]) for mask in (events.signal, ~events.signal))
    return RocCurve(
        signal_efficiency=signal,
        background_efficiency=background,
        thresholds=thresholds,
        signal_error=proportion_error(signal, signal_w2, n_signal),
        background_error=proportion_error(background, background_w2, n_background),
        n_signal=n_signal,
        n_background=n_background,
        auc=_auc(events),
    )


def auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    """Area under the ROC curve: probability that signal scores above background, equal scores counted half.

    The error is DeLong's, found by sorting. For weighted events each event's placement enters with its
    weight, and the number of events is the effective one; for unit weights this is DeLong's formula exactly.
    An event of weight 2 counts as one event with twice the influence, not as two events, so its error is
    larger than theirs.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Larger for signal, shape (n,).
        weights: Weight of each event, shape (n,); single ones may be negative.
    Returns:
        The area; error NaN where a class has one event only.
    Raises:
        ValueError: If the input is not as above, contains NaN or infinity, or lacks one of the classes.
    References:
        DeLong, DeLong, Clarke-Pearson (1988), doi:10.2307/2531595; Sun, Xu (2014),
        doi:10.1109/LSP.2014.2337313.
    """
    return _auc(binary(labels, scores, weights, signed=True))


def rejection(labels: ArrayLike, scores: ArrayLike, efficiency: float, weights: ArrayLike | None = None) -> Estimate:
    """Background rejection 1 / eps_B at a signal efficiency; see `rejection_at`.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Larger for signal, shape (n,).
        efficiency: Signal efficiency, in (0, 1].
        weights: Weight of each event, shape (n,); single ones may be negative.
    Raises:
        ValueError: If the efficiency is out of (0, 1] or the events are not fit for `roc`.
    """
    return rejection_at(roc(labels, scores, weights), efficiency)


def rejection_at(curve: RocCurve, efficiency: float) -> Estimate:
    """Background rejection 1 / eps_B of the tightest threshold that keeps at least this signal efficiency.

    The error combines that of eps_B with that of the threshold, see `background_at`. Of a handful of events that pass
    it says little: `low` and `high` are the central 68 % interval. Where no background passes, the result is the lower
    limit at 95 % confidence that no event among n_background allows.

    Raises:
        ValueError: If the efficiency is out of (0, 1].
    """
    background, error = (float(x) for x in background_at(curve, efficiency))
    if background <= 0:
        return Estimate(1 / (1 - 0.05 ** (1 / curve.n_background)), math.nan, lower_limit=True)
    binomial = float(curve.background_error[_index(curve, np.asarray(efficiency, np.float64))])
    low, high = proportion_interval(background, binomial, curve.n_background)
    shift = math.sqrt(max(error**2 - binomial**2, 0.0)) / background  # of the threshold, as a factor
    wider = [math.exp(math.hypot(math.log(end / background), shift)) for end in (low, high)]
    return Estimate(1 / background, error / background**2, low=1 / (background * wider[1]), high=wider[0] / background)


def background_at(curve: RocCurve, efficiency: ArrayLike) -> tuple[Floats, Floats]:
    """Background efficiency and error of the tightest thresholds that keep these signal efficiencies.

    The threshold itself is known only as well as the signal efficiency: half of what eps_B changes between
    one standard deviation below and above is added in quadrature to the binomial error of eps_B. No
    interpolation: every value belongs to a threshold that an analysis can cut at.

    Args:
        curve: From `roc`.
        efficiency: Signal efficiencies in (0, 1], any shape.
    Returns:
        Background efficiency and error, of the shape of `efficiency`.
    Raises:
        ValueError: If an efficiency is out of (0, 1].
    """
    wanted = np.asarray(efficiency, dtype=np.float64)
    if not np.all((wanted > 0) & (wanted <= 1)):
        raise ValueError(f"signal efficiency {wanted} is out of range: it must be in (0, 1]")
    index = _index(curve, wanted)
    shift = curve.signal_error[index]
    looser = curve.background_efficiency[_index(curve, wanted + shift)]
    tighter = curve.background_efficiency[_index(curve, wanted - shift)]
    error: Floats = np.hypot(curve.background_error[index], (looser - tighter) / 2)
    return curve.background_efficiency[index], error


def _index(curve: RocCurve, efficiency: Floats) -> NDArray[np.intp]:
    """Tightest threshold that keeps at least this efficiency; a part in 10^12 is rounding, not efficiency."""
    bounded = np.clip(efficiency, 0.0, 1.0) * (1 - 1e-12)
    return np.searchsorted(np.maximum.accumulate(curve.signal_efficiency), bounded, side="left")


def _curve(events: Binary, weights: Floats) -> tuple[Floats, Floats, Floats]:
    with extra("train", "a ROC curve"):
        from sklearn.metrics import roc_curve
    background, signal, thresholds = roc_curve(
        events.signal, events.scores, sample_weight=weights, drop_intermediate=False
    )
    return background, signal, thresholds


def _auc(events: Binary) -> Estimate:
    signal, background = events.scores[events.signal], events.scores[~events.signal]
    w_signal, w_background = events.weights[events.signal], events.weights[~events.signal]
    placement_signal = _fraction_below(signal, background, w_background)
    placement_background = 1 - _fraction_below(background, signal, w_signal)
    area = float(np.average(placement_signal, weights=w_signal))
    variance = _variance_of_mean(placement_signal, w_signal) + _variance_of_mean(placement_background, w_background)
    return Estimate(area, math.sqrt(variance))


def _fraction_below(scores: Floats, others: Floats, weights: Floats) -> Floats:
    """Part of the others' weight that lies below each score, equal scores counted half, shape of `scores`."""
    order = np.argsort(others)
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    low, high = (np.searchsorted(others[order], scores, side=side) for side in ("left", "right"))
    fraction: Floats = (below[low] + below[high]) / (2 * below[-1])
    return fraction


def _variance_of_mean(values: Floats, weights: Floats) -> float:
    """Variance of a weighted mean, with Bessel's correction for the effective number; NaN for one event."""
    n = effective_sample_size(weights)
    if n <= 1 + 1e-9:
        return math.nan
    deviation = values - np.average(values, weights=weights)
    return float((weights**2 @ deviation**2) / weights.sum() ** 2 * n / (n - 1))
