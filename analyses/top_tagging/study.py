"""Top tagging on the community's reference data: deep sets and particle clouds, from ROOT or HDF5 files.

The data are those of "The Machine Learning Landscape of Top Taggers" (Kasieczka, Plehn et al., arXiv:1902.09914):
`cortado fetch data_manifests/top_tagging.toml`, or any file of the same dialect. The networks and their recipes are
those of the papers, shortened where the sample is small; every choice is made on a part of the training file, and
the judging file is read once, at the end.
"""

from dataclasses import replace
from functools import partial

from cortado.models import PFN, ParticleNet
from cortado.models.particlenet import LITE
from cortado.representations import ParticleList, PointCloud
from cortado.representations.features import PARTICLENET_FEATURES
from cortado.representations.scaling import PARTICLENET_SCALING
from cortado.splits import Split
from cortado.training import Recipe, Study


def is_top(jets):
    return jets.is_signal == 1


def is_qcd(jets):
    return jets.is_signal == 0


def studies(files):
    """PFN, ParticleNet-Lite and ParticleNet on the same training files."""
    pfn = Study(
        name="pfn",
        files=tuple(files),
        classes={"qcd": is_qcd, "top": is_top},
        signal="top",
        representation=ParticleList(features=PARTICLENET_FEATURES, centre="axis", mirror_eta=True),
        scaling=PARTICLENET_SCALING,
        model=partial(PFN, features=7),
        split=Split(validation=0.1, test=0.0),
        recipe=Recipe(epochs=30, batch_size=256, learning_rate=2e-3),
    )
    lite = replace(pfn, name="particlenet_lite", representation=PointCloud(), model=partial(ParticleNet, **LITE))
    full = replace(pfn, name="particlenet", representation=PointCloud(), model=partial(ParticleNet))
    return {study.name: study for study in (pfn, lite, full)}
