"""Networks of the literature, one paper a file, at their published sizes.

Every model is called with the arrays of one representation, in its order, and returns logits (n, classes); vertex
finders return those of the pairs of tracks (n, p, p):

===================  ==================  ===============================
model                representation      reference
===================  ==================  ===============================
`MLP`                `HighLevel`         baseline on jet observables
`JetImageCNN`        `JetImage`          arXiv:1511.05190
`PFN`, `EFN`         `ParticleList`      arXiv:1810.05165
`ParticleNet`        `PointCloud`        arXiv:1902.08570
`SetToGraph`         `TrackSet`          arXiv:2002.08772
`TrackPair`          `TrackSet`          arXiv:2002.08772
`VertexRNN`          `TrackSet`          arXiv:2008.02831
`FlavourTagger`      `TrackSet`          arXiv:2008.02831
`EdgeFlavourTagger`  `TrackGraph`        arXiv:2008.02831
`DeepJet`            `DeepJetFeatures`   arXiv:2008.10519
===================  ==================  ===============================

Models that scikit-learn fits in one pass (task `Fit`) and that hold its arrays take features (n, f) and return logits
(n, classes), or an anomaly (n,):

===================  ============================  ========================
model                representation                reference
===================  ============================  ========================
`BoostedTrees`       `Columns`, `HighLevel`, ...   arXiv:2309.13111
`IsolationForest`    `Columns`, `HighLevel`, ...   doi:10.1109/ICDM.2008.17
`NearestNeighbours`  `Columns`, `HighLevel`, ...   doi:10.1145/342009.335437
===================  ============================  ========================

Networks on graphs of hits (extra `graphs`: PyTorch Geometric) return logits (E,) of the edges:

====================  ==========================  ================
network               representation              reference
====================  ==========================  ================
`InteractionNetwork`  `HitGraph`, `GivenGraph`    arXiv:2103.16701
`TrkXNetwork`         `HitGraph`, `GivenGraph`    arXiv:1810.06111
`GraphConvolution`    `HitGraph`, `GivenGraph`    arXiv:1609.02907
`GraphAttention`      `HitGraph`, `GivenGraph`    arXiv:1710.10903
====================  ==========================  ================

Such graphs may also come from an embedding: `HitEmbedding` takes a `HitCloud` and returns places (N, d) of the hits, of
which near ones are joined, and `EdgeFilter` returns logits (E,) of edges one by one (both arXiv:2103.06995; neither
needs the extra).

Networks on sequences: `TrkXLSTM` returns logits of the pixels of each layer (n, layers, pixels), `TrackFollower` what
it says of the next hit after each (n, p, 5):

===============  ==============  ================
network          representation  reference
===============  ==============  ================
`TrkXLSTM`       `LayerImage`    arXiv:1810.06111
`TrackFollower`  `HitSequence`   arXiv:1810.06111
===============  ==============  ================

Generators of calorimeter showers take incident energies (n,) [GeV] and standard normal noise (n, latent), and return
the features of a representation (n, f); in training they minimise their `loss(energy, features)`, where there is one:

======================  ==================  ================
generator               representation      reference
======================  ==================  ================
`CaloGAN`               `ShowerImages`      arXiv:1705.02355
`CaloWGAN`              `ShowerLogits`      arXiv:1704.00028
`CaloFlow`              `ShowerLogits`      arXiv:2106.05285
`CaloFlowStudent`       `ShowerLogits`      arXiv:2110.11377
`CaloVAE`               `ShowerLogits`      arXiv:1312.6114
`CaloFlowMatching`      `ShowerLogits`      arXiv:2210.02747
======================  ==================  ================

Autoencoders return what they are given, as they reproduce it:

========================  ================  ================
autoencoder               representation    reference
========================  ================  ================
`DenseAutoencoder`        `HighLevel`       arXiv:1808.08992
`VariationalAutoencoder`  `HighLevel`       arXiv:1312.6114
`DenseImageAutoencoder`   `JetImage`        arXiv:1808.08992
`ImageAutoencoder`        `JetImage`        arXiv:1808.08992
`HeimelAutoencoder`       `JetImage`        arXiv:1808.08979
`SetAutoencoder`          `ParticleList`    arXiv:1703.06114
`HistogramAutoencoder`    `OccupancyMap`    Poisson rates of counts
`PrincipalComponents`     `OccupancyMap`    their linear rival
`AsReference`             `OccupancyMap`    no network at all
========================  ================  ================

`ConditionalFlow` (extra `flows`: zuko) takes `ConditionalColumns` and returns the logarithm of a density (n,), which it
also samples (arXiv:1705.07057, 1906.04032).

`OnnxNetwork` is any tagger that came as an ONNX file (extra `onnx`: onnxruntime).

`CaloGANDiscriminator` and `CaloWGANCritic` are the critics of the first two.
"""

