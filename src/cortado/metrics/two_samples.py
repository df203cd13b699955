"""How far apart two samples of many features lie: Frechet and kernel physics distance.

Features are divided by the largest absolute value that they have in the reference, as in JetNet, which the
CaloChallenge uses. Its features are log10 of the incident energy and of the energy of each layer, and the centres and
widths of each layer. Papers quote both distances times 1000.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.statistics import Estimate

__all__ = ["frechet_distance", "frechet_physics_distance", "kernel_physics_distance"]

Floats = NDArray[np.float64]
_BLOCK = 100  # rows of the kernel that are in memory together


class _Moments(NamedTuple):
    """Number of entries, and sums of the features (f,) and of their products (f, f)."""

    entries: int
    sums: Floats
    products: Floats


def frechet_distance(
    mean: ArrayLike, covariance: ArrayLike, other_mean: ArrayLike, other_covariance: ArrayLike
) -> float:
    r"""Squared Frechet distance of two normal distributions.

    :math:`|\mu - \mu'|^2 + \mathrm{tr}(\Sigma + \Sigma' - 2 \sqrt{\Sigma \Sigma'})`; the last trace is the sum of the
    singular values of :math:`\sqrt{\Sigma} \sqrt{\Sigma'}`.

    Args:
        mean: Shape (f,).
        covariance: Shape (f, f), symmetric; features without variance are allowed.
        other_mean: Shape (f,).
        other_covariance: Shape (f, f).
    References:
        Dowson, Landau, The Frechet distance between multivariate normal distributions (1982),
        doi:10.1016/0047-259X(82)90077-X.
    """
    first, second = np.asarray(covariance, dtype=np.float64), np.asarray(other_covariance, dtype=np.float64)
    cross = np.linalg.svd(_square_root(first) @ _square_root(second), compute_uv=False).sum()
    apart = np.asarray(mean, dtype=np.float64) - np.asarray(other_mean, dtype=np.float64)
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * cross)


def frechet_physics_distance(reference: ArrayLike, other: ArrayLike, *, groups: int = 20, seed: int = 0) -> Estimate:
    """Frechet physics distance (FPD): of normal distributions of the features, for infinitely large samples.

    The distance of n entries is too large by about b / n. Both samples are dealt into groups; leaving out one group at
    a time, and none, gives the distance at two sizes, whose extrapolation in 1 / n is the jackknife's value with its
    error. The value can be negative. The paper's line through ten sizes drawn with replacement has the same slope, but
    keeps the b / n of the whole sample, and its error knows nothing of the sample's own.

    Args:
        reference: Features of the reference, shape (n, f); n should be well above f, and 50,000 to compare with papers.
        other: Features of the sample that is compared, shape (m, f).
        groups: Number of groups.
        seed: Of the dealing.
    Raises:
        ValueError: If the samples are not (n, f) and (m, f), have NaN or infinity, or are smaller than two entries a
            group; if there are fewer than two groups.
    References:
        Kansal et al., Evaluating generative models in high energy physics (2022), arXiv:2211.10295, section III.
        Chong, Forsyth, Effectively unbiased FID (2019), arXiv:1911.07023.
    """
    first, second = _scaled(reference, other, parts=groups)
    rng = np.random.default_rng(seed)
    centre = first.mean(axis=0)  # keeps the digits of the covariance
    dealt = [[_moments(part - centre) for part in _deal(sample, groups, rng)] for sample in (first, second)]
    sums = [_Moments(*(sum(column) for column in zip(*parts))) for parts in dealt]
    whole = _distance(sums[0], sums[1])
    without = [_distance(_less(sums[0], one), _less(sums[1], another)) for one, another in zip(*dealt)]
    values = groups * whole - (groups - 1) * np.array(without)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(groups)))


def kernel_physics_distance(
    reference: ArrayLike,
    other: ArrayLike,
    *,
    batches: int = 10,
    batch_size: int = 5000,
    degree: int = 4,
    seed: int = 0,
) -> Estimate:
    """Kernel physics distance (KPD): squared maximum mean discrepancy with the kernel (x y / f + 1)^degree.

    Median of the unbiased estimates of batches without common entries, which can be negative. The error is that of the
    median, 1.25 times that of the mean; JetNet's is the spread of the batches, and its batches have common entries.

    Args:
        reference: Features of the reference, shape (n, f); 50,000 to compare with papers.
        other: Features of the sample that is compared, shape (m, f).
        batches: Number of batches.
        batch_size: Entries of each sample in a batch; fewer if the samples are too small for that.
        degree: Of the kernel; 4 in the paper and in JetNet.
        seed: Of the dealing.
    Raises:
        ValueError: As `frechet_physics_distance`, with batches for groups.
    References:
        Kansal et al., Evaluating generative models in high energy physics (2022), arXiv:2211.10295, section III.
    """
    first, second = _scaled(reference, other, parts=batches)
    rng = np.random.default_rng(seed)
    dealt = [[part[:batch_size] for part in _deal(sample, batches, rng)] for sample in (first, second)]
    values = [_discrepancy(one, another, degree) for one, another in zip(*dealt)]
    return Estimate(float(np.median(values)), float(math.sqrt(math.pi / 2 / batches) * np.std(values, ddof=1)))


def _scaled(reference: ArrayLike, other: ArrayLike, *, parts: int) -> tuple[Floats, Floats]:
    first, second = (np.asarray(sample, dtype=np.float64) for sample in (reference, other))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1:] != second.shape[1:] or first.shape[1:] == (0,):
        raise ValueError(f"samples must be (n, f) and (m, f) with the same features, got {first.shape}, {second.shape}")
    for what, sample in (("reference", first), ("other", second)):
        if bad := int((~np.isfinite(sample)).any(axis=1).sum()):
            raise ValueError(f"{bad} of {len(sample)} entries of the {what} sample have NaN or infinity")
    if parts < 2 or min(len(first), len(second)) < 2 * parts:
        raise ValueError(
            f"two parts or more, with two entries of each sample, are needed; there are to be {parts} of "
            f"{len(first)} and {len(second)} entries"
        )
    largest = np.abs(first).max(axis=0)
    scale = np.where(largest > 0, largest, 1.0)
    return first / scale, second / scale


def _deal(sample: Floats, parts: int, rng: np.random.Generator) -> list[Floats]:
    return [sample[chosen] for chosen in np.array_split(rng.permutation(len(sample)), parts)]


def _moments(sample: Floats) -> _Moments:
    return _Moments(len(sample), sample.sum(axis=0), sample.T @ sample)


def _less(whole: _Moments, part: _Moments) -> _Moments:
    return _Moments(whole.entries - part.entries, whole.sums - part.sums, whole.products - part.products)


def _distance(first: _Moments, second: _Moments) -> float:
    means, covariances = zip(*(_mean_and_covariance(moments) for moments in (first, second)))
    return frechet_distance(means[0], covariances[0], means[1], covariances[1])


def _mean_and_covariance(moments: _Moments) -> tuple[Floats, Floats]:
    mean = moments.sums / moments.entries
    return mean, (moments.products - moments.entries * np.outer(mean, mean)) / (moments.entries - 1)


def _square_root(covariance: Floats) -> Floats:
    """Symmetric root; eigenvalues that rounding made negative count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
    return root


def _discrepancy(first: Floats, second: Floats, degree: int) -> float:
    n, m = len(first), len(second)
    same = [_kernel_sum(x, x, degree) - _kernel_of_itself(x, degree) for x in (first, second)]
    return same[0] / (n * (n - 1)) + same[1] / (m * (m - 1)) - 2 * _kernel_sum(first, second, degree) / (n * m)


def _kernel_sum(first: Floats, second: Floats, degree: int) -> float:
    blocks = (first[start : start + _BLOCK] for start in range(0, len(first), _BLOCK))
    return float(sum(_power(block @ second.T / first.shape[1] + 1, degree).sum() for block in blocks))


def _kernel_of_itself(sample: Floats, degree: int) -> float:
    return float(_power((sample * sample).mean(axis=1) + 1, degree).sum())


def _power(values: Floats, degree: int) -> Floats:
    """By multiplication, several times faster than `**`."""
    return math.prod([values] * (degree - 1), start=values)
