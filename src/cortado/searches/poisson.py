"""Poisson fits of many histograms at once, of a function whose logarithm is linear in its parameters, and a signal.

The expectation of a bin is the integral of exp(terms @ parameters), plus the strength of the signal times its part in
the bin. Fisher scoring (iteratively reweighted least squares) finds the maximum of the likelihood; a step that does not
lessen the deviance is halved. All fits of a block go together, those that have converged drop out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

__all__ = ["Design", "PoissonFits", "deviance", "fit_poisson"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
_BLOCK = 1024  # fits in memory together
_TOLERANCE = 1e-6  # of the deviance that another step would gain
_ENOUGH = 1e-3  # the same, where no step gains: a maximum at infinity, or rounding
_STEPS, _HALVINGS = 100, 30
_RIDGE = 1e-9  # keeps directions about which the counts say nothing where they are


class Design(NamedTuple):
    """Bins as the fit sees them.

    Attributes:
        terms: Factors of the parameters in the logarithm of the density at the nodes, shape (bins, nodes, k).
        measure: Length of bin that each node stands for, shape (bins, nodes).
    """

    terms: Floats
    measure: Floats


class PoissonFits(NamedTuple):
    """Fits of t histograms; with a signal its strength is the last of the k parameters.

    Attributes:
        values: Parameters, shape (t, k).
        covariance: Inverse of the expected information, shape (t, k, k).
        expected: Shape (t, bins), also in bins that were not fitted.
        jacobian: Derivatives of the expected counts by the parameters, shape (t, bins, k).
        deviance: Of the bins that were fitted, shape (t,).
        converged: Whether the fit has ended at a maximum, shape (t,).
    """

    values: Floats
    covariance: Floats
    expected: Floats
    jacobian: Floats
    deviance: Floats
    converged: Mask


def deviance(counts: Floats, expected: Floats, fitted: Mask) -> Floats:
    """Twice the logarithm of the likelihood ratio of saturated model and expectation, shape (...,) of (..., bins).

    References:
        Baker, Cousins, Clarification of the use of chi-square and likelihood functions in fits to histograms (1984),
        doi:10.1016/0167-5087(84)90016-4, the likelihood chi-square for Poisson histograms.
    """
    possible = expected > 0
    safe = np.where(possible, expected, 1.0)
    each = np.where(possible, safe - counts + xlogy(counts, counts / safe), np.inf)
    total: Floats = 2 * np.where(fitted, each, 0.0).sum(axis=-1)
    return total


def fit_poisson(
    design: Design, counts: Floats, fitted: Mask, *, start: Floats | None = None, signal: Floats | None = None
) -> PoissonFits:
    """Fit every histogram.

    Args:
        design: Of the function in the bins.
        counts: Shape (t, bins).
        fitted: Bins that take part, shape (bins,).
        start: Parameters to start from, shape (t, k), without that of the signal, which starts at 0.
        signal: Part of the signal that falls into each bin, shape (bins,); its strength may be negative.
    """
    rotation, rotated = _orthogonal(design, counts, fitted)
    # to the parameters of the rotated terms: terms @ values == (terms @ rotation) @ (inverse @ values)
    inverse = np.linalg.inv(rotation)
    parts = []
    for first in range(0, len(counts), _BLOCK):
        block = counts[first : first + _BLOCK]
        begin = _start(rotated, block, fitted) if start is None else start[first : first + _BLOCK] @ inverse.T
        fit = _fit_block(rotated, block, fitted, begin, signal)
        if start is not None and len(again := np.flatnonzero(~fit.converged)):
            retried = _fit_block(rotated, block[again], fitted, _start(rotated, block[again], fitted), signal)
            for whole, part in zip(fit, retried):
                whole[again] = part
        parts.append(fit)
    fits = PoissonFits(*(np.concatenate(column) for column in zip(*parts)))
    back = rotation
    if signal is not None:
        back = np.eye(len(rotation) + 1)
        back[:-1, :-1] = rotation
    forth = np.linalg.inv(back)
    return fits._replace(
        values=fits.values @ back.T, covariance=back @ fits.covariance @ back.T, jacobian=fits.jacobian @ forth
    )


def _orthogonal(design: Design, counts: Floats, fitted: Mask) -> tuple[Floats, Design]:
    """Combine the terms so that they are orthogonal over the fitted bins: parameters that hardly correlate."""
    weight = np.sqrt(counts.mean(axis=0) + 0.5) * fitted
    middle = design.terms.mean(axis=1) * weight[:, np.newaxis]
    rotation = np.linalg.inv(np.linalg.qr(middle)[1])
    return rotation, Design(design.terms @ rotation, design.measure)


def _start(design: Design, counts: Floats, fitted: Mask) -> Floats:
    """Weighted least squares of the logarithm of the counts, to which a half is added: shape (t, k)."""
    terms = design.terms.mean(axis=1)
    weight = (counts + 0.5) * fitted
    logarithm = np.log((counts + 0.5) / design.measure.sum(axis=1))
    information = np.einsum("tb,bk,bl->tkl", weight, terms, terms, optimize=True)
    solution: Floats = np.linalg.solve(_ridged(information), ((weight * logarithm) @ terms)[..., np.newaxis])[..., 0]
    return solution


class _Point(NamedTuple):
    """Parameters, and what follows from them."""

    values: Floats
    nodes: Floats
    expected: Floats
    deviance: Floats

    def take(self, index: NDArray[np.int64] | Mask) -> _Point:
        return _Point(*(array[index] for array in self))


def _fit_block(design: Design, counts: Floats, fitted: Mask, begin: Floats, signal: Floats | None) -> PoissonFits:
    if signal is not None:
        begin = np.column_stack([begin, np.zeros(len(begin))])
    point = _at(design, counts, fitted, begin, signal)
    active, converged = np.arange(len(counts)), np.zeros(len(counts), bool)
    for _ in range(_STEPS):
        here = point.take(active)
        gradient, information = _slope(design, counts[active], fitted, here, signal)
        step = np.linalg.solve(_ridged(information), gradient[..., np.newaxis])[..., 0]
        gain = (gradient * step).sum(axis=-1)
        done = gain < _TOLERANCE
        converged[active[done]] = True
        active = active[~done]
        if not len(active):
            break
        moved, better = _moved(design, counts[active], fitted, here.take(~done), step[~done], signal)
        for whole, part in zip(point, moved):
            whole[active] = part
        active = active[better]  # one that no step betters stays where it is, unconverged
        if not len(active):
            break
    jacobian = _jacobian(design, point.nodes, signal)
    gradient, information = _slope(design, counts, fitted, point, signal)
    covariance = np.asarray(np.linalg.inv(_ridged(information)), np.float64)
    left = np.einsum("tk,tkl,tl->t", gradient, covariance, gradient)
    return PoissonFits(point.values, covariance, point.expected, jacobian, point.deviance, converged | (left < _ENOUGH))


def _at(design: Design, counts: Floats, fitted: Mask, values: Floats, signal: Floats | None) -> _Point:
    smooth = values if signal is None else values[:, :-1]
    with np.errstate(over="ignore", invalid="ignore"):
        bins, nodes, k = design.terms.shape
        exponent = (smooth @ design.terms.reshape(-1, k).T).reshape(-1, bins, nodes)
        at_nodes = design.measure * np.exp(np.clip(exponent, -700.0, 700.0))
        expected = at_nodes.sum(axis=-1)
        if signal is not None:
            expected = expected + values[:, -1:] * signal
        return _Point(values, at_nodes, expected, deviance(counts, expected, fitted))


def _jacobian(design: Design, nodes: Floats, signal: Floats | None) -> Floats:
    smooth: Floats = np.matmul(nodes.transpose(1, 0, 2), design.terms).transpose(1, 0, 2)
    if signal is None:
        return smooth
    return np.concatenate([smooth, np.broadcast_to(signal[:, np.newaxis], (*smooth.shape[:2], 1))], axis=-1)


def _slope(design: Design, counts: Floats, fitted: Mask, point: _Point, signal: Floats | None) -> tuple[Floats, Floats]:
    """Gradient (t, k) of the logarithm of the likelihood, and the expected information (t, k, k)."""
    jacobian = _jacobian(design, point.nodes, signal)
    safe = np.where(fitted, point.expected, 1.0)
    gradient = np.matmul(((counts / safe - 1) * fitted)[:, np.newaxis], jacobian)[:, 0]
    weighted = jacobian * (fitted / safe)[..., np.newaxis]
    return gradient, np.matmul(weighted.transpose(0, 2, 1), jacobian)


def _moved(
    design: Design, counts: Floats, fitted: Mask, here: _Point, step: Floats, signal: Floats | None
) -> tuple[_Point, Mask]:
    """The points after the step, halved until it lessens the deviance, and for which ones that succeeded."""
    best = _Point(*(array.copy() for array in here))
    pending = np.arange(len(counts))
    rounding = 1e-14 * counts.sum(axis=-1)
    for halving in range(_HALVINGS):
        values = here.values[pending] + step[pending] / 2**halving
        trial = _at(design, counts[pending], fitted, values, signal)
        better = trial.deviance <= here.deviance[pending] + rounding[pending]
        for whole, part in zip(best, trial):
            whole[pending[better]] = part[better]
        pending = pending[~better]
        if not len(pending):
            break
    succeeded = np.ones(len(counts), bool)
    succeeded[pending] = False
    return best, succeeded


def _ridged(information: Floats) -> Floats:
    k = information.shape[-1]
    trace = np.trace(information, axis1=-2, axis2=-1)[:, np.newaxis, np.newaxis]
    ridged: Floats = information + (_RIDGE * trace / k + 1e-30) * np.eye(k)
    return ridged
