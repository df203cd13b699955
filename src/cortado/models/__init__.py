"""Networks of the literature, one paper a file, at their published sizes.

Every model is called with the arrays of one representation, in its order, and returns logits (n, classes):

=============  ==================  ===============================
model          representation      reference
=============  ==================  ===============================
`MLP`          `HighLevel`         baseline on jet observables
`JetImageCNN`  `JetImage`          arXiv:1511.05190
`PFN`, `EFN`   `ParticleList`      arXiv:1810.05165
`ParticleNet`  `PointCloud`        arXiv:1902.08570
=============  ==================  ===============================
"""

from cortado.models.deep_sets import EFN, PFN
from cortado.models.jet_image_cnn import JetImageCNN
from cortado.models.mlp import MLP
from cortado.models.particlenet import ParticleNet

__all__ = ["EFN", "MLP", "PFN", "JetImageCNN", "ParticleNet"]
