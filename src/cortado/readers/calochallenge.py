"""Showers of the CaloChallenge: one shower an entry, all cells in one row.

The files have `incident_energies` [MeV] and `showers` [MeV], layer after layer, in each the cells of one azimuth alpha
after those of another, the innermost first. The number of cells says which calorimeter it is. Dataset 3 has
40,500 cells, 324 kB, a shower: read it in steps of some thousand.

There are no event numbers: the key of an entry is made of the energies of its shower.

References:
    Krause et al., CaloChallenge 2022 (2024), arXiv:2410.21611; data: doi:10.5281/zenodo.8099322, 6366270, 6366323.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak
import numpy as np

from cortado import calorimeter
from cortado.calorimeter import Geometry
from cortado.readers import columns, energies

__all__ = ["FORMS", "NAME", "branches", "record", "showers"]

NAME = "CaloChallenge"
_ENERGY, _SHOWERS = "incident_energies", "showers"
_GEOMETRIES = (
    calorimeter.CALOCHALLENGE_1_PHOTONS,
    calorimeter.CALOCHALLENGE_1_PIONS,
    calorimeter.CALOCHALLENGE_2,
    calorimeter.CALOCHALLENGE_3,
)
FORMS = ((_ENERGY, _SHOWERS),)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    return [name for name in (_ENERGY, _SHOWERS) if name in there]


def showers(events: ak.Array, geometry: Geometry | None = None) -> ak.Array:
    """Showers with their cells, layer by layer.

    Args:
        events: Entries, shape (n,).
        geometry: The calorimeter; the one of the challenge with so many cells if not given.

    Returns:
        One shower an entry, shape (n, var), with the incident energy [GeV], layer_0 (alpha, r), ... [GeV] and
        event_key.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If there is not one energy a shower, the cells are no row of the same length for all showers, or
            the geometry has another number of cells, or no known one has so many.
    """
    columns.require(*FORMS, columns.names(events), NAME)
    cells = energies.cells(events, _SHOWERS, "cells")
    layers = calorimeter.layers(cells, geometry or _geometry(cells.shape[1]))
    incident = (energies.numbers(events, _ENERGY) / energies.MEV).astype(np.float32)
    return energies.one_shower_an_entry({"energy": incident}, layers)


def record(events: ak.Array) -> ak.Array:
    """Entries in the form of the package: events of one shower, shape (n,), with showers and event_key.

    Args:
        events: Entries, shape (n,).

    Returns:
        Events, shape (n,).

    Raises:
        KeyError: If a required column is missing.
        ValueError: See `showers`.
    """
    return energies.one_shower_record(showers(events), {})


def _geometry(cells: int) -> Geometry:
    known = {sum(geometry.sizes): geometry for geometry in _GEOMETRIES}
    if cells not in known:
        listed = ", ".join(f"{number} ({geometry.name})" for number, geometry in known.items())
        raise ValueError(f"no calorimeter of the CaloChallenge has {cells} cells; known are {listed}")
    return known[cells]
