"""Scores to event weights with up and down variations, and the working points they rest on."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class WeightVariations(NamedTuple):
    """Nominal weight, and the weights with its uncertainty shifted by one standard deviation."""

    nominal: Any
    up: Any
    down: Any


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


@dataclass(frozen=True, kw_only=True)
class ScaleFactor:
    """Efficiency in data over efficiency in simulation, one value or one per bin of jet pT.

    Attributes:
        value: One number, or one per bin.
        error: Its uncertainty, likewise.
        pt_edges: Bin edges [GeV], one more than the values; the last may be infinite. None: the same for all
            pT.
    """

    value: float | tuple[float, ...]
    error: float | tuple[float, ...]
    pt_edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        bins = 1 if self.pt_edges is None else len(self.pt_edges) - 1
        if np.size(self.value) != bins or np.size(self.error) != bins:
            raise ValueError(
                f"scale factor with {np.size(self.value)} values and {np.size(self.error)} errors for {bins} pT bins"
            )
        if self.pt_edges is not None and not np.all(np.diff(self.pt_edges) > 0):
            raise ValueError(f"pT edges of a scale factor must rise, got {self.pt_edges}")

    def __call__(self, pt: ArrayLike) -> tuple[Floats, Floats]:
        """Value and error for jets of transverse momentum `pt` [GeV], shape (n,) each.

        Raises:
            ValueError: If a jet lies outside the bins.
        """
        pt = np.asarray(pt, np.float64)
        if self.pt_edges is None:
            return np.full(pt.shape, self.value, np.float64), np.full(pt.shape, self.error, np.float64)
        index = np.searchsorted(self.pt_edges, pt, side="right") - 1
        if (outside := (index < 0) | (index >= len(self.pt_edges) - 1)).any():
            raise ValueError(
                f"{outside.sum()} of {len(pt)} jets, such as one of pT = {pt[outside][0]:g} GeV, lie outside "
                f"the scale factor's {self.pt_edges[0]:g} to {self.pt_edges[-1]:g} GeV; select jets or widen the bins"
            )
        return np.ravel(np.asarray(self.value, np.float64))[index], np.ravel(np.asarray(self.error, np.float64))[index]


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
    passing = np.asarray(passes, bool)
    w = np.ones(len(passing)) if weights is None else np.asarray(weights, np.float64)
    _require_finite("weight", w)
    if not (total := w.sum()) > 0:
        raise ValueError(f"efficiency of {len(passing)} jets whose weights sum to {total:g}; the sum must be positive")
    e = w[passing].sum() / total
    variance = ((1 - e) ** 2 * (w[passing] ** 2).sum() + e**2 * (w[~passing] ** 2).sum()) / total**2
    n = effective_sample_size(w)
    return float(e), float(np.sqrt(variance + 0.25 / n**2) / (1 + 1 / n))


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
    score, signal = np.asarray(scores), np.asarray(is_signal, bool)
    w = np.ones(len(score)) if weights is None else np.asarray(weights, np.float64)
    _require_finite("score", score)
    for name, members in (("signal", signal), ("background", ~signal)):
        if not members.any():
            raise ValueError(f"working points need both classes; of {len(score)} jets none is {name}")
    at_efficiency = {f"{100 * x:g}%": _keeping(x, score[signal], w[signal]) for x in efficiencies}
    at_mistag = {f"{100 * x:g}% mistag": _passed_by(x, score[~signal], w[~signal]) for x in mistags}
    return tuple(_measured(name, cut, score, signal, w) for name, cut in (at_efficiency | at_mistag).items())


def _keeping(wanted: float, score: NDArray[Any], w: Floats) -> Any:
    """Highest threshold that at least this part of the signal reaches."""
    if not 0 < wanted < 1:
        raise ValueError(f"the efficiency of a working point must lie in (0, 1), got {wanted}")
    descending = np.argsort(-score, kind="stable")
    kept = np.cumsum(w[descending]) / w.sum()
    # The tolerance absorbs rounding of the sum, so that 0.3 of ten jets is three of them.
    return score[descending[np.argmax(kept >= wanted * (1 - 1e-12))]]


def _passed_by(wanted: float, score: NDArray[Any], w: Floats) -> Any:
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


def working_point_weights(
    passes: Any, *, efficiency: Any, scale_factor: Any, scale_factor_err: Any
) -> WeightVariations:
    """Weights that give simulated jets the tagging efficiency of data.

    A jet that passes weighs s, one that fails (1 - s e) / (1 - e), so that the sum of weights is conserved; e
    is the efficiency in simulation and s the scale factor, both those of the jet's true class and kinematics.
    An event weighs the product over its jets. Up and down shift s by its uncertainty for all jets together.

    Args:
        passes: Boolean per jet, shape (n,), (n_events, var) or deeper; None (no jet) weighs 1.
        efficiency: Efficiency in simulation, a number or of the shape of `passes`.
        scale_factor: Efficiency in data over efficiency in simulation, likewise.
        scale_factor_err: Its uncertainty, likewise.
    Returns:
        Weights per event: float64, shape (n,) or (n_events,), in arrays of their own.
    Raises:
        ValueError: If an efficiency lies outside [0, 1], a scale factor or its error is negative or not
            finite, a jet fails where the efficiency is 1, or s e exceeds 1 for any variation.
    References:
        CMS, Methods to apply b-tagging efficiency scale factors (method 1a); CMS, arXiv:1712.07158, sec. 8.
    """
    return per_event(
        jet_weights(passes, efficiency=efficiency, scale_factor=scale_factor, scale_factor_err=scale_factor_err)
    )


def jet_weights(passes: Any, *, efficiency: Any, scale_factor: Any, scale_factor_err: Any) -> WeightVariations:
    """`working_point_weights` before the product over jets: weights of the shape of `passes`."""
    arrays = ak.broadcast_arrays(passes, efficiency, scale_factor, scale_factor_err)
    passing, e, s, s_err = (_filled(x, neutral) for x, neutral in zip(arrays, (False, 0.0, 1.0, 0.0)))
    _require_between(0, 1, "efficiency", e)
    _require_between(0, np.inf, "scale factor", s)
    _require_between(0, np.inf, "scale factor error", s_err)
    if n := ak.sum(~passing & (e == 1), axis=None):
        raise ValueError(f"{n} jets fail the working point where its efficiency is 1; measure it on more jets")
    return WeightVariations(*(_jet_weight(passing, e, varied) for varied in (s, s + s_err, s - s_err)))


def _filled(values: ak.Array, neutral: bool | float) -> ak.Array:
    """A missing jet as one that fails where nothing passes, so that its weight is 1."""
    return ak.values_astype(ak.fill_none(values, neutral, axis=-1), type(neutral), including_unknown=True)


def _jet_weight(passing: ak.Array, e: ak.Array, s: ak.Array) -> ak.Array:
    _require_between(0, np.inf, "scale factor minus its error", s)
    _require_between(0, 1 + 1e-12, "scale factor times efficiency", s * e)
    # Where e is 1 every jet passes, and the weight of failing is never used.
    return ak.where(passing, s, (1 - s * e) / (1 - ak.where(e == 1, 0.0, e)))


def per_event(per_jet: WeightVariations) -> WeightVariations:
    """Product of jet weights over each event: float64 arrays of shape (n_events,) that alias nothing."""
    return WeightVariations(*(_event_product(weight) for weight in per_jet))


def _event_product(weight: Any) -> Floats:
    weight = ak.fill_none(weight, 1.0, axis=-1)
    while weight.ndim > 1:
        weight = ak.fill_none(ak.prod(weight, axis=-1), 1.0, axis=-1)
    return np.array(weight, np.float64)


def likelihood_ratio_weights(
    score: ArrayLike,
    *,
    prior: float = 1.0,
    score_err: ArrayLike = 0.0,
    clip: tuple[float, float] | None = None,
) -> WeightVariations:
    """Weights that turn one sample into another by a classifier of the two: p / (1 - p) / prior.

    The uncertainty of the score is propagated to the logarithm of the ratio, d ln r = dp / (p (1 - p)), so
    that variations stay positive: up = r exp(d ln r), down = r exp(-d ln r).

    Args:
        score: Probability p of being from the wanted sample, shape (n,).
        prior: Sum of training weights of the wanted sample over that of the sample to be weighted.
        score_err: Uncertainty of the score, such as the spread of an ensemble; a number or shape (n,).
        clip: Smallest and largest weight; how many are moved there is said in a warning.
    Returns:
        Weights, float64, shape (n,).
    Raises:
        ValueError: If a score lies outside [0, 1], or is 0 or 1 while `clip` is not given; if the prior is
            not positive, an uncertainty negative, or the clip not an interval of positive numbers.
    References:
        Cranmer, Pavez, Louppe, Approximating likelihood ratios (2015), arXiv:1506.02169.
    """
    p = np.array(score, np.float64)
    p_err = np.broadcast_to(np.asarray(score_err, np.float64), p.shape)
    _require_between(0, 1, "score", p)
    _require_between(0, np.inf, "score error", p_err)
    if not (np.isfinite(prior) and prior > 0):
        raise ValueError(f"the prior must be positive, got {prior}")
    if clip is None and (n := np.count_nonzero((p == 0) | (p == 1))):
        raise ValueError(
            f"{n} of {p.size} scores are 0 or 1, where the ratio is zero or infinite; give clip=(low, high)"
        )
    with np.errstate(divide="ignore"):
        log_ratio = np.log(p) - np.log1p(-p) - np.log(prior)
    inside = (p > 0) & (p < 1)
    spread = np.divide(p_err, p * (1 - p), out=np.zeros_like(p), where=inside)
    return ratio_weights(log_ratio, spread, clip=clip)


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
    if clip is not None and not 0 < clip[0] < clip[1]:
        raise ValueError(f"clip must be two rising positive numbers, got {clip}")
    log_ratio, spread = np.asarray(log_ratio, np.float64), np.asarray(spread, np.float64)
    with np.errstate(over="ignore"):
        ratios = [np.exp(log_ratio), np.exp(log_ratio + spread), np.exp(log_ratio - spread)]
    return WeightVariations(*ratios) if clip is None else _clipped(ratios, clip)


def _clipped(ratios: list[Floats], clip: tuple[float, float]) -> WeightVariations:
    if n := np.count_nonzero((ratios[0] < clip[0]) | (ratios[0] > clip[1])):
        warnings.warn(
            f"{n} of {ratios[0].size} likelihood-ratio weights clipped to {clip[0]:g} .. {clip[1]:g}; "
            f"they ranged from {ratios[0].min():g} to {ratios[0].max():g}",
            stacklevel=3,
        )
    return WeightVariations(*(np.clip(ratio, *clip) for ratio in ratios))


def effective_sample_size(weights: ArrayLike) -> float:
    """Number of unweighted events with the same relative uncertainty, (sum w)^2 / sum w^2; 0 for no events.

    References:
        Kish, Survey Sampling (1965), sec. 8.2.
    """
    w = np.asarray(weights, np.float64)
    _require_finite("weight", w)
    squares = (w**2).sum()
    return float(w.sum() ** 2 / squares) if squares else 0.0


def _require_finite(what: str, values: NDArray[Any]) -> None:
    if (bad := ~np.isfinite(values)).any():
        index = int(np.argmax(bad))
        raise ValueError(
            f"{bad.sum()} of {values.size} {what}s are not finite, the first is {values[index]} at {index}"
        )


def _require_between(low: float, high: float, what: str, values: Any) -> None:
    flat = np.asarray(ak.ravel(values), np.float64)
    # An infinite value is outside [0, inf) too; NaN compares false with everything.
    outside = ~((flat >= low) & (flat <= high) & (flat < np.inf))
    if outside.any():
        index = int(np.argmax(outside))
        raise ValueError(
            f"{what} must lie in [{low:g}, {high:g}], got {flat[index]:g} at {index} ({outside.sum()} of {flat.size})"
        )
