"""A bundle in use: objects in, answers of the same nesting out, inside any processor and on any executor.

`load` gives what the bundle can do. All of it is a path, a checksum and settings: it pickles in about a kilobyte. The
network is read from disk once in each process, when it is first used there, and kept.
"""

from __future__ import annotations

from cortado.scoring.columns import vertex_columns
from cortado.scoring.contributions import contributions
from cortado.scoring.domain import domain_counts, domain_shifts, warn_outside_domain
from cortado.scoring.edges import Proposer, with_edges
from cortado.scoring.ensemble import ensemble
from cortado.scoring.finder import VertexFinder
from cortado.scoring.folds import folds
from cortado.scoring.generator import ShowerGenerator
from cortado.scoring.loading import load
from cortado.scoring.predictor import Predictor
from cortado.scoring.process import loads
from cortado.scoring.sampler import EventSampler
from cortado.scoring.scorer import Scorer
from cortado.scoring.several import ByFold, SeveralPredictors, Together
from cortado.scoring.track_finder import TrackFinder
from cortado.scoring.variations import jet_variations, met_variations, score_variations

__all__ = [
    "ByFold",
    "EventSampler",
    "Predictor",
    "Proposer",
    "Scorer",
    "SeveralPredictors",
    "ShowerGenerator",
    "Together",
    "TrackFinder",
    "VertexFinder",
    "contributions",
    "domain_counts",
    "domain_shifts",
    "ensemble",
    "folds",
    "jet_variations",
    "load",
    "loads",
    "met_variations",
    "score_variations",
    "vertex_columns",
    "warn_outside_domain",
    "with_edges",
]
