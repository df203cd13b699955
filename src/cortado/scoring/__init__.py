"""A bundle in use: jets in, scores of the same nesting out, inside any processor and on any executor.

A `Scorer` is a path, a checksum and settings: it pickles in about a kilobyte. The network is read from disk
once in each process, when it is first used there, and kept.
"""

from cortado.scoring.finder import VertexFinder
from cortado.scoring.folds import FoldScorer, folds
from cortado.scoring.loading import load, load_finder
from cortado.scoring.process import loads
from cortado.scoring.scorer import Scorer

__all__ = ["FoldScorer", "Scorer", "VertexFinder", "folds", "load", "load_finder", "loads"]
