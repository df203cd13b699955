"""Jets and constituents from Cartesian momenta: what JetClass and the top-tagging files share."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.kinematics import mass_of
from cortado.readers import columns


def cylindrical(px: Any, py: Any, pz: Any, energy: Any = None) -> dict[str, npt.NDArray[np.float32]]:
    """Components pt, eta, phi and mass of momenta, computed in float64 and given as float32.

    Energy and momentum are rounded to float32 in the files, so E^2 - p^2 of light particles may come out
    below zero: their mass is 0. A momentum of zero has eta = phi = 0; a NaN stays one, and along the beam eta
    is infinite.

    Args:
        px: Momentum [GeV], shape (n,).
        py: Momentum [GeV], shape (n,).
        pz: Momentum [GeV], shape (n,).
        energy: Energy [GeV], shape (n,); without it the particles are massless.

    Returns:
        The four components, shape (n,) each.
    """
    px, py, pz = (np.asarray(component, dtype=np.float64) for component in (px, py, pz))
    pt = np.hypot(px, py)
    mass = np.zeros_like(pt)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where((pt == 0) & (pz == 0), 0.0, np.arcsinh(pz / pt))
        if energy is not None:
            mass = mass_of(np.asarray(energy, dtype=np.float64), px, py, pz)
    components = {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "mass": mass}
    return {name: component.astype(np.float32) for name, component in components.items()}


def one_jet_an_entry(flat_jets: ak.Array) -> ak.Array:
    """Give jets, shape (n,), the shape (n, var) of events that have one jet each."""
    return ak.unflatten(flat_jets, np.ones(len(flat_jets), dtype=np.int64))


def one_jet_record(jets: ak.Array) -> ak.Array:
    """Record of files that have one jet an entry: events of shape (n,) with jets and event_key."""
    return columns.records({"jets": jets, "event_key": ak.flatten(jets["event_key"])})
