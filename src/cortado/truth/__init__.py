"""True particles and vertices of any dialect: what a jet is, where tracks come from, what hits a particle left."""

from __future__ import annotations

from cortado.truth.decays import hadronic_decays, truth_pdg_id
from cortado.truth.hadrons import flavour, heaviest_quark, last_hadrons
from cortado.truth.origins import Production, production
from cortado.truth.trajectories import with_hits
from cortado.truth.vertices import numbered, vertices_of_tracks

__all__ = [
    "Production",
    "flavour",
    "hadronic_decays",
    "heaviest_quark",
    "last_hadrons",
    "numbered",
    "production",
    "truth_pdg_id",
    "vertices_of_tracks",
    "with_hits",
]
