"""Scale factors of a working point to weights of jets and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.weights.variations import WeightVariations, require_between

__all__ = ["ScaleFactor", "jet_weights", "per_event", "working_point_weights"]

Floats = NDArray[np.float64]


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


def working_point_weights(
    passes: Any, *, efficiency: Any, scale_factor: Any, scale_factor_err: Any = None
) -> WeightVariations:
    """Weights that give simulated jets the tagging efficiency of data.

    A jet that passes weighs s, one that fails (1 - s e) / (1 - e), so that the sum of weights is conserved; e
    is the efficiency in simulation and s the scale factor, both those of the jet's true class and kinematics.
    An event weighs the product over its jets. Up and down shift s by its uncertainty for all jets together.

    Args:
        passes: Boolean per jet, shape (n,), (n_events, var) or deeper; None (no jet) weighs 1.
        efficiency: Efficiency in simulation, a number or of the shape of `passes`.
        scale_factor: Efficiency in data over efficiency in simulation, likewise; or `WeightVariations` of it.
        scale_factor_err: Its uncertainty, likewise; not of `WeightVariations`.
    Returns:
        Weights per event: float64, shape (n,) or (n_events,), in arrays of their own.
    Raises:
        ValueError: If an efficiency lies outside [0, 1], a scale factor or its error is negative or not
            finite, a jet fails where the efficiency is 1, s e exceeds 1 for any variation, or the uncertainty is
            given in both ways or in none.
    References:
        CMS, Methods to apply b-tagging efficiency scale factors (method 1a); CMS, arXiv:1712.07158, sec. 8.
    """
    return per_event(
        jet_weights(passes, efficiency=efficiency, scale_factor=scale_factor, scale_factor_err=scale_factor_err)
    )


def jet_weights(passes: Any, *, efficiency: Any, scale_factor: Any, scale_factor_err: Any = None) -> WeightVariations:
    """`working_point_weights` before the product over jets: weights of the shape of `passes`."""
    is_varied = isinstance(scale_factor, WeightVariations)
    if is_varied == (scale_factor_err is not None):
        raise ValueError(
            "the uncertainty of a scale factor: required is scale_factor_err=, or WeightVariations, not both"
        )
    given = scale_factor if is_varied else (scale_factor, scale_factor_err)
    passing, e, *given = (
        _filled(x, neutral)
        for x, neutral in zip(ak.broadcast_arrays(passes, efficiency, *given), (False, 0.0, 1.0, float(is_varied), 1.0))
    )
    require_between(0, 1, "efficiency", e)
    require_between(0, np.inf, "scale factor", given[0])
    if not is_varied:
        s, s_err = given
        require_between(0, np.inf, "scale factor error", s_err)
        given = [s, s + s_err, s - s_err]
    if n := ak.sum(~passing & (e == 1), axis=None):
        raise ValueError(f"{n} jets fail the working point where its efficiency is 1; measure it on more jets")
    sides = ("scale factor", "scale factor up", "scale factor down")
    return WeightVariations(*(_jet_weight(passing, e, s, side) for s, side in zip(given, sides)))


def _filled(values: ak.Array, neutral: bool | float) -> ak.Array:
    """A missing jet as one that fails where nothing passes, so that its weight is 1."""
    return ak.values_astype(ak.fill_none(values, neutral, axis=-1), type(neutral), including_unknown=True)


def _jet_weight(passing: ak.Array, e: ak.Array, s: ak.Array, side: str) -> ak.Array:
    require_between(0, np.inf, side, s)
    require_between(0, 1 + 1e-12, f"{side} times efficiency", s * e)
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
