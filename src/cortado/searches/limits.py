"""The upper limit on the signal strength of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from cortado.extras import extra

__all__ = ["Limits", "limits"]

_LEAST = 2e-5  # of the largest strength: CLs of none is 0 over 0
_DEVIATIONS = (2.0, 1.0, 0.0, -1.0, -2.0)  # of what is observed without signal, for rising limits


class Limits(NamedTuple):
    """Upper limits on the signal strength by CLs.

    Attributes:
        observed: Of the data.
        expected: Without signal: the median, and one and two standard deviations below and above, rising, shape (5,).
        level: Confidence level.
    """

    observed: float
    expected: NDArray[np.float64]
    level: float


def limits(spec: Mapping[str, Any], *, level: float = 0.95) -> Limits:
    """Observed and expected upper limit on the strength of a workspace, by CLs with asymptotic formulae.

    The fits are pyhf's. Its own scan repeats those that do not depend on the strength for each, and so takes about
    five times as long.

    Args:
        spec: See `workspace`.
        level: Confidence level.
    Raises:
        ImportError: If pyhf is not installed.
        ValueError: If the level is not in (0, 1), or CLs is not defined for so weak a signal.
    References:
        Read, Presentation of search results: the CLs technique (2002), doi:10.1088/0954-3899/28/10/313.
        Cowan et al. (2010), arXiv:1007.1727, eqs. (16), (66) and (89), section 3.8.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; needed is a confidence level in (0, 1)")
    with extra("fit", "a limit"):
        import pyhf
    space = pyhf.Workspace(dict(spec))
    model = space.model()
    observed = space.data(model)
    without_signal = model.expected_data(pyhf.infer.mle.fixed_poi_fit(0.0, observed, model))
    of_data, of_asimov = _root_of_statistic(model, observed), _root_of_statistic(model, without_signal)

    def excluded(strength: float) -> float:
        """CLs less its limit: falls through 0."""
        root, asimov = of_data(strength), of_asimov(strength)
        deviation = root - asimov if root <= asimov else (root**2 - asimov**2) / (2 * asimov)
        return float(ndtr(-deviation - asimov) / ndtr(-deviation)) - (1 - level)

    def expected(deviation: float) -> float:
        needed = -deviation - ndtri((1 - level) * ndtr(-deviation))
        return _crossing(lambda strength: needed - of_asimov(strength), ends)

    largest = model.config.suggested_bounds()[model.config.poi_index][1]
    ends = _LEAST * largest, largest / 5
    try:
        return Limits(_crossing(excluded, ends), np.array([expected(each) for each in _DEVIATIONS]), level)
    except ValueError as error:
        raise ValueError(
            f"no limit from {ends[0]:g} to {ends[1]:g}: the signal is too weak to be told from none, take "
            f"wider regions, or one more in which it is expected ({error})"
        ) from error


def _crossing(falling: Callable[[float], float], ends: tuple[float, float]) -> float:
    """Strength where a function falls through 0, between the ends or a little beyond."""
    low, high = ends
    while falling(low) < 0:
        low /= 2
    if falling(high) > 0:
        high *= 4  # still within the bounds of the fits
    return float(brentq(falling, low, high, rtol=1e-4))


def _root_of_statistic(model: Any, data: Any) -> Callable[[float], float]:
    """Root of the test statistic of a strength: of twice the difference from the largest likelihood, 0 below it."""
    from pyhf.infer import mle

    parameters, least = mle.fit(data, model, return_fitted_val=True)
    best = float(np.asarray(parameters)[model.config.poi_index])

    @cache
    def root(strength: float) -> float:
        if strength <= best:
            return 0.0
        _, value = mle.fixed_poi_fit(strength, data, model, return_fitted_val=True)
        return float(np.sqrt(max(float(value) - float(least), 0.0)))

    return root
