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
"""

from cortado.models.deep_sets import EFN, PFN
from cortado.models.deepjet import DeepJet
from cortado.models.flavour_tagger import EdgeFlavourTagger, FlavourTagger
from cortado.models.jet_image_cnn import JetImageCNN
from cortado.models.mlp import MLP
from cortado.models.particlenet import ParticleNet
from cortado.models.set2graph import SetToGraph
from cortado.models.track_pair import TrackPair
from cortado.models.vertex_rnn import VertexRNN

__all__ = [
    "EFN",
    "MLP",
    "PFN",
    "DeepJet",
    "EdgeFlavourTagger",
    "FlavourTagger",
    "JetImageCNN",
    "ParticleNet",
    "SetToGraph",
    "TrackPair",
    "VertexRNN",
]
