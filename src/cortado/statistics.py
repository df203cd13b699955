"""Counting: numbers with their uncertainties, proportions, what a weighted sample is worth, resampled groups."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Estimate",
    "Interval",
    "clustered_proportion",
    "effective_sample_size",
    "interval_of",
    "multiplicities",
    "proportion",
    "proportion_error",
    "proportion_interval",
    "require_finite",
    "wilson_error",
]

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A measured number and its standard deviation.

    A number that is not defined (0 / 0) is NaN with error NaN. Where only a bound is known, `value` is that
    bound at 95 % confidence, `lower_limit` is True and the error is NaN. `low` and `high` are the ends of a central
    68 % interval, None unless one is known that need not be symmetric.
    """

    value: float
    error: float
    lower_limit: bool = False
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """As one writes it: "0.9451 ± 0.0012", "> 334 (95 % CL)", "undefined", or "2620 (980 to 9040)"."""
        if self.lower_limit:
            return f"> {self.value:.3g} (95 % CL)"
        if math.isnan(self.value):
            return "undefined"
        if self.low is not None and self.high is not None and self.error > _LARGE * abs(self.value):
            return f"{_digits(self.value)} ({_digits(self.low)} to {_digits(self.high)})"
        if not (math.isfinite(self.error) and self.error > 0):
            return f"{self.value:.4g} ± {self.error:.2g}"
        digits = max(0, 1 - math.floor(math.log10(self.error)))
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"


_LARGE = 0.25  # of the number: an error that is not symmetric


def _digits(value: float) -> str:
    """Three digits, of large numbers rounded to these."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{float(f'{value:.3g}'):.0f}"


class Interval(NamedTuple):
    """A measured number, its standard deviation and a central interval; no shape of its distribution is assumed."""

    value: float
    error: float
    low: float
    high: float

    def __str__(self) -> str:
        """As one writes it: "0.912 (0.874 to 0.946)"."""
        digits = max(1, 1 - math.floor(math.log10(self.error))) if math.isfinite(self.error) and self.error > 0 else 4
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def proportion(inside: float, outside: float, inside_w2: float, outside_w2: float) -> Estimate:
    """Part of the weight that lies inside, with half the width of the one-sigma Wilson interval as its error.

    For unit weights the error tends to the binomial sqrt(e (1 - e) / n) and stays above zero where none or
    all lie inside. For weighted events the variance is [(1 - e)^2 sum_in w^2 + e^2 sum_out w^2] / (sum w)^2
    and n becomes the effective number (sum w)^2 / sum w^2. An empty sample has no proportion: NaN.

    Args:
        inside: Sum of weights inside.
        outside: Sum of weights outside.
        inside_w2: Sum of squared weights inside.
        outside_w2: Sum of squared weights outside.
    References:
        Brown, Cai, DasGupta, Interval estimation for a binomial proportion (2001), doi:10.1214/ss/1009213286.
    """
    total, total_w2 = inside + outside, inside_w2 + outside_w2
    if total <= 0:
        return Estimate(math.nan, math.nan)
    fraction = np.array([inside / total, inside_w2 / total_w2])
    return Estimate(float(fraction[0]), float(proportion_error(fraction[0], fraction[1], total**2 / total_w2)))


def proportion_error(fraction: Floats, fraction_w2: Floats, effective: float | Floats) -> Floats:
    """Half the width of the one-sigma Wilson interval of a proportion of weighted events; see `proportion`.

    Args:
        fraction: Part of the weight that lies inside, any shape.
        fraction_w2: Part of the squared weights that lies inside, same shape.
        effective: Effective number of events, one or of the shape of `fraction`.
    Returns:
        The error, shape of `fraction`.
    """
    return wilson_error(((1 - fraction) ** 2 * fraction_w2 + fraction**2 * (1 - fraction_w2)) / effective, effective)


def wilson_error(variance: Floats, effective: float | Floats) -> Floats:
    """Half the width of the one-sigma Wilson interval of a proportion, from its variance.

    Args:
        variance: Binomial variance, e (1 - e) / n for unit weights, any shape.
        effective: Effective number n of events, one or of the shape of `variance`.
    Returns:
        The error, shape of `variance`.
    References:
        Brown, Cai, DasGupta, Interval estimation for a binomial proportion (2001), doi:10.1214/ss/1009213286.
    """
    width: Floats = np.sqrt(variance + 0.25 / effective**2) / (1 + 1 / effective)
    return width


def proportion_interval(fraction: float, error: float, effective: float) -> tuple[float, float]:
    """Central 68 % interval of a proportion of weighted events: Clopper and Pearson's of as many as the error tells of.

    Args:
        fraction: Part of the weight that lies inside.
        error: Its error, see `wilson_error`.
        effective: Effective number of all events.
    References:
        Clopper, Pearson, The use of confidence or fiducial limits (1934), doi:10.1093/biomet/26.4.404.
    """
    binomial = (error * (1 + 1 / effective)) ** 2 - 0.25 / effective**2  # variance; inverse of `wilson_error`
    events = fraction * (1 - fraction) / binomial if 0 < fraction < 1 and binomial > 0 else effective
    inside, outside = fraction * events, (1 - fraction) * events
    tail = scipy.special.ndtr(-1.0)
    low = scipy.special.betaincinv(inside, outside + 1, tail) if inside > 0 else 0.0
    high = scipy.special.betaincinv(inside + 1, outside, 1 - tail) if outside > 0 else 1.0
    return float(low), float(high)


def effective_sample_size(weights: ArrayLike) -> float:
    """Number of unweighted events with the same relative uncertainty, (sum w)^2 / sum w^2; 0 for no events.

    Args:
        weights: Weight of each event, shape (n,).
    Raises:
        ValueError: If a weight is NaN or infinite.
    References:
        Kish, Survey Sampling (1965), sec. 8.2.
    """
    w = np.asarray(weights, np.float64)
    require_finite("weights", w)
    squares = (w**2).sum()
    return float(w.sum() ** 2 / squares) if squares else 0.0


def require_finite(what: str, values: NDArray[Any]) -> None:
    """Refuse NaN and infinity.

    Args:
        what: What the values are, in the plural, for the message.
        values: Numbers, shape (n,).
    Raises:
        ValueError: If there is one; the message says how many, and what and where the first is.
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(values)} {what} are not finite, the first is {values[bad[0]]} at {bad[0]}"
        )


