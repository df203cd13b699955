"""A few events of the generic detector, made once."""

import awkward as ak
import pytest

from cortado import ntuples
from cortado.simulation import simulate_hits


@pytest.fixture(scope="session")
def generic_sample(tmp_path_factory):
    """Summary and events (branches) of 4 events with 2 pile-up collisions."""
    pytest.importorskip("acts", reason="needs ACTS (extra `acts`)")
    path = tmp_path_factory.mktemp("generic") / "generic.root"
    summary = simulate_hits(path, events=4, mu=2.0, detector="generic", seed=3, workers=1)
    return summary, ntuples.arrays(ntuples.steps(str(path))[0], ntuples.branch_names(str(path)))


@pytest.fixture(scope="session")
def generic_hits(generic_sample):
    """Hits of these, shape (4, var)."""
    _, events = generic_sample
    return ak.zip({name.removeprefix("hit_"): events[name] for name in events.fields if name.startswith("hit_")})
