"""From weights of jets to weights of events, and what the weights of jets need to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np

from cortado.names import require_one_of
from cortado.scoring.nesting import flatten, flatten_values
from cortado.weights import ScaleFactor, WeightVariations, WorkingPoint, per_event

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


def factors_at(point: WorkingPoint, given: Mapping[str, Any]) -> dict[str, ScaleFactor]:
    """Scale factors of "signal" and "background"; 1 with the error of the efficiency where none is given.

    Raises:
        ValueError: If a key is unknown.
    """
    factors = {
        "signal": ScaleFactor(value=1.0, error=_relative(point.efficiency_err, point.efficiency)),
        "background": ScaleFactor(value=1.0, error=_relative(point.mistag_err, point.mistag)),
    }
    for name, factor in given.items():
        require_one_of("truth of a scale factor", name, factors)
        if not isinstance(factor, ScaleFactor) and np.shape(factor) != (2,):
            raise ValueError(f"scale factor of {name!r} = {factor!r}, required: (value, error) or a ScaleFactor")
        factors[name] = factor if isinstance(factor, ScaleFactor) else ScaleFactor(value=factor[0], error=factor[1])
    return factors


def _relative(error: float, value: float) -> float:
    """Relative error of an efficiency, such that neither 1 minus nor 1 plus it makes a rate outside of [0, 1]."""
    relative = error / value if value > error else 1.0
    return min(relative, (1 - value) / value) if value > 0 else relative
