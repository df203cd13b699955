"""Numbers with their uncertainties, and the checks that every metric makes on its input."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Binary",
    "Estimate",
    "binary",
    "binary_labels",
    "effective_number",
    "event_weights",
    "proportion",
    "require_finite",
    "wilson",
]

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A measured number and its standard deviation.

    A number that is not defined (0 / 0) is NaN with error NaN. Where only a bound is known, `value` is that
    bound at 95 % confidence, `lower_limit` is True and the error is NaN.
    """

    value: float
    error: float
    lower_limit: bool = False

    def __str__(self) -> str:
        """Number as one writes it: "0.9451 ± 0.0012", "> 334 (95 % CL)", or "undefined"."""
        if self.lower_limit:
            return f"> {self.value:.3g} (95 % CL)"
        if math.isnan(self.value):
            return "undefined"
        if not (math.isfinite(self.error) and self.error > 0):
            return f"{self.value:.4g} ± {self.error:.2g}"
        digits = max(0, 1 - math.floor(math.log10(self.error)))
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"


class Binary(NamedTuple):
    """Checked input of a two-class metric, each array of shape (n,)."""

    signal: NDArray[np.bool_]
    scores: Floats
    weights: Floats


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
    return Estimate(float(fraction[0]), float(wilson(fraction[0], fraction[1], total**2 / total_w2)))


def wilson(fraction: Floats, fraction_w2: Floats, effective: float | Floats) -> Floats:
    """Half the width of the one-sigma Wilson interval of a proportion; see `proportion`.

    Args:
        fraction: Part of the weight that lies inside, any shape.
        fraction_w2: Part of the squared weights that lies inside.
        effective: Effective number of events, one or of the shape of `fraction`.
    """
    variance = ((1 - fraction) ** 2 * fraction_w2 + fraction**2 * (1 - fraction_w2)) / effective
    width: Floats = np.sqrt(variance + 0.25 / effective**2) / (1 + 1 / effective)
    return width


def effective_number(weights: Floats) -> float:
    """Number of equally weighted events of the same relative statistical error, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def binary(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Binary:
    """Signal mask, scores and weights of two classes of events, checked.

    Args:
        labels: 1 or True for signal, 0 or False for background, shape (n,).
        scores: Larger for signal, shape (n,); any finite scale.
        weights: Weight of each event, shape (n,), none of them negative; 1 if not given.
    Raises:
        ValueError: If shapes differ, a label is not 0 or 1, a score or weight is NaN or infinite, a weight is
            negative, or one class has no events (of positive weight).
    """
    signal = binary_labels("labels", labels)
    score = np.asarray(scores, dtype=np.float64)
    weight = event_weights(weights, len(signal))
    if score.shape != signal.shape:
        raise ValueError(f"scores have shape {score.shape}, labels {signal.shape}; both must be (n,)")
    require_finite("scores", score)
    if negative := int((weight < 0).sum()):
        raise ValueError(f"{negative} of {len(weight)} weights are negative: efficiencies would not be monotonic")
    for name, chosen in (("signal (label 1)", signal), ("background (label 0)", ~signal)):
        if not weight[chosen].sum() > 0:
            raise ValueError(f"no {name} events of positive weight among {len(signal)}: two classes are needed")
    return Binary(signal, score, weight)


def binary_labels(what: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Boolean mask of zeros and ones, shape (n,).

    Raises:
        ValueError: If the shape is not (n,) or a value is neither 0 nor 1.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{what} have shape {array.shape}, needed is (n,)")
    if len(wrong := np.setdiff1d(array, [0, 1])):
        raise ValueError(f"{what} must be 0 or 1 (background or signal), but there are {wrong[:5].tolist()}")
    return array.astype(bool)


def event_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Weights of n events, ones if not given.

    Raises:
        ValueError: If the shape is not (n,), or a weight is NaN or infinite.
    """
    if weights is None:
        return np.ones(n)
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"weights have shape {array.shape}, needed is ({n},)")
    require_finite("weights", array)
    return array


def require_finite(what: str, values: Floats) -> None:
    """Refuse NaN and infinity.

    Raises:
        ValueError: If there is one; the message says how many and where the first is.
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{len(bad)} of {len(values)} {what} are NaN or infinite; the first is entry {bad[0]}")
