"""Simulated samples (extra ``sim``): jets in the dialects of CMS NanoAOD v15 and of Set2Graph, showers in CaloGAN's.

Pythia and FastJet are GPL programs: they are never needed to train, score or analyse, only to make samples here.
"""

try:
    import fastjet  # noqa: F401
    import numba  # noqa: F401
    import pythia8mc  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'cannot simulate without {error.name}; Pythia 8, FastJet and Numba come with: pip install "cortado[sim]"'
    ) from error

from cortado.simulation.events import PROCESSES
from cortado.simulation.flavour import FLAVOUR_PROCESSES, simulate_flavour_jets
from cortado.simulation.jets import SimulationSummary, simulate_jets
from cortado.simulation.showers import ShowerSummary, simulate_showers

__all__ = [
    "FLAVOUR_PROCESSES",
    "PROCESSES",
    "ShowerSummary",
    "SimulationSummary",
    "simulate_flavour_jets",
    "simulate_jets",
    "simulate_showers",
]
