"""Particles of LHC Olympics events to their two hardest jets, and to columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.simulation.clustering import anti_kt, substructure

__all__ = ["cluster_dijets", "dijet_columns"]

RADIUS, MIN_PT = 1.0, 20.0  # of the LHC Olympics; GeV


def cluster_dijets(events: ak.Array, *, radius: float = RADIUS, min_pt: float = MIN_PT) -> ak.Array:
    """Cluster the candidates of each event with anti-kT and keep its two hardest jets.

    Events with fewer than two jets stay, with those they have, and a dijet mass of NaN: nothing is dropped here.

    Args:
        events: With ``candidates`` (pt, eta, phi, mass), shape (n_events,), as of the dialect `readers.lhc_olympics`.
        radius: R of the jets, and of the substructure.
        min_pt: Least pT of jets [GeV].

    Returns:
        The same events with jets in the place of candidates, shape (n_events, var): pt, eta, phi, mass,
        soft_drop_mass, tau1 to tau4, their constituents and the event_key, hardest first; and mjj [GeV].
    """
    candidates = events.candidates
    clustered = anti_kt(candidates, radius=radius, min_pt=min_pt)[:, :2]
    number = ak.num(clustered)
    flat_index = ak.flatten(clustered.candidate, axis=1)
    owner = np.repeat(np.arange(len(events)), ak.to_numpy(number))
    constituents = candidates[owner][flat_index]
    shape = substructure(constituents, radius=radius)
    jets = {name: ak.flatten(clustered[name]) for name in ("pt", "eta", "phi", "mass")}
    jets |= {"soft_drop_mass": shape.soft_drop_mass.astype(np.float32)}
    jets |= {f"tau{number}": shape.tau[:, number - 1].astype(np.float32) for number in range(1, 5)}
    jets |= {"event_key": events.event_key[owner], "constituents": constituents}
    kept = {name: events[name] for name in events.fields if name != "candidates"}
    return ak.zip(
        kept | {"jets": ak.unflatten(ak.zip(jets, depth_limit=1), number), "mjj": _mass(clustered)}, depth_limit=1
    )


def dijet_columns(dijets: ak.Array) -> Mapping[str, npt.NDArray[Any]]:
    """Columns of the dialect `readers.dijets`, ready to be written: jet 1 is the heavier of the two.

    Args:
        dijets: From `cluster_dijets`, shape (n_events,), with two jets each.

    Returns:
        mjj, mj1, mj2, tau21_1, tau21_2 (0 for a jet of one constituent), delta_eta; label where there is one; of shape
        (n,) each.

    Raises:
        ValueError: If an event has fewer than two jets.
    """
    if few := int(ak.sum(ak.num(dijets.jets) < 2)):
        raise ValueError(f"{few} of {len(dijets)} events have fewer than two jets: dijets[ak.num(dijets.jets) == 2]")
    jets = dijets.jets[ak.argsort(dijets.jets.mass, ascending=False)]
    mass, eta, tau1, tau2 = (ak.to_numpy(ak.to_regular(jets[name])) for name in ("mass", "eta", "tau1", "tau2"))
    ratio = np.divide(tau2, tau1, out=np.zeros_like(tau1), where=tau1 > 0)
    columns = {"mjj": ak.to_numpy(dijets.mjj), "delta_eta": np.abs(eta[:, 0] - eta[:, 1])}
    columns |= {f"mj{k + 1}": mass[:, k] for k in range(2)} | {f"tau21_{k + 1}": ratio[:, k] for k in range(2)}
    columns = {name: column.astype(np.float32) for name, column in columns.items()}
    return columns | ({"label": ak.to_numpy(dijets.is_signal)} if "is_signal" in dijets.fields else {})


def _mass(jets: ak.Array) -> npt.NDArray[np.float32]:
    """Mass of the sum of two jets [GeV], NaN where there are not two, shape (n_events,)."""
    pt, eta, phi, mass = (ak.values_astype(jets[name], np.float64) for name in ("pt", "eta", "phi", "mass"))
    momentum = (*kinematics.momentum(pt, eta, phi), kinematics.energy(pt, eta, mass))
    px, py, pz, energy = (ak.to_numpy(ak.sum(component, axis=1)) for component in momentum)
    together = kinematics.mass_of(energy, px, py, pz)
    return np.where(ak.to_numpy(ak.num(jets)) == 2, together, np.nan).astype(np.float32)
