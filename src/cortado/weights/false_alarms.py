"""Thresholds with a stated rate of false alarms, from the scores of good objects alone.

The threshold is an order statistic of n good scores (split conformal prediction): if those to come are exchangeable
with them, the rate of false alarms of all possible calibrations together is at most the stated one, whatever the
distribution of the scores; the rate of one calibration follows a beta distribution, known exactly for scores without
ties. Lumisections of a run are alike: take many good runs, not those that trained the network, and say which object is
of which run. Then n is replaced by the effective number of objects in all that is said of the uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from cortado.masks import unmasked
from cortado.statistics import require_finite

__all__ = ["AlarmThreshold", "FalseAlarms", "alarm_threshold", "binomial_interval", "false_alarms"]

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class AlarmThreshold:
    """A cut, score > threshold, with the rate of false alarms that it has on good objects.

    Attributes:
        name: How it is asked for, such as "1% false alarms".
        rate: Stated rate, for objects that are exchangeable with those of the calibration.
        threshold: The highest score that is no alarm.
        low: Lower end of the central 95 % of the rates of such calibrations.
        high: Its upper end.
        n_good: Good objects of the calibration.
        effective: Number of independent ones with the same uncertainty.
    """

    name: str
    rate: float
    threshold: float
    low: float
    high: float
    n_good: int
    effective: float


class FalseAlarms(NamedTuple):
    """False alarms to expect.

    Attributes:
        mean: Mean number.
        low: Lower end of the central 95 %, which holds the uncertainty of the calibration.
        high: Its upper end.
    """

    mean: float
    low: int
    high: int


def alarm_threshold(scores: ArrayLike, rate: float, groups: ArrayLike | None = None) -> AlarmThreshold:
    """Threshold that a stated part of good objects exceeds.

    The k-th smallest of n scores, k = ceil((n + 1) (1 - rate)): the next score exceeds it with probability
    (n + 1 - k) / (n + 1) at most. Equal scores make the rate smaller, never larger.

    Args:
        scores: Of good objects, the higher the stranger, shape (n,).
        rate: Wanted rate, in (0, 1).
        groups: What is alike, such as the run of each object, shape (n,): all are independent if not given.

    Raises:
        ValueError: If the rate is not in (0, 1), a score is not finite, or there are too few scores for the rate.

    References:
        Lei et al., Distribution-free predictive inference for regression (2018), arXiv:1604.04173, section 2.
        Vovk, Conditional validity of inductive conformal predictors (2012), arXiv:1209.2673 (beta distribution).
        Kish, Survey Sampling (1965), sec. 5.4 (design effect of clusters).
    """
    if not 0 < rate < 1:
        raise ValueError(f"a rate of false alarms must lie in (0, 1), got {rate}")
    score = np.sort(unmasked(scores, np.float64))
    require_finite("scores", score)
    n, k = len(score), _rank(len(score), rate)
    if k > n:
        raise ValueError(f"{n} good objects cannot give a rate of {rate:g}: at least {math.ceil(1 / rate) - 1} can")
    effective = n / (1.0 if groups is None else _design_effect(unmasked(scores) > score[k - 1], unmasked(groups)))
    low, high = scipy.special.betaincinv(*_shape(effective, rate), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return AlarmThreshold(
        name=f"{100 * rate:g}% false alarms",
        rate=rate,
        threshold=float(score[k - 1]),
        low=float(low),
        high=float(high),
        n_good=n,
        effective=effective,
    )


def false_alarms(point: AlarmThreshold, objects: int) -> FalseAlarms:
    """How many of good objects will exceed a threshold: a beta-binomial distribution.

    Objects that are alike in groups are counted as that fewer independent ones, each of which stands for several.

    Args:
        point: The threshold.
        objects: Number of good objects to come.

    Raises:
        ValueError: If the number is negative.
    """
    if objects < 0:
        raise ValueError(f"the number of objects must be at least 0, got {objects}")
    if objects == 0:
        return FalseAlarms(0.0, 0, 0)
    above, below = _shape(point.effective, point.rate)
    # As many objects that are alike, at once.
    times = point.n_good / point.effective
    law = scipy.stats.betabinom(max(round(objects / times), 1), above, below)
    low, high = times * law.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return FalseAlarms(objects * above / (above + below), math.floor(low), min(math.ceil(high), objects))


def binomial_interval(passed: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact (Clopper-Pearson) interval of a proportion.

    Args:
        passed: Number of those that pass.
        total: Number of all.
        level: Least probability with which the interval holds the truth.

    Raises:
        ValueError: If there are none, or more pass than there are.

    References:
        Clopper, Pearson, The use of confidence or fiducial limits (1934), doi:10.1093/biomet/26.4.404.
    """
    if not 0 <= passed <= total or total == 0:
        raise ValueError(f"{passed} of {total} is no proportion")
    tail = (1 - level) / 2
    low = scipy.special.betaincinv(passed, total - passed + 1, tail) if passed else 0.0
    high = scipy.special.betaincinv(passed + 1, total - passed, 1 - tail) if passed < total else 1.0
    return float(low), float(high)


def _rank(n: int, rate: float) -> int:
    # The tolerance absorbs rounding, so that 1 % of 99 + 1 is one.
    return math.ceil((n + 1) * (1 - rate) * (1 - 1e-12))


def _shape(n: float, rate: float) -> tuple[float, float]:
    """Of the beta distribution of the rate of false alarms; whole numbers for independent objects."""
    below = float(_rank(int(n), rate)) if n == int(n) else (n + 1) * (1 - rate)
    return n + 1 - below, below


def _design_effect(above: NDArray[np.bool_], groups: NDArray[Any]) -> float:
    """How many times larger the variance of a proportion is than that of independent objects; at least 1."""
    _, group = np.unique(groups, return_inverse=True)
    share = above.mean()
    if not 0 < share < 1:
        return 1.0
    apart = np.bincount(group, above - share)
    # Rounded, so that groups of one are independent exactly.
    return max(1.0, round(float((apart**2).sum() / (len(above) * share * (1 - share))), 9))
