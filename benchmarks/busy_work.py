"""One piece of work under the clock: python busy_work.py scoring|training THREADS BUNDLE FILE OUTPUT

Torch is imported before cortado, as in a user's notebook. OUTPUT gets the time [s] as JSON: of scoring all jets of
FILE, or of a training epoch of a ParticleNet of the size of the bundle's on them.
"""

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import awkward as ak
import torch

import cortado
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study, train


def scoring(bundle: Path, file: Path) -> float:
    """Seconds of scoring."""
    tagger, jets = cortado.load(bundle), ak.flatten(cortado.read(file).jets)
    tagger(jets[:64])
    begin = time.perf_counter()
    tagger(jets)
    return time.perf_counter() - begin


def training(bundle: Path, file: Path) -> float:
    """Seconds of an epoch after the first, which also reads."""
    known = cortado.load(bundle).bundle()
    is_heavy = {"light": lambda jets: jets.mass < 60, "heavy": lambda jets: jets.mass >= 60}
    study = Study(
        name="busy",
        objects=Objects(files=(str(file),), split=Split(validation=0.1, test=0.0)),
        representation=known.representation,
        scaling=known.scaling,
        model=partial(type(known.model), **{k: v for k, v in known.arguments.items() if k != "classes"}),
        task=Classify(classes=is_heavy, signal="heavy"),
        recipe=Recipe(epochs=2, batch_size=128),
    )
    with tempfile.TemporaryDirectory() as folder:
        return train(study, Path(folder) / "out", accelerator="cpu", progress=False).epochs[-1].seconds


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    seconds = {"scoring": scoring, "training": training}[sys.argv[1]](Path(sys.argv[3]), Path(sys.argv[4]))
    Path(sys.argv[5]).write_text(json.dumps(seconds))
