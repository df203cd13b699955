"""Training steps of cortado under the clock: python train_steps.py WEIGHTS BATCHES PRECISION STEPS OUTPUT

A step is what `cortado.training` does with a batch on the CPU: forward, loss, backward, AdamW. OUTPUT gets the time of
each step [s] as JSON; a first one is not counted.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from cortado.bundle.cores import sleep_when_idle
from cortado.models import ParticleNet
from cortado.models.particlenet import from_weaver
from cortado.representations.point_cloud import PointCloudInputs
from cortado.tasks import Batch, Classify
from cortado.tasks.classify import ClassTarget
from cortado.training import Recipe
from cortado.training.optimisation import adamw

TASK = Classify(
    classes={"background": lambda jets: jets.is_signal == 0, "signal": lambda jets: jets.is_signal == 1},
    signal="signal",
)


def main(weights: Path, batches: Path, precision: str, steps: int, output: Path) -> None:
    """Train from the weights on the batches in turn, "float32" or "bfloat16"."""
    sleep_when_idle()  # as `train` does
    torch.manual_seed(1)
    model = ParticleNet()
    model.load_state_dict(from_weaver(torch.load(weights, weights_only=True)))
    model.train()
    prepared, optimizer = _batches(batches), adamw(model, Recipe())
    seconds = []
    for number in range(steps + 1):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            (move,) = TASK.moves({"model": model}, prepared[number % len(prepared)])
        optimizer.zero_grad()
        move.loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
    output.write_text(json.dumps(seconds[1:]))


def _batches(path: Path) -> list[Batch]:
    """Each padded to its own longest jet, as the loader gives them."""
    with np.load(path) as file:
        columns = {name: torch.from_numpy(file[name]) for name in file.files}
    batches = []
    for points, features, mask, target in zip(*(columns[name] for name in (*PointCloudInputs._fields, "target"))):
        length = int(mask.sum(1).max())
        inputs = PointCloudInputs(*(array[:, :length] for array in (points, features, mask)))
        batches.append(Batch(inputs, ClassTarget(target), torch.ones(len(target))))
    return batches


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
