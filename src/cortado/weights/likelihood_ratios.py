"""Likelihood ratios of a classifier of two samples, which turn one into the other."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from cortado.weights.variations import WeightVariations, require_between

__all__ = ["clipped", "likelihood_ratio_weights", "ratio_weights", "require_prior"]


def likelihood_ratio_weights(
    score: ArrayLike,
    *,
    prior: float = 1.0,
    score_err: ArrayLike = 0.0,
    clip: tuple[float, float] | None = None,
    rest: ArrayLike | None = None,
) -> WeightVariations:
    """Weights that turn one sample into another by a classifier of the two: p / (1 - p) / prior.

    The uncertainty of the score is propagated to the logarithm of the ratio, d ln r = dp / (p (1 - p)), so
    that variations stay positive: up = r exp(d ln r), down = r exp(-d ln r).

    Args:
        score: Probability p of being from the wanted sample, shape (n,).
        prior: Sum of training weights of the wanted sample over that of the sample to be weighted.
        score_err: Uncertainty of the score, such as the spread of an ensemble; a number or shape (n,).
        clip: Smallest and largest weight; how many are moved there is said in a warning.
        rest: Probability 1 - p of all other classes, shape (n,), where it is known: in float32 that of a score near 1
            has no digits left otherwise (6 % off at a ratio of 1e7).
    Returns:
        Weights, float64, shape (n,).
    Raises:
        ValueError: If a score lies outside [0, 1], or is 0 or 1 while `clip` is not given; if the prior is
            not positive, an uncertainty negative, or the clip not an interval of positive numbers.
    References:
        Cranmer, Pavez, Louppe, Approximating likelihood ratios (2015), arXiv:1506.02169.
    """
    p = np.array(score, np.float64)
    q = 1 - p if rest is None else np.array(rest, np.float64)
    p_err = np.broadcast_to(np.asarray(score_err, np.float64), p.shape)
    require_between(0, 1, "score", p)
    require_between(0, 1 + 1e-6, "probability of the rest", q)
    require_between(0, np.inf, "score error", p_err)
    require_prior(prior)
    if clip is None and (n := np.count_nonzero((p == 0) | (q == 0))):
        raise ValueError(
            f"{n} of {p.size} scores are 0 or 1, where the ratio is zero or infinite; give clip=(low, high)"
        )
    with np.errstate(divide="ignore"):
        log_ratio = np.log(p) - (np.log1p(-p) if rest is None else np.log(q)) - np.log(prior)
    inside = (p > 0) & (q > 0)
    spread = np.divide(p_err, p * q, out=np.zeros_like(p), where=inside)
    return ratio_weights(log_ratio, spread, clip=clip)


def require_prior(prior: float) -> None:
    """Refuse a ratio of sums of weights that is none.

    Raises:
        ValueError: If it is not positive and finite.
    """
    if not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"the prior must be positive, got {prior}")


def ratio_weights(
    log_ratio: ArrayLike, spread: ArrayLike = 0.0, *, clip: tuple[float, float] | None = None
) -> WeightVariations:
    """Weights of a logarithm r of a likelihood ratio with uncertainty s: exp(r), up exp(r + s), down exp(r - s).

    Args:
        log_ratio: Shape (n,).
        spread: Its uncertainty, such as the spread of an ensemble; a number or shape (n,).
        clip: Smallest and largest weight; how many are moved there is said in a warning.
    Returns:
        Weights, float64, shape (n,).
    Raises:
        ValueError: If the clip is not an interval of positive numbers.
    """
    log_ratio, spread = np.asarray(log_ratio, np.float64), np.asarray(spread, np.float64)
    with np.errstate(over="ignore"):
        ratios = WeightVariations(np.exp(log_ratio), np.exp(log_ratio + spread), np.exp(log_ratio - spread))
    if clip is None:
        return ratios
    weights, number = clipped(ratios, clip)
    if number:
        warnings.warn(
            f"{number} of {log_ratio.size} likelihood-ratio weights clipped to {clip[0]:g} .. {clip[1]:g}; "
            f"they ranged from {ratios.nominal.min():g} to {ratios.nominal.max():g}",
            stacklevel=3,  # who calls `likelihood_ratio_weights` or the weights of an ensemble
        )
    return weights


def clipped(weights: WeightVariations, clip: tuple[float, float]) -> tuple[WeightVariations, int]:
    """Weights moved to a smallest and a largest one, and how many of the nominal ones that are.

    For many chunks: where `clip=` of the other functions warns in each of them, this gives a number to add up.

    Raises:
        ValueError: If the clip is not an interval of positive numbers.
    """
    if not 0 < clip[0] < clip[1]:
        raise ValueError(f"clip must be two rising positive numbers, got {clip}")
    outside = (weights.nominal < clip[0]) | (weights.nominal > clip[1])
    return WeightVariations(*(np.clip(each, *clip) for each in weights)), int(np.count_nonzero(outside))
