"""Can a classifier tell two samples apart: area under its ROC curve and Jensen-Shannon divergence, over several seeds.

Label 1 is the sample that is imitated (simulated showers), 0 its imitation (generated ones); scores are of events that
the classifier was not trained on. Both samples count alike, however large they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.extras import extra
from cortado.metrics.classification import auc
from cortado.metrics.distributions import weighted_mean
from cortado.metrics.inputs import Binary, binary
from cortado.statistics import Estimate, require_finite

__all__ = ["Repeated", "Separability", "calibrate", "jensen_shannon_divergence", "repeated", "separability"]

Floats = NDArray[np.float64]
_EDGE = 1e-6  # calibrated scores keep this distance from 0 and 1, as CaloFlow's


class Separability(NamedTuple):
    """What a classifier of two samples says of them.

    Attributes:
        auc: Area under the ROC curve: 0.5 if they cannot be told apart, 1 if always.
        jsd: Jensen-Shannon divergence in bits, from calibrated scores: 0 if they cannot be told apart, 1 if always.
    """

    auc: Estimate
    jsd: Estimate

    def __str__(self) -> str:
        """As one writes it: "AUC 0.742 ± 0.004, JSD 0.121 ± 0.005"."""
        return f"AUC {self.auc}, JSD {self.jsd}"


class Repeated(NamedTuple):
    """A number measured with several seeds.

    Attributes:
        mean: Over the seeds; in its error are that of the mean, and that of a single measurement, for all seeds are
            measured with the same events.
        spread: Standard deviation from seed to seed, which papers quote; NaN for one seed.
        seeds: Number of seeds.
    """

    mean: Estimate
    spread: float
    seeds: int

    def __str__(self) -> str:
        """As one writes it: "0.742 ± 0.006 (5 seeds, spread 0.008)"."""
        plural = "s" if self.seeds != 1 else ""
        return f"{self.mean} ({self.seeds} seed{plural}, spread {self.spread:.1g})"


def separability(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    calibration: tuple[ArrayLike, ArrayLike] | None = None,
) -> Separability:
    """Area under the ROC curve, and Jensen-Shannon divergence, of held-out events.

    Args:
        labels: 1 or True for simulated showers, 0 or False for generated ones, shape (n,).
        scores: Probability of being simulated, shape (n,).
        weights: Weight of each event, shape (n,), none of them negative.
        calibration: Labels and scores of other held-out events, shape (m,) both, with which the scores are calibrated
            for the divergence; taken as calibrated if not given.
    Raises:
        ValueError: If the events are not fit for `auc`, or a score is out of [0, 1].
    References:
        Krause, Shih, CaloFlow (2021), arXiv:2106.05285, section V C.
    """
    probability = scores if calibration is None else calibrate(*calibration, scores)
    return Separability(auc(labels, scores, weights), jensen_shannon_divergence(labels, probability, weights))


def jensen_shannon_divergence(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Estimate:
    r"""Jensen-Shannon divergence [bit] as far as the scores know it: one minus their cross entropy.

    :math:`1 + (\langle \log_2 p \rangle_1 + \langle \log_2 (1 - p) \rangle_0) / 2`. The true divergence is larger on
    average unless the scores are the true probabilities; the estimate is negative for scores that mislead.

    Args:
        labels: 1 or True for one sample, 0 or False for the other, shape (n,).
        scores: Probability of label 1 were both samples of one size, shape (n,), within (0, 1): see `calibrate`.
        weights: Weight of each event, shape (n,), none of them negative.
    Raises:
        ValueError: If the events are not fit for `auc`, or a score is out of (0, 1).
    References:
        Krause, Shih, CaloFlow (2021), arXiv:2106.05285, section V C.
    """
    events = binary(labels, scores, weights)
    if len(wrong := events.scores[(events.scores <= 0) | (events.scores >= 1)]):
        raise ValueError(f"{len(wrong)} of {len(events.scores)} scores, such as {wrong[0]:g}, are not within (0, 1)")
    halves = [_mean_log(events, label) for label in (True, False)]
    return Estimate(1 + sum(half.value for half in halves) / 2, math.hypot(*(half.error for half in halves)) / 2)


def calibrate(labels: ArrayLike, scores: ArrayLike, others: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Scores as probabilities: an isotonic fit to some events, applied to others.

    The fit gives both labels the same weight, so that p / (1 - p) of the result is the ratio of their densities.
    Probabilities are kept within 1e-6 and 1 - 1e-6; scores beyond those of the fit have its first or last value.

    Args:
        labels: 1 or True for one sample, 0 or False for the other, shape (n,).
        scores: Larger for label 1, shape (n,).
        others: Scores to calibrate, of events that are not in the fit, shape (m,).
        weights: Weight of each event of the fit, shape (n,), none of them negative.
    Raises:
        ValueError: If the events are not fit for `auc`.
    """
    events, given = binary(labels, scores, weights), np.asarray(others, dtype=np.float64)
    require_finite("scores to calibrate", given)
    totals = [events.weights[events.signal == label].sum() for label in (False, True)]
    share = events.weights / np.where(events.signal, totals[1], totals[0])
    with extra("train", "a calibration of scores"):
        from sklearn.isotonic import IsotonicRegression
    fit = IsotonicRegression(y_min=_EDGE, y_max=1 - _EDGE, out_of_bounds="clip")
    fit.fit(events.scores, events.signal.astype(np.float64), sample_weight=share)
    return np.asarray(fit.predict(given), dtype=np.float64)


def repeated(estimates: Sequence[Estimate]) -> Repeated:
    """One number from the same measurement with several seeds.

    Args:
        estimates: One for each seed, all with the same events.
    Raises:
        ValueError: If there are none.
    """
    if not estimates:
        raise ValueError("no estimates to combine: one or more are needed")
    values = np.array([estimate.value for estimate in estimates])
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    of_events = math.sqrt(np.mean([estimate.error**2 for estimate in estimates]))
    of_mean = spread / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Repeated(Estimate(float(values.mean()), math.hypot(of_events, of_mean)), spread, len(values))


def _mean_log(events: Binary, label: bool) -> Estimate:
    """Mean of the logarithm [bit] of the probability that the true label is given, and its error."""
    chosen = events.signal == label
    logarithm = np.log2(events.scores[chosen] if label else 1 - events.scores[chosen])
    return weighted_mean(logarithm, events.weights[chosen] / events.weights[chosen].sum())
