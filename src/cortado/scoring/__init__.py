"""A bundle in use: jets in, scores of the same nesting out, inside any processor and on any executor.

A `Scorer` is a path, a checksum and settings: it pickles in about a kilobyte. The network is read from disk
once in each process, when it is first used there, and kept.
"""

from cortado.scoring.columns import vertex_columns
from cortado.scoring.ensemble import EnsembleScorer, ensemble
from cortado.scoring.finder import VertexFinder
from cortado.scoring.folds import FoldScorer, folds
from cortado.scoring.generator import ShowerGenerator
from cortado.scoring.loading import load, load_finder, load_generator
from cortado.scoring.process import loads
from cortado.scoring.scorer import Scorer

__all__ = [
    "EnsembleScorer",
    "FoldScorer",
    "Scorer",
    "ShowerGenerator",
    "VertexFinder",
    "ensemble",
    "folds",
    "load",
    "load_finder",
    "load_generator",
    "loads",
    "vertex_columns",
]
