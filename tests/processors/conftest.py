"""Two small taggers, the files that they are run on, and a cluster."""

import distributed
import numpy as np
import pytest
import torch
from samples import write_nanoaod, write_pfnano
from toys import toy_jets

from cortado import bundle, processors, scoring
from cortado.models import MLP, PFN
from cortado.processors import TaggingProcessor
from cortado.representations import HighLevel, ParticleList
from cortado.tasks import Classes
from cortado.weights import WorkingPoint


def save_tagger(path, model, representation, threshold=0.5, **arguments):
    """An untrained network with a working point."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = model(**arguments)
    point = WorkingPoint(
        name="50%",
        threshold=threshold,
        efficiency=0.5,
        efficiency_err=0.05,
        mistag=0.1,
        mistag_err=0.02,
        n_signal=100,
        n_background=100,
    )
    tagger = bundle.Bundle(
        representation=representation,
        model=network,
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
        working_points=(point,),
    )
    return bundle.save(tagger, path, canary=toy_jets(4, seed=3))


@pytest.fixture(scope="module")
def taggers(tmp_path_factory):
    """Two small taggers, with thresholds that split the toy jets about in half."""
    folder, jets = tmp_path_factory.mktemp("taggers"), toy_jets(50, seed=5)
    chains = {
        "pfn": (PFN, ParticleList(), {"phi": (4, 4), "hidden": (4,)}),
        "mlp": (MLP, HighLevel(features=("mass", "multiplicity")), {"features": 2, "hidden": (4,)}),
    }
    found = {}
    for name, (model, representation, arguments) in chains.items():
        path = save_tagger(folder / f"{name}.cortado", model, representation, **arguments)
        middle = float(np.median(scoring.load(path)(jets)))
        save_tagger(path, model, representation, threshold=middle, **arguments)
        found[name] = scoring.load(path)
    return found


@pytest.fixture(scope="module")
def fileset(tmp_path_factory):
    """Two data sets of both dialects, one in two files."""
    folder = tmp_path_factory.mktemp("ntuples")
    write_nanoaod(folder / "a.root", n_events=90, seed=1)
    write_nanoaod(folder / "b.root", n_events=40, seed=2)
    write_pfnano(folder / "c.root", n_events=70, seed=3)
    return {
        "zjets": {"files": {str(folder / "a.root"): "Events", str(folder / "b.root"): "Events"}, "metadata": {}},
        "abjets": {"files": {str(folder / "c.root"): "Events"}, "metadata": {"cross_section": 2.0}},
    }


@pytest.fixture(scope="module")
def reference(fileset, taggers):
    """What one process makes of whole files."""
    return processors.run(fileset, TaggingProcessor(taggers), executor="iterative")


@pytest.fixture(scope="session")
def scheduler():
    """Address of a dask cluster of one thread in this process."""
    options = {"n_workers": 1, "processes": False, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address
