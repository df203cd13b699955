"""Simulated samples: jets in the dialects of CMS NanoAOD v15 and of Set2Graph, showers in CaloGAN's, hits of trackers,
parametric dijets with a resonance, and occupancy maps.

Jets and showers need the extra ``sim``. Pythia and FastJet are GPL programs: they are never needed to train, score or
analyse, only to make samples here. Dijets and maps need no extra; nor do hits, unless they come from Pythia (``sim``)
or ACTS (``acts``).
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cortado.extras import extra

if TYPE_CHECKING:
    from cortado.simulation.dijet_clustering import cluster_dijets, dijet_columns
    from cortado.simulation.dijets import DijetSummary, simulate_dijets
    from cortado.simulation.events import PROCESSES
    from cortado.simulation.flavour import FLAVOUR_PROCESSES, simulate_flavour_jets
    from cortado.simulation.hits import (
        ActsTracks,
        CkfSettings,
        HitSummary,
        ToyHitSummary,
        acts_tracks,
        simulate_hits,
        simulate_toy_hits,
    )
    from cortado.simulation.jets import SimulationSummary, simulate_jets
    from cortado.simulation.occupancy_maps import FAULTS, MapSummary, simulate_maps
    from cortado.simulation.showers import ShowerSummary, simulate_showers

__all__ = [
    "FAULTS",
    "FLAVOUR_PROCESSES",
    "PROCESSES",
    "ActsTracks",
    "CkfSettings",
    "DijetSummary",
    "HitSummary",
    "MapSummary",
    "ShowerSummary",
    "SimulationSummary",
    "ToyHitSummary",
    "acts_tracks",
    "cluster_dijets",
    "dijet_columns",
    "simulate_dijets",
    "simulate_flavour_jets",
    "simulate_hits",
    "simulate_jets",
    "simulate_maps",
    "simulate_showers",
    "simulate_toy_hits",
]

_HOMES = {
    "FAULTS": "occupancy_maps",
    "FLAVOUR_PROCESSES": "flavour",
    "PROCESSES": "events",
    "ActsTracks": "hits",
    "CkfSettings": "hits",
    "DijetSummary": "dijets",
    "HitSummary": "hits",
    "MapSummary": "occupancy_maps",
    "ShowerSummary": "showers",
    "SimulationSummary": "jets",
    "ToyHitSummary": "hits",
    "acts_tracks": "hits",
    "simulate_dijets": "dijets",
    "cluster_dijets": "dijet_clustering",
    "dijet_columns": "dijet_clustering",
    "simulate_flavour_jets": "flavour",
    "simulate_hits": "hits",
    "simulate_jets": "jets",
    "simulate_maps": "occupancy_maps",
    "simulate_showers": "showers",
    "simulate_toy_hits": "hits",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used: hits need no Pythia.

    A function whose program is not installed says so when it is called: what imports it can run on files without it.

    Raises:
        ImportError: If a program of the extra ``sim`` is missing, and the name is not that of a function.
        AttributeError: If there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'cortado.simulation' has no attribute {name!r}; it has {', '.join(__all__)}")
    try:
        with extra("sim", name):
            return getattr(import_module(f"cortado.simulation.{_HOMES[name]}"), name)
    except ImportError as error:
        if not name.startswith(("simulate_", "cluster_")):
            raise
        return partial(_fail, error)


def _fail(error: ImportError, *arguments: Any, **options: Any) -> None:
    raise error
