"""The signal strength of a workspace with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from cortado.extras import extra

__all__ = ["Strength", "fit_strength"]


_PRECISION = 1e-4  # of a strength


class Strength(NamedTuple):
    """A fitted signal strength.

    Attributes:
        value: Where the likelihood is largest, not negative.
        low: Lower end of the interval of 68 %; 0 where the likelihood does not fall far enough.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} -{self.value - self.low:.2f} +{self.high - self.value:.2f}"


def fit_strength(spec: Mapping[str, Any]) -> Strength:
    """Strength of the largest likelihood, and where twice its logarithm is 1 below, all other parameters fitted anew.

    Args:
        spec: See `workspace`.
    Raises:
        ImportError: If pyhf is not installed.
    References:
        Cowan et al., Asymptotic formulae for likelihood-based tests of new physics (2010), arXiv:1007.1727, eq. (7).
    """
    with extra("fit", "a fit of the strength"):
        import pyhf
    space = pyhf.Workspace(dict(spec))
    model = space.model()
    observed = space.data(model)
    parameters, least = pyhf.infer.mle.fit(observed, model, return_fitted_val=True)
    best = float(np.asarray(parameters)[model.config.poi_index])
    largest = model.config.suggested_bounds()[model.config.poi_index][1]

    def beyond(strength: float) -> float:
        _, value = pyhf.infer.mle.fixed_poi_fit(strength, observed, model, return_fitted_val=True)
        return float(value) - float(least) - 1

    low = _lower_end(beyond, best)
    return Strength(best, low, _upper_end(beyond, best, best - low, largest))


def _lower_end(beyond: Callable[[float], float], best: float) -> float:
    """Where a function is 0 below the best strength; 0 if nowhere.

    Approached from above: without any signal, events where nothing else is expected have no likelihood.
    """
    above = best
    while above > _PRECISION:
        below = above / 2
        if beyond(below) > 0:
            return float(brentq(beyond, below, above, xtol=_PRECISION))
        above = below
    return 0.0


def _upper_end(beyond: Callable[[float], float], best: float, width: float, largest: float) -> float:
    """Strength above the best one where a function is 0, in steps that grow: fits far from it need not converge.

    Args:
        beyond: The function, negative at the best strength.
        best: The best strength.
        width: Of the interval below it.
        largest: Where the function is positive.
    """
    below, step = best, max(width, 1e-4 * largest)
    while (above := below + step) < largest and beyond(above) < 0:
        below, step = above, 2 * step
    return float(brentq(beyond, below, min(above, largest), xtol=_PRECISION))
