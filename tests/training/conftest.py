"""Toy jets in ROOT files, and the small study that trains on them."""

import functools

import pytest
import torch

from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.splits import Split
from cortado.tasks import Classify
from cortado.training import Objects, Recipe, Study

CLASSES = {"QCD": lambda jets: jets.is_signal == 0, "top": lambda jets: jets.is_signal == 1}


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small networks are fastest, and sums are exactly repeatable, on one thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def study(toy_files):
    """`study(name=value)`: the toy study with changes; those of recipe, objects and task by their own fields."""

    def changed(**changes):
        def part(kind, **settings):
            own = {name: changes.pop(name) for name in tuple(changes) if name in kind.__dataclass_fields__}
            return kind(**settings | own)

        settings = {
            "recipe": part(Recipe, epochs=2, batch_size=64, workers=0, step_size=100, shuffle_pool=200),
            "objects": part(Objects, files=toy_files, split=Split(validation=0.2, test=0.2)),
            "task": part(Classify, classes=CLASSES, signal="top"),
            "name": "toy",
            "representation": ParticleList(max_constituents=40),
            "scaling": "fit",
            "model": functools.partial(PFN, features=3, phi=(16, 16), hidden=(16,)),
        }
        return Study(**settings | changes)

    return changed
