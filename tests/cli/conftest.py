"""A bundle for the commands that read one."""

import pytest
import torch
from toys import toy_jets

from cortado import bundle
from cortado.models import PFN
from cortado.representations import ParticleList
from cortado.tasks import Classes
from cortado.weights import WorkingPoint


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """Path of an untrained PFN with a working point."""
    arguments = {"phi": (4, 4), "hidden": (4,)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = PFN(**arguments)
    half = {"name": "50%", "threshold": 0.5, "efficiency": 0.5123, "efficiency_err": 0.01}
    point = WorkingPoint(**half, mistag=0.04, mistag_err=0.002, n_signal=100, n_background=100)
    made = bundle.Bundle(
        representation=ParticleList(),
        model=model,
        arguments=arguments,
        use=Classes(classes=("qcd", "w"), signal="w"),
        working_points=(point,),
        provenance={"seed": 7},
    )
    return bundle.save(made, tmp_path_factory.mktemp("bundle") / "w.cortado", canary=toy_jets(4))