from __future__ import annotations

from cortado.models.as_reference import AsReference
from cortado.models.boosted_trees import BoostedTrees
from cortado.models.calo_flow_matching import CaloFlowMatching
from cortado.models.calo_wgan import CaloWGAN, CaloWGANCritic
from cortado.models.caloflow import CaloFlow
from cortado.models.caloflow_student import CaloFlowStudent
from cortado.models.calogan import CaloGAN, CaloGANDiscriminator
from cortado.models.calovae import CaloVAE
from cortado.models.conditional_flow import ConditionalFlow
from cortado.models.deep_sets import EFN, PFN
from cortado.models.deepjet import DeepJet
from cortado.models.dense_autoencoder import DenseAutoencoder, DenseImageAutoencoder, VariationalAutoencoder
from cortado.models.edge_filter import EdgeFilter
from cortado.models.flavour_tagger import EdgeFlavourTagger, FlavourTagger
from cortado.models.graph_rivals import GraphAttention, GraphConvolution
from cortado.models.heimel_autoencoder import HeimelAutoencoder
from cortado.models.histogram_autoencoder import HistogramAutoencoder
from cortado.models.hit_embedding import HitEmbedding
from cortado.models.image_autoencoder import ImageAutoencoder
from cortado.models.interaction_network import InteractionNetwork
from cortado.models.isolation_forest import IsolationForest
from cortado.models.jet_image_cnn import JetImageCNN
from cortado.models.mlp import MLP
from cortado.models.nearest_neighbours import NearestNeighbours
from cortado.models.onnx_network import OnnxNetwork
from cortado.models.particlenet import ParticleNet
from cortado.models.principal_components import PrincipalComponents
from cortado.models.set2graph import SetToGraph
from cortado.models.set_autoencoder import SetAutoencoder
from cortado.models.track_follower import TrackFollower
from cortado.models.track_pair import TrackPair
from cortado.models.trkx_lstm import TrkXLSTM
from cortado.models.trkx_network import TrkXNetwork
from cortado.models.vertex_rnn import VertexRNN

__all__ = [
    "EFN",
    "MLP",
    "PFN",
    "AsReference",
    "BoostedTrees",
    "CaloFlow",
    "CaloFlowMatching",
    "CaloFlowStudent",
    "CaloGAN",
    "CaloGANDiscriminator",
    "CaloVAE",
    "CaloWGAN",
    "CaloWGANCritic",
    "ConditionalFlow",
    "DeepJet",
    "DenseAutoencoder",
    "DenseImageAutoencoder",
    "EdgeFilter",
    "EdgeFlavourTagger",
    "FlavourTagger",
    "GraphAttention",
    "GraphConvolution",
    "HeimelAutoencoder",
    "HistogramAutoencoder",
    "HitEmbedding",
    "ImageAutoencoder",
    "InteractionNetwork",
    "IsolationForest",
    "JetImageCNN",
    "NearestNeighbours",
    "OnnxNetwork",
    "ParticleNet",
    "PrincipalComponents",
    "SetAutoencoder",
    "SetToGraph",
    "TrackFollower",
    "TrackPair",
    "TrkXLSTM",
    "TrkXNetwork",
    "VariationalAutoencoder",
    "VertexRNN",
]
