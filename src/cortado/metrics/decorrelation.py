"""How much a score knows of a quantity that it should not know, such as the mass: for background alone.

Both measures are never negative and have a floor: what they give on average for samples of this size of a score that
knows nothing.
"""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from cortado.metrics.distributions import Discrepancy, Sample, sample_of
from cortado.statistics import Estimate

__all__ = ["distance_correlation", "mass_sculpting"]

Floats = NDArray[np.float64]


def distance_correlation(
    first: ArrayLike,
    second: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    groups: int = 10,
    permutations: int = 10,
    seed: int = 0,
) -> Discrepancy:
    r"""Distance correlation of two numbers: 0 if they are independent, 1 if one is linear in the other.

    :math:`\mathrm{dCov}^2 = \langle |x - x'| |y - y'| \rangle + \langle |x - x'| \rangle \langle |y - y'| \rangle
    - 2 \langle |x - x'| |y - y''| \rangle` over the product of the variances' roots; the root of that. Unlike the
    DisCo loss, which is its square, and unlike correlation, it vanishes only for independent numbers. Computed in
    n log^2 n steps with memory for n numbers.

    Args:
        first: One number of each event, such as the score, shape (n,).
        second: The other, such as the mass, shape (n,).
        weights: Weight of each event, shape (n,), none of them negative; whole weights count as repetition.
        groups: Into which the events are dealt for the error, by leaving out one at a time (jackknife).
        permutations: Of one number among the events, for the floor.
        seed: Of dealing and permutations.
    Returns:
        The distance correlation with its error, and the floor.
    Raises:
        ValueError: As `wasserstein_distance`; if the numbers differ in length, one does not vary, or there are fewer
            than two groups, fewer events than two a group, or no permutation.
    References:
        Szekely, Rizzo, Bakirov, Measuring and testing dependence by correlation of distances (2007), arXiv:0803.4101.
        Kasieczka, Shih, DisCo Fever (2020), arXiv:2001.05310, eq. (4) to (7).
        Huo, Szekely, Fast computing for distance covariance (2016), arXiv:1410.1503.
    """
    x, w = sample_of("first", first, weights)
    y = sample_of("second", second, weights).values
    if len(x) != len(y):
        raise ValueError(f"first has {len(x)} numbers, second {len(y)}: needed is one of each for every event")
    for name, values in (("first", x), ("second", y)):
        if np.all(values == values[0]):
            raise ValueError(f"all {len(values)} numbers of {name} are {values[0]:g}: there is nothing to correlate")
    if groups < 2 or len(x) < 2 * groups or permutations < 1:
        raise ValueError(
            f"groups is {groups} and permutations {permutations} for {len(x)} events; needed are 2 groups of 2 events, "
            "and 1 permutation, or more"
        )
    rng = np.random.default_rng(seed)
    group = rng.permutation(len(x)) % groups
    without = np.array(
        [_distance_correlation(x[kept], y[kept], w[kept]) for kept in (group != g for g in range(groups))]
    )
    error = math.sqrt((groups - 1) / groups * ((without - without.mean()) ** 2).sum())
    shuffled = [_distance_correlation(x, rng.permutation(y), w) for _ in range(permutations)]
    return Discrepancy(Estimate(_distance_correlation(x, y, w), error), float(np.mean(shuffled)))


def mass_sculpting(
    masses: ArrayLike,
    scores: ArrayLike,
    edges: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    efficiency: float = 0.1,
    resamples: int = 200,
    seed: int = 0,
) -> Discrepancy:
    """Jensen-Shannon divergence [bit] of the mass spectra of background that passes and that fails a cut on the score.

    0 if the cut does not shape the mass, 1 if the spectra do not overlap; papers also quote its inverse. The
    threshold passes at least the wanted part, with all events of one score.

    Args:
        masses: Of background events, shape (n,).
        scores: Of these, shape (n,); larger passes.
        edges: Of the bins of mass; what is outside belongs to the nearest bin.
        weights: Weight of each event, shape (n,), none of them negative.
        efficiency: Part of the background that passes.
        resamples: Bootstrap samples, for the error, and random cuts, for the floor.
        seed: Of both.
    Returns:
        The divergence with its bootstrap error, and the floor.
    Raises:
        ValueError: As `wasserstein_distance`; if masses and scores differ in length, edges do not rise, the
            efficiency is not in (0, 1), all events pass, or there are fewer than 2 resamples.
    References:
        Lin, Divergence measures based on the Shannon entropy (1991), doi:10.1109/18.61115; as a measure of sculpting
        ATLAS, ATL-PHYS-PUB-2018-014, section 5, and arXiv:2001.05310, section 3.
    """
    mass, w = sample_of("mass", masses, weights)
    score = sample_of("score", scores, weights).values
    bins = np.asarray(edges, np.float64)
    if len(mass) != len(score):
        raise ValueError(f"there are {len(mass)} masses and {len(score)} scores: needed is one of each for every event")
    if len(bins) < 2 or not np.all(np.diff(bins) > 0):
        raise ValueError(f"edges must be two or more rising numbers, got {bins.tolist()}")
    if not 0 < efficiency < 1 or resamples < 2:
        raise ValueError(f"efficiency is {efficiency}, resamples {resamples}; needed are (0, 1), and 2 or more")
    descending = np.argsort(-score, kind="stable")
    reached = np.cumsum(w[descending]) >= efficiency * (1 - 1e-12)
    passed = score >= score[descending[np.argmax(reached)]]
    if passed.all():
        raise ValueError(f"all {len(score)} events pass the threshold {score.min():g}: scores are too few or equal")
    index = np.clip(np.searchsorted(bins, mass, side="right") - 1, 0, len(bins) - 2)
    rng = np.random.default_rng(seed)
    drawn = [_divergence(index, passed, w * rng.poisson(1.0, len(w)), len(bins) - 1) for _ in range(resamples)]
    random = [_divergence(index, rng.permutation(passed), w, len(bins) - 1) for _ in range(resamples)]
    value = _divergence(index, passed, w, len(bins) - 1)
    return Discrepancy(Estimate(value, float(np.std(drawn, ddof=1))), float(np.mean(random)))


