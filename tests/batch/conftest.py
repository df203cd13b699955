"""Two small taggers by path, and files to score."""

import pytest
import torch
from samples import write_nanoaod, write_pfnano
from toys import toy_jets

from cortado import bundle
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.tasks import Classes


def save_tagger(path, seed):
    arguments = {"phi": (4, 4), "hidden": (4,)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PFN(**arguments)
    use = Classes(classes=("qcd", "w"), signal="w")
    made = bundle.Bundle(representation=ParticleList(), model=model, arguments=arguments, use=use)
    return bundle.save(made, path, canary=toy_jets(4))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return [save_tagger(folder / f"{name}.cortado", seed) for seed, name in enumerate(("one", "two"))]


@pytest.fixture(scope="module")
def ntuples_folder(tmp_path_factory):
    """Files of equal names in two folders."""
    folder = tmp_path_factory.mktemp("ntuples")
    for name, write, seed in (("a", write_nanoaod, 1), ("b", write_pfnano, 2)):
        (folder / name).mkdir()
        write(folder / name / "nano.root", n_events=60, seed=seed)
    return folder
