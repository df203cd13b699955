"""Tiny samples, made once: no multi-parton interactions, one process."""

import os
import pickle
from typing import Any, NamedTuple

import awkward as ak
import pytest
import uproot
from filelock import FileLock

REASON = "needs Pythia and FastJet (extra `sim`)"


class Sample(NamedTuple):
    summary: Any
    events: ak.Array

    def collection(self, name):
        """Record of the branches `name_...`, shape (n_events, var)."""
        prefix = f"{name}_"
        fields = {field: field.removeprefix(prefix) for field in self.events.fields if field.startswith(prefix)}
        return ak.zip({short: self.events[field] for field, short in fields.items()})


@pytest.fixture(scope="session")
def simulate():
    """Function that simulates a file, without multi-parton interactions unless told, and reads it back."""
    simulation = pytest.importorskip("cortado.simulation.jets", reason=REASON, exc_type=ImportError)

    def run(path, **options):
        summary = simulation.simulate_jets(path, **({"mpi": False, "workers": 1} | options))
        with uproot.open(path) as file:
            return Sample(summary, file["Events"].arrays())

    return run


@pytest.fixture(scope="session")
def samples(tmp_path_factory, simulate):
    """Function of a process: 80 jets of it."""
    folder, made = tmp_path_factory.mktemp("simulated"), {}

    def sample(process):
        if process not in made:
            made[process] = simulate(folder / f"{process}.root", process=process, jets=80)
        return made[process]

    return sample


@pytest.fixture(scope="session")
def pythia_events():
    """Function of a process: Pythia's own record of 40 events, seed 7."""
    pytest.importorskip("cortado.simulation.jets", reason=REASON, exc_type=ImportError)
    from cortado.simulation.events import find_process, generator

    made = {}

    def events(process):
        if process not in made:
            made[process] = generator(find_process(process), (500.0, 700.0), seed=7, mpi=False)(40).prt
        return made[process]

    return events


@pytest.fixture(scope="session")
def flavour_sample(tmp_path_factory):
    """6000 b, c and light jets with a little pile-up: summary and branches; made by one of the test processes."""
    simulation = pytest.importorskip("cortado.simulation.flavour", reason=REASON, exc_type=ImportError)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    path, about = folder / "flavour_jets.root", folder / "flavour_jets.pickle"
    with FileLock(folder / "flavour_jets.lock"):
        if not about.exists():
            summary = simulation.simulate_flavour_jets(path, jets=6000, seed=5, pileup=5.0, mpi=False, workers=1)
            about.write_bytes(pickle.dumps(summary))
    with uproot.open(path) as file:
        return Sample(pickle.loads(about.read_bytes()), file["tree"].arrays())


@pytest.fixture
def one_worker(monkeypatch):
    """Whoever wants several processes gets one: that shows as much, and the next costs seconds."""
    import loky

    pool = loky.ProcessPoolExecutor
    monkeypatch.setattr(loky, "ProcessPoolExecutor", lambda _, **given: pool(1, **given))