def _divergence(index: NDArray[np.int64], passed: NDArray[np.bool_], weights: Floats, bins: int) -> float:
    """Jensen-Shannon divergence of the spectra, both normalised."""
    spectra = [np.bincount(index[chosen], weights[chosen], bins) for chosen in (passed, ~passed)]
    p, q = (each / max(each.sum(), 1e-300) for each in spectra)
    middle = np.where(p + q > 0, (p + q) / 2, 1.0)
    return float((scipy.special.xlogy(p, p / middle) + scipy.special.xlogy(q, q / middle)).sum() / (2 * math.log(2)))


def _distance_correlation(x: Floats, y: Floats, weights: Floats) -> float:
    w = weights / weights.sum()
    x, y = ((values - w @ values) / max(float(np.abs(values - w @ values).max()), 1e-300) for values in (x, y))
    means = [_mean_distances(Sample(values, w)) for values in (x, y)]
    (a, b), (mean_a, mean_b) = means, (w @ each for each in means)
    covariance = _mean_product(x, y, w) + mean_a * mean_b - 2 * w @ (a * b)
    variances = [
        2 * (w @ values**2) + mean**2 - 2 * w @ each**2 for values, mean, each in ((x, mean_a, a), (y, mean_b, b))
    ]
    scale = math.sqrt(max(variances[0], 0.0) * max(variances[1], 0.0))
    return math.sqrt(max(float(covariance), 0.0) / scale) if scale > 0 else 0.0


def _mean_distances(sample: Sample) -> Floats:
    """Mean distance of each value from all, shape (n,)."""
    values, w = sample
    order = np.argsort(values, kind="stable")
    ranked, part = values[order], w[order]
    below, moment = np.cumsum(part), np.cumsum(part * ranked)
    distance = np.empty_like(values)
    distance[order] = ranked * (2 * below - below[-1]) - 2 * moment + moment[-1]
    return distance


def _mean_product(x: Floats, y: Floats, w: Floats) -> float:
    r"""Mean of :math:`|x - x'| |y - y'|` for x and y whose means are 0.

    The product without bars has the same size; its sign is + for pairs in which both are larger (concordant). Twice
    the sum over these less the sum over all, which is twice the covariance.
    """
    order = np.argsort(x, kind="stable")
    x, y, w = x[order], y[order], w[order]
    below = _sums_below(y, np.stack([w, w * x, w * y, w * x * y]))
    concordant = 2 * (w * (x * y * below[0] - y * below[1] - x * below[2] + below[3])).sum()
    return float(2 * concordant - 2 * (w * x * y).sum())


def _sums_below(y: Floats, terms: Floats) -> Floats:
    """For each entry the sums, shape (terms, n), over the entries before it whose y is smaller.

    Merge sort: on each level blocks of twice the size are ordered in y, and the entries of the right half of a block
    add what lies below them in its left half. Entries of equal y may count or not: their products vanish.
    """
    n = len(y)
    rank = np.empty(n, np.int64)
    rank[np.argsort(y, kind="stable")] = np.arange(n)
    sums = np.zeros_like(terms)
    order = np.arange(n)
    for level in range(max(n - 1, 0).bit_length()):
        block = order >> (level + 1)
        order = order[np.argsort(block * n + rank[order], kind="stable")]
        block = order >> (level + 1)
        right = (order >> level) & 1 == 1
        running = np.cumsum(np.where(right, 0.0, terms[:, order]), axis=1)
        first = np.searchsorted(block, block[right])  # of the block
        before = np.where(first > 0, running[:, first - 1], 0.0)
        sums[:, order[right]] += running[:, right] - before
    return sums
