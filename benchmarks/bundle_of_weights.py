"""Make a bundle of weaver's weights: python bundle_of_weights.py WEIGHTS JETS OUTPUT"""

import sys
from pathlib import Path

import awkward as ak
import torch

import cortado
from cortado import bundle as bundles
from cortado.bundle import Bundle
from cortado.models import ParticleNet
from cortado.models.particlenet import from_weaver
from cortado.representations import PointCloud
from cortado.scaling import PARTICLENET_SCALING
from cortado.tasks import Classes


def main(weights: Path, jets: Path, output: Path) -> None:
    """Write the bundle; its canary are the first jets of the file."""
    model = ParticleNet()
    model.load_state_dict(from_weaver(torch.load(weights, weights_only=True)))
    tagger = Bundle(
        representation=PointCloud(),
        scaling=PARTICLENET_SCALING,
        model=model,
        arguments={},
        use=Classes(classes=("background", "signal"), signal="signal"),
    )
    bundles.save(tagger, output, canary=ak.flatten(cortado.read(jets, stop=16).jets))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
