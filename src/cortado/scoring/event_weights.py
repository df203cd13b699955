"""From weights of jets to weights of events, and what the weights of jets need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.names import require_one_of
from cortado.scoring.nesting import flatten, flatten_values
from cortado.weights import Correction, ScaleFactor, WeightVariations, WorkingPoint, per_event

PDG_IDS = {"w": 24, "z": 23, "higgs": 25, "top": 6}


def with_truth(jets: ak.Array, is_signal: ak.Array | None, signal: str) -> ak.Array:
    """Flat jets with the field `is_signal`; see `Scorer.add_weight`.

    Raises:
        ValueError: If nothing tells the truth.
    """
    flat = flatten(jets)
    if is_signal is not None:
        return ak.with_field(flat, flatten_values(ak.Array(is_signal)), "is_signal")
    if "is_signal" in flat.fields:
        return flat
    if "truth_pdg_id" in flat.fields and signal.lower() in PDG_IDS:
        return ak.with_field(flat, flat.truth_pdg_id == PDG_IDS[signal.lower()], "is_signal")
    raise ValueError(
        f"the truth of jets is not known for signal {signal!r}: give is_signal=, or a field is_signal, or "
        f"truth_pdg_id with a signal class among {', '.join(PDG_IDS)}; the jets have {', '.join(flat.fields)}"
    )


def add_per_event(weights: Any, name: str, factors: ak.Array) -> None:
    """Multiply the jet weights of each event and add the products to a coffea `Weights`."""
    varied = per_event(WeightVariations(factors.nominal, factors.up, factors.down))
    weights.add(name, varied.nominal, weightUp=varied.up, weightDown=varied.down)


def factors_at(point: WorkingPoint, given: Mapping[str, Any]) -> dict[str, ScaleFactor | Correction]:
    """Scale factors of "signal" and "background"; 1 with the error of the efficiency where none is given.

    Raises:
        ValueError: If a key is unknown.
    """
    factors: dict[str, ScaleFactor | Correction] = {
        "signal": ScaleFactor(value=1.0, error=_relative(point.efficiency_err, point.efficiency)),
        "background": ScaleFactor(value=1.0, error=_relative(point.mistag_err, point.mistag)),
    }
    for name, factor in given.items():
        require_one_of("truth of a scale factor", name, factors)
        if isinstance(factor, ScaleFactor | Correction):
            factors[name] = factor
        elif np.shape(factor) == (2,):
            factors[name] = ScaleFactor(value=factor[0], error=factor[1])
        else:
            raise ValueError(
                f"scale factor of {name!r} = {factor!r}, required: (value, error), a ScaleFactor or a Correction"
            )
    return factors


def efficiencies_at(point: WorkingPoint, given: Mapping[str, Any]) -> dict[str, float | Correction]:
    """Efficiencies in simulation of "signal" and "background"; those of the working point where none is given.

    Raises:
        ValueError: If a key is unknown.
    """
    efficiencies: dict[str, float | Correction] = {"signal": point.efficiency, "background": point.mistag}
    for name, efficiency in given.items():
        require_one_of("truth of an efficiency", name, efficiencies)
        if not isinstance(efficiency, Correction) and np.shape(efficiency) != ():
            raise ValueError(f"efficiency of {name!r} = {efficiency!r}, required: a number or a Correction")
        efficiencies[name] = efficiency
    return efficiencies


def factors_of_jets(
    jets: ak.Array,
    points: Sequence[WorkingPoint],
    member: NDArray[np.int64],
    factors: Mapping[str, Any],
    efficiencies: Mapping[str, Any],
) -> NDArray[np.float64]:
    """Efficiency, and scale factor nominal, up and down, of each jet, shape (4, n).

    Args:
        jets: With the field `is_signal`, and those of the factors, shape (n,).
        points: The working point, of each fold.
        member: Fold of each jet, shape (n,).
        factors: See `factors_at`.
        efficiencies: See `efficiencies_at`.
    """
    each = np.empty((4, len(jets)))
    for fold, point in enumerate(points):
        chosen = member == fold
        each[:1, chosen] = _by_truth(jets[chosen], efficiencies_at(point, efficiencies))[:1]
        each[1:, chosen] = _by_truth(jets[chosen], factors_at(point, factors))
    return each


def _by_truth(jets: ak.Array, given: Mapping[str, Any]) -> NDArray[np.float64]:
    """Nominal, up and down of each jet by its field `is_signal`, shape (3, n): of "signal" or "background"."""
    is_signal, each = ak.to_numpy(jets.is_signal).astype(bool), np.empty((3, len(jets)))
    for name, chosen in (("signal", is_signal), ("background", ~is_signal)):
        each[:, chosen] = _varied(given[name], jets[chosen])
    return each


def _varied(given: float | ScaleFactor | Correction, jets: ak.Array) -> Any:
    if isinstance(given, Correction):
        return given(jets)
    if isinstance(given, ScaleFactor):
        value, error = given(ak.to_numpy(jets.pt))
        return value, value + error, value - error
    return np.full((3, len(jets)), given, np.float64)


def _relative(error: float, value: float) -> float:
    """Relative error of an efficiency, such that neither 1 minus nor 1 plus it makes a rate outside of [0, 1]."""
    relative = error / value if value > error else 1.0
    return min(relative, (1 - value) / value) if value > 0 else relative