def multiplicities(groups: int, toys: int, seed: int = 1) -> NDArray[np.int64]:
    """How often each group is in each of several samples that are drawn from them with replacement, (toys, groups).

    Objects of a group, such as the lumisections of a run, are alike: they are drawn together or not at all.

    References:
        Davison, Hinkley, Bootstrap Methods and their Application (1997), sec. 3.8 (strategy 1),
        doi:10.1017/CBO9780511802843.
    """
    return np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), toys)


def interval_of(value: float, resampled: ArrayLike, level: float = 0.95) -> Interval:
    """Percentile interval of a number.

    Args:
        value: The number itself.
        resampled: The same from each drawn sample, shape (toys,); NaN where it is not defined, which is left out.
        level: Probability of the interval.
    Raises:
        ValueError: If it is defined in less than half of the samples.
    """
    drawn = np.asarray(resampled, np.float64)
    defined = drawn[np.isfinite(drawn)]
    if 2 * len(defined) < max(len(drawn), 2):
        raise ValueError(f"defined in {len(defined)} of {len(drawn)} drawn samples, required: half: too few groups")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(defined.std()), float(low), float(high))


def clustered_proportion(passed: ArrayLike, groups: ArrayLike, *, toys: int = 2000, seed: int = 1) -> Interval:
    """Part of the objects that pass, and its central 95 % by drawing groups anew.

    Args:
        passed: Of each object, shape (n,).
        groups: What is alike, such as the run of each object, shape (n,).
        toys: Drawn samples.
        seed: Of the draws.
    Raises:
        ValueError: If there are fewer than two groups.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    inside, every = np.bincount(group, np.asarray(passed, np.float64)), np.bincount(group)
    if len(every) < 2:
        raise ValueError(f"objects of {len(every)} groups have no interval, required: 2 groups or more")
    drawn = multiplicities(len(every), toys, seed)
    return interval_of(inside.sum() / every.sum(), (drawn @ inside) / (drawn @ every))
