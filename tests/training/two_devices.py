"""Run as a script by test_devices: trains on two processes and writes down what each of them holds."""

import functools
import hashlib
import json
import os
import sys
from pathlib import Path

import torch

from cortado.models import CaloGAN, CaloGANDiscriminator, ParticleNet
from cortado.models.particlenet import LITE
from cortado.representations import PointCloud, ShowerImages
from cortado.splits import Split
from cortado.tasks import Classify, GenerateAgainst
from cortado.training import Objects, Recipe, Study, train
from cortado.training.lightning import Training

SPLIT = Split(validation=0.3, test=0.1)


def is_qcd(jets):
    return jets.is_signal == 0


def is_top(jets):
    return jets.is_signal == 1


def study(kind, files):
    recipe = {"epochs": 2, "batch_size": 32, "workers": 0, "step_size": 30, "learning_rate": 1e-2}
    if kind == "gan":
        return Study(
            name="gan",
            objects=Objects(files=files, collection="showers", split=SPLIT),
            representation=ShowerImages(),
            model=functools.partial(CaloGAN, latent=16, channels=2, filters=(3, 2)),
            task=GenerateAgainst(critic=functools.partial(CaloGANDiscriminator, filters=(4, 3, 2, 2))),
            recipe=Recipe(**recipe),
        )
    return Study(
        name="cloud",
        objects=Objects(files=files, split=SPLIT),
        representation=PointCloud(max_constituents=16),
        model=functools.partial(ParticleNet, **LITE),
        task=Classify(classes={"qcd": is_qcd, "top": is_top}, signal="top"),
        recipe=Recipe(**recipe),
    )


def main(out, jets, showers):
    """Both trainings, one after the other, as `cortado train` does those of a study."""
    torch.set_num_threads(1)
    digests, step = [], Training.training_step

    def spied(module, batch, index):
        step(module, batch, index)
        state = module.networks.state_dict()
        content = b"".join(state[name].numpy().tobytes() for name in sorted(state))
        digests.append(hashlib.sha256(content).hexdigest())

    Training.training_step = spied
    told = {}
    for kind, files in (("cloud", (jets,)), ("gan", (showers,))):
        result = train(study(kind, files), Path(out) / kind, accelerator="cpu", devices=2, progress=False)
        best = min(result.epochs, key=lambda epoch: epoch.validation_loss)
        told[kind] = {"digests": digests.copy(), "metrics": result.metrics, "loss": best.validation_loss, **best.merits}
        digests.clear()
    (Path(out) / f"rank{os.environ.get('LOCAL_RANK', '0')}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
