"""Every representation once with its defaults and once away from them: all laws of test_contract.py run on each."""

from dataclasses import replace

from cortado.representations import Columns, ConditionalColumns, HighLevel, JetImage, ParticleList, PointCloud
from cortado.representations.features import FEATURES
from cortado.representations.jet_image import CHANNELS, TOP_40, TOP_64, W_PAPER

ALL_FEATURES = tuple(name for name in FEATURES if name != "puppi_weight")  # which the toy jets do not have

CASES = {
    "columns": Columns(features=("pt", "tau1", "mass")),
    "conditional-columns": ConditionalColumns(
        features={"tau1": (0, 1), "mass": (0, None), "eta": (None, None)}, condition={"pt": (0, 5000)}
    ),
    "high-level": HighLevel(),
    "high-level-kinematics": HighLevel(features=("pt", "eta", "mass", "tau1")),
    "high-level-capped": HighLevel(features=("n2", "c2"), beta=2.0, max_constituents=10),
    "jet-image": JetImage(),
    "w-paper": W_PAPER,
    "top-40": TOP_40,
    "top-64": TOP_64,
    "jet-image-channels": replace(W_PAPER, channels=CHANNELS, normalise="l2", flip=()),
    "particle-list": ParticleList(),
    "particle-list-axis": ParticleList(features=ALL_FEATURES, centre="axis", mirror_eta=True, max_constituents=200),
    "point-cloud": PointCloud(),
    "point-cloud-short": PointCloud(features=ALL_FEATURES, max_constituents=7, centre="centroid", mirror_eta=False),
}
