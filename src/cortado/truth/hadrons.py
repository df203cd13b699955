"""Flavour of hadrons, and of the jets that they are in."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.kinematics import delta_r

__all__ = ["flavour", "heaviest_quark", "last_hadrons"]

Integers = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.int32]

MATCHING_RADIUS = 0.3
"""Largest distance of a hadron from the axis of the jet that it names."""


def heaviest_quark(pdg_id: npt.NDArray[Any]) -> Kinds:
    """Heaviest quark of hadrons.

    Args:
        pdg_id: PDG codes, any shape.

    Returns:
        5 (b), 4 (c), 3, 2, 1; 0 for all else, quarks and diquarks too. int32, same shape.
    """
    code = np.abs(pdg_id.astype(np.int64))
    digits = code // 1000 % 10, code // 100 % 10, code // 10 % 10
    is_hadron = (code > 100) & (code < 10_000_000) & (digits[1] > 0) & (digits[2] > 0)
    return np.where(is_hadron, np.where(digits[0] > 0, digits[0], digits[1]), 0).astype(np.int32)


def last_hadrons(pdg_id: npt.NDArray[Any], parent: Integers, quark: int) -> npt.NDArray[np.bool_]:
    """Say which particles are hadrons of a heavy quark whose decay left none: those that decay weakly.

    Args:
        pdg_id: PDG codes, of all events in a row, shape (m,).
        parent: Index of the parent, -1 for none, shape (m,).
        quark: Heaviest quark of the hadrons, 5 (b) or 4 (c).

    Returns:
        Mask, shape (m,).
    """
    is_hadron: npt.NDArray[np.bool_] = heaviest_quark(pdg_id) == quark
    passed_on = np.zeros(len(pdg_id), dtype=bool)
    passed_on[parent[is_hadron & (parent >= 0)]] = True
    return is_hadron & ~passed_on


def flavour(jets: ak.Array, hadrons: ak.Array, radius: float = MATCHING_RADIUS) -> ak.Array:
    """Flavour of jets by the hadrons near their axis.

    Args:
        jets: With eta and phi, shape (n_events, var).
        hadrons: The last hadrons with b or c quarks, with eta, phi and quark (5 or 4), shape (n_events, var).
        radius: Largest distance of a hadron from the axis of the jet that it names.

    Returns:
        5 if there is a b hadron, else 4 if there is a c hadron, else 0; int32, shape (n_events, var).
    """
    axis, hadron = jets[:, :, np.newaxis], hadrons[:, np.newaxis]
    distance = delta_r(axis["eta"], axis["phi"], hadron["eta"], hadron["phi"])
    heaviest = ak.max(ak.where(distance < radius, hadron["quark"], 0), axis=-1)
    return ak.values_astype(ak.fill_none(heaviest, 0), np.int32)
