"""Weights that turn one sample into another, learned by classifiers: reweighting (DCTR) and unfolding (OmniFold).

A classifier that tells two samples apart gives the ratio of their densities, in as many variables as it sees. Each
event is weighted by a classifier that has not been trained on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.extras import extra
from cortado.statistics import effective_sample_size
from cortado.weights.variations import WeightVariations

__all__ = ["Classifier", "Unfolding", "boosted_trees", "learned_ratio", "unfold"]

Floats = NDArray[np.float64]
_FOLDS = 2
_SMALLEST = 1e-6  # probability: ratios are not taken beyond a million


class Classifier(Protocol):
    """What a classifier must do, as all of scikit-learn's that take weights do."""

    def fit(self, X: Floats, y: Any, sample_weight: Floats) -> Any:
        """Learn from features (n, f), 0 or 1 for each, and weights (n,)."""

    def predict_proba(self, X: Floats) -> Floats:
        """Probabilities of 0 and 1, shape (n, 2)."""


def boosted_trees(seed: int) -> Classifier:
    """scikit-learn's gradient-boosted trees, a fixed number of them.

    Trees that stop when events kept back say so stop too early: what is left in the tails hardly changes their loss.
    """
    with extra("train", "a classifier of boosted trees"):
        from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(  # type: ignore[no-any-return]
        learning_rate=0.1, max_iter=60, max_leaf_nodes=15, min_samples_leaf=50, early_stopping=False, random_state=seed
    )


def learned_ratio(
    source: ArrayLike,
    target: ArrayLike,
    *,
    source_weight: ArrayLike | None = None,
    target_weight: ArrayLike | None = None,
    classifier: Callable[[int], Classifier] = boosted_trees,
    members: int = 1,
    seed: int = 0,
) -> WeightVariations:
    """Weights of the events of one sample that give them the distribution and the sum of weights of another.

    Args:
        source: Features of the events to be weighted, shape (n,) or (n, f).
        target: Features of the wanted sample, shape (m,) or (m, f).
        source_weight: Their weights, shape (n,), of any sign; 1 if not given.
        target_weight: Likewise, shape (m,).
        classifier: Makes a classifier from a seed.
        members: Of an ensemble, whose mean logarithm is the weight and whose standard deviation its variation.
        seed: Of the division of events into folds and of the classifiers.
    Returns:
        Factors for the weights of the source, shape (n,).
    Raises:
        ValueError: If shapes do not fit, a number is not finite, or a sample is smaller than 10 events.
    References:
        Andreassen, Nachman, Neural networks for full phase-space reweighting and parameter tuning (2019),
        arXiv:1907.08209.
    """
    one, other = _features("source", source), _features("target", target)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"source has {one.shape[1]} features, target {other.shape[1]}: they must be the same")
    w_one, w_other = _weights("source", source_weight, one), _weights("target", target_weight, other)
    logs = [_log_ratio(one, other, w_one, w_other, classifier, seed + member) for member in range(members)]
    return _varied(np.stack(logs))


class Unfolding(NamedTuple):
    """Weights that unfold data.

    Attributes:
        weights: Factors for the weights of the simulated events, with the spread of the ensemble, shape (n,).
        by_iteration: Mean factors after each iteration, shape (iterations, n).
        effective: Effective number of simulated events with them.
    """

    weights: WeightVariations
    by_iteration: Floats
    effective: float


