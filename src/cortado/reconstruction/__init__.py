"""Hits to tracks and tracks to vertices: building, helix fits, vertex fits, and both as records; the classical rivals.

==========================  ============================================================================
`tracks_from_best_edges`    scores of edges between hits -> track of each hit, chains of the best edges
`tracks_from_components`    the same, all that edges join
`seed_and_follow`           hits -> the same by seeds and a Kalman filter, the classical way
`beam_search`               hits -> the same by seeds and a network that follows, given as a function
`fit_tracks`                hits and their tracks -> track parameters with covariance
`fit_helices`               the fit behind it, on flat arrays
==========================  ============================================================================

==================  ===================================================================================
`components`        scores of pairs of tracks -> which tracks share a vertex
`find_vertices`     tracks -> the same by adaptive vertex reconstruction, the classical way; `tune` its cuts
`primary_vertices`  all tracks of events -> where they collided, which is what distances are measured from
`vertices`          tracks and which of them share a vertex -> fitted vertices with mass, flight distance, ...
`fit_vertices`      the fit behind it, on flat arrays
==================  ===================================================================================

`fault_regions` finds the cells of monitoring maps in which too much or too little was counted.

All work on many jets or events at once, in numpy. Lengths are in mm, momenta in GeV, fields in T.
"""

from __future__ import annotations

from cortado.reconstruction.adaptive import AdaptiveCuts, Tuning, find_vertices, tune
from cortado.reconstruction.beam_search import BeamSearch, beam_search, layer_transitions
from cortado.reconstruction.detector_layers import Layer, common_triplets, detector_layers
from cortado.reconstruction.following import FollowCuts
from cortado.reconstruction.helix_distance import HitErrors
from cortado.reconstruction.map_faults import BOXES, Cyclic, Regions, fault_regions, largest_significance
from cortado.reconstruction.partition import components
from cortado.reconstruction.primary import primary_vertices
from cortado.reconstruction.priors import Prior
from cortado.reconstruction.seed_and_follow import SeedAndFollow, seed_and_follow
from cortado.reconstruction.seeding import SeedCuts
from cortado.reconstruction.track_building import tracks_from_best_edges, tracks_from_components
from cortado.reconstruction.track_fit import FittedTracks, fit_helices, fit_tracks, true_tracks
from cortado.reconstruction.tracks import typical_resolution
from cortado.reconstruction.vertex_fit import FittedVertices, fit_vertices
from cortado.reconstruction.vertices import vertices

__all__ = [
    "BOXES",
    "AdaptiveCuts",
    "BeamSearch",
    "Cyclic",
    "FittedTracks",
    "FittedVertices",
    "FollowCuts",
    "HitErrors",
    "Layer",
    "Prior",
    "Regions",
    "SeedAndFollow",
    "SeedCuts",
    "Tuning",
    "beam_search",
    "common_triplets",
    "components",
    "detector_layers",
    "fault_regions",
    "find_vertices",
    "fit_helices",
    "fit_tracks",
    "fit_vertices",
    "largest_significance",
    "layer_transitions",
    "primary_vertices",
    "seed_and_follow",
    "tracks_from_best_edges",
    "tracks_from_components",
    "true_tracks",
    "tune",
    "typical_resolution",
    "vertices",
]
