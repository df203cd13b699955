"""Records to arrays: what a network sees of a jet or a shower. The same in training and in analysis.

====================  ==========================================================  ======================
representation        arrays                                                      for the models
====================  ==========================================================  ======================
`Columns`             features (n, f)                                             `BoostedTrees`, `MLP`
`ConditionalColumns`  features (n, f), condition (n, c), log_jacobian (n,)        `ConditionalFlow`
`HighLevel`           features (n, f)                                             `MLP`
`JetImage`            image (n, c, eta, phi)                                      `JetImageCNN`
`ParticleList`        features (n, p, f), mask (n, p)                             `PFN`, `EFN`
`PointCloud`          points (n, p, 2), features (n, p, f), mask (n, p)           `ParticleNet`
`WeaverInputs`        as `PointCloud`, by formulas of weaver-core                 `ParticleNet`
`TrackSet`            features (n, p, f), mask (n, p)                             vertex finders, `FlavourTagger`
`HitGraph`            nodes (N, 3), edge_index (2, E), edge_features (E, 4)       networks on graphs of
`GivenGraph`          of N hits and E edges of all n events                       hits
`HitCloud`            nodes (N, 5), event (N,)                                    `HitEmbedding`
`HitSequence`         hits (n, p, 3), mask (n, p)                                 `TrackFollower`
`LayerImage`          image (n, layers, pixels)                                   `TrkXLSTM`
`TrackGraph`          features (n, p, f), mask (n, p), edges (n, p, p)            `EdgeFlavourTagger`
`DeepJetFeatures`     jet (n, f), and features (n, p, f), mask (n, p) of three    `DeepJet`
                      collections: charged, neutral, vertices
`ShowerImages`        energy (n,), features (n, f)                                `CaloGAN`
`ShowerLogits`        energy (n,), features (n, f)                                other generators of showers
`ShowerCells`         features (n, f)                                             `MLP`, low level
`ShowerShapes`        features (n, f)                                             `MLP`, high level
====================  ==========================================================  ======================

Each is a frozen dataclass; calling it on jets or showers of shape (n,) gives a NamedTuple. Its `fields` are what it
reads of one: "pt", "constituents.charge". Inputs are never modified. Those for generators of showers have an `inverse`.

Example:
    >>> import awkward as ak
    >>> from cortado.representations import ParticleList
    >>> constituents = {"pt": [3.0, 1.0], "eta": [0.0, 0.0], "phi": [3.1, -3.1]}
    >>> jets = ak.Array([{"constituents": ak.zip(constituents)}])
    >>> print(ParticleList(features=("pt_fraction", "delta_phi"))(jets).features.round(3))
    [[[ 0.75  -0.021]
      [ 0.25   0.062]]]
"""

from __future__ import annotations

from cortado.representations.columns import Columns
from cortado.representations.conditional_columns import ConditionalColumns
from cortado.representations.deepjet import DeepJetFeatures
from cortado.representations.high_level import HighLevel
from cortado.representations.hit_cloud import HitCloud
from cortado.representations.hit_graph import GivenGraph, HitGraph
from cortado.representations.hit_sequence import HitSequence
from cortado.representations.jet_image import JetImage
from cortado.representations.layer_image import LayerImage
from cortado.representations.occupancy_map import OccupancyMap
from cortado.representations.particle_list import ParticleList
from cortado.representations.point_cloud import PointCloud
from cortado.representations.shower_cells import ShowerCells
from cortado.representations.shower_images import ShowerImages
from cortado.representations.shower_logits import ShowerLogits
from cortado.representations.shower_shapes import ShowerShapes
from cortado.representations.track_set import TrackGraph, TrackSet
from cortado.representations.weaver_inputs import WeaverInputs

__all__ = [
    "Columns",
    "ConditionalColumns",
    "DeepJetFeatures",
    "GivenGraph",
    "HighLevel",
    "HitCloud",
    "HitGraph",
    "HitSequence",
    "JetImage",
    "LayerImage",
    "OccupancyMap",
    "ParticleList",
    "PointCloud",
    "ShowerCells",
    "ShowerImages",
    "ShowerLogits",
    "ShowerShapes",
    "TrackGraph",
    "TrackSet",
    "WeaverInputs",
]