def unfold(
    particle: ArrayLike,
    detector: ArrayLike,
    data: ArrayLike,
    *,
    passed: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    data_weight: ArrayLike | None = None,
    iterations: int = 4,
    classifier: Callable[[int], Classifier] = boosted_trees,
    members: int = 1,
    seed: int = 0,
) -> Unfolding:
    """Weights of simulated events that give the data without the effects of the detector, in all variables at once.

    Each iteration turns simulation at detector level into data, and then asks what function of the particle level does
    that. Few iterations keep to the simulation, many follow the fluctuations of the data: compare `by_iteration`.
    Backgrounds can be taken away with negative weights of the data.

    Args:
        particle: Features of the simulated events before the detector, shape (n,) or (n, f).
        detector: Features of the same events as measured, shape (n,) or (n, g); not looked at where they did not pass.
        data: Features of the data, shape (m,) or (m, g).
        passed: Which simulated events are measured at all, shape (n,); all if not given.
        weight: Of the simulated events, shape (n,); 1 if not given.
        data_weight: Of the data, shape (m,).
        iterations: How often, at least 1.
        classifier: Makes a classifier from a seed.
        members: Of an ensemble: the whole procedure with other folds and seeds.
        seed: Of the first member.
    Raises:
        ValueError: If shapes do not fit, a number is not finite, or a sample is smaller than 10 events.
    References:
        Andreassen et al., OmniFold: a method to simultaneously unfold all observables (2019), arXiv:1911.09107.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, got {iterations}")
    truth = _features("particle", particle)
    seen = np.ones(len(truth), bool) if passed is None else np.asarray(passed, bool)
    measured = np.asarray(detector, np.float64)
    if len(measured) != len(truth):
        raise ValueError(f"{len(truth)} events at particle level, {len(measured)} at detector level: they are the same")
    reco, found = _features("detector", measured[seen]), _features("data", data)
    w, w_data = _weights("particle", weight, truth), _weights("data", data_weight, found)
    every = []
    for member in range(members):
        log = np.zeros(len(truth))
        steps = []
        for iteration in range(iterations):
            own = classifier, seed + 1000 * member + iteration
            pulled = np.zeros(len(truth))
            pulled[seen] = log[seen] + _log_ratio(reco, found, w[seen] * np.exp(log[seen]), w_data, *own)
            # What is not measured follows, as a function of the particle level, what is.
            log = _log_ratio(truth, truth, w, w * np.exp(pulled), *own, learned_from=seen)
            steps.append(log)
        every.append(steps)
    logs = np.array(every)  # (members, iterations, n)
    weights = _varied(logs[:, -1])
    return Unfolding(weights, np.exp(logs.mean(0)), effective_sample_size(w * weights.nominal))


def _varied(logs: Floats) -> WeightVariations:
    """Geometric mean of the members (members, n), and one standard deviation up and down."""
    mean, spread = logs.mean(0), logs.std(0, ddof=1) if len(logs) > 1 else np.zeros(logs.shape[1])
    return WeightVariations(np.exp(mean), np.exp(mean + spread), np.exp(mean - spread))


def _log_ratio(
    source: Floats,
    target: Floats,
    source_weight: Floats,
    target_weight: Floats,
    classifier: Callable[[int], Classifier],
    seed: int,
    learned_from: NDArray[np.bool_] | None = None,
) -> Floats:
    """Logarithm of target over source for each event of the source, by classifiers of the other folds.

    Where both are the same events, with other weights, an event is in one fold in both of them, and the classifiers may
    learn from some of them alone.
    """
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(source)) % _FOLDS
    other_fold = fold if target is source else rng.permutation(len(target)) % _FOLDS
    # A classifier learns best from classes of equal weight; what that takes away is put back.
    used = np.ones(len(source), bool) if learned_from is None else learned_from
    used_target = used if target is source else np.ones(len(target), bool)
    total = target_weight[used_target].sum() / source_weight[used].sum()
    log = np.empty(len(source))
    for k in range(_FOLDS):
        ours, theirs = used & (fold != k), used_target & (other_fold != k)
        features = np.concatenate([source[ours], target[theirs]])
        label = np.repeat([0, 1], [ours.sum(), theirs.sum()])
        w_ours, w_theirs = source_weight[ours], target_weight[theirs]
        weight = np.concatenate([w_ours / w_ours.sum(), w_theirs / w_theirs.sum()]) * len(label) / 2
        trained = classifier(seed + k)
        trained.fit(features, label, sample_weight=weight)
        p = np.clip(trained.predict_proba(source[fold == k])[:, 1], _SMALLEST, 1 - _SMALLEST)
        log[fold == k] = np.log(p) - np.log1p(-p)
    return log + math.log(total)


def _features(name: str, given: ArrayLike) -> Floats:
    features = np.asarray(given, np.float64)
    features = features[:, np.newaxis] if features.ndim == 1 else features
    if features.ndim != 2 or len(features) < 10:
        raise ValueError(f"{name} has the shape {features.shape}, required: at least 10 events, (n,) or (n, f)")
    if bad := np.count_nonzero(~np.isfinite(features)):
        raise ValueError(f"{name} has {bad} numbers that are not finite")
    return features


def _weights(name: str, given: ArrayLike | None, features: Floats) -> Floats:
    weights = np.ones(len(features)) if given is None else np.array(given, np.float64)
    if weights.shape != (len(features),) or not np.isfinite(weights).all():
        wanted = f"the shape ({len(features)},) and finite numbers"
        raise ValueError(f"the weights of {name} need {wanted}, got {weights.shape}")
    if weights.sum() <= 0:
        raise ValueError(f"the weights of {name} add up to {weights.sum():g}, required: above 0")
    return weights
