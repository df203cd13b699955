"""Tracks to vertices: helices, vertex fits, adaptive vertex reconstruction, and vertices as records.

==================  ===================================================================================
`components`        scores of pairs of tracks -> which tracks share a vertex
`find_vertices`     tracks -> the same by adaptive vertex reconstruction, the classical way; `tune` its cuts
`primary_vertices`  all tracks of events -> where they collided, which is what distances are measured from
`vertices`          tracks and which of them share a vertex -> fitted vertices with mass, flight distance, ...
`fit_vertices`      the fit behind it, on flat arrays
==================  ===================================================================================

All work on many jets at once, in numpy. Lengths are in mm, momenta in GeV, fields in T.
"""

from cortado.reconstruction.adaptive import AdaptiveCuts, Tuning, find_vertices, tune
from cortado.reconstruction.partition import components
from cortado.reconstruction.primary import primary_vertices
from cortado.reconstruction.priors import Prior
from cortado.reconstruction.tracks import typical_resolution
from cortado.reconstruction.vertex_fit import FittedVertices, fit_vertices
from cortado.reconstruction.vertices import vertices

__all__ = [
    "AdaptiveCuts",
    "FittedVertices",
    "Prior",
    "Tuning",
    "components",
    "find_vertices",
    "fit_vertices",
    "primary_vertices",
    "tune",
    "typical_resolution",
    "vertices",
]
