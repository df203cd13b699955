"""Proton-proton events at 13 TeV with boosted W bosons, top quarks or QCD jets, from Pythia 8."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import awkward as ak
import pythia8mc

from cortado.names import require_one_of

_DETECTOR = (
    # What lives long enough to reach the calorimeters (r = 1.1 m, z = 2.8 m in CMS) is left to them undecayed.
    "ParticleDecays:limitCylinder = on",
    "ParticleDecays:xyMax = 1100.",
    "ParticleDecays:zMax = 2800.",
)
HADRONIC_W = ("24:onMode = off", "24:onIfAny = 1 2 3 4 5")


@dataclass(frozen=True, kw_only=True)
class Process:
    """What Pythia generates, and which quarks a jet must hold to count as signal.

    Attributes:
        settings: Lines for Pythia, given the lower and upper end of the window of parton pT [GeV].
        parents: Absolute PDG codes of the particles whose quarks belong to the jet; empty for background.
        quarks: Number of those quarks.
        margin: Window of parton pT over that of jet pT, at both ends: showers and resolution move jets in and out.
        boson_window: Whether events without a W boson in the window are dropped before they are showered.
    """

    settings: Callable[[float, float], tuple[str, ...]]
    parents: tuple[int, ...] = ()
    quarks: int = 0
    margin: tuple[float, float] = (0.88, 1.10)
    boson_window: bool = False


def _wprime(low: float, high: float) -> tuple[str, ...]:
    """W' -> WZ, Z -> neutrinos, with a mass spectrum so broad that the pT of the W fills the window evenly.

    The least mass is 10 % above that of a transverse pair with the lowest pT: Pythia repeats a vetoed decay at the same
    mass, so a W' too light for the window would decay for ever.
    """
    return (
        "NewGaugeBoson:ffbar2Wprime = on",
        "Wprime:coup2WZ = 1.",
        "34:onMode = off",
        "34:onIfMatch = 23 24",
        "34:doForceWidth = on",
        f"34:m0 = {2 * high}",
        f"34:mWidth = {high}",
        f"34:mMin = {1.1 * (math.hypot(low, 80.4) + math.hypot(low, 91.2))}",
        f"34:mMax = {2.6 * high}",
        "23:onMode = off",
        "23:onIfAny = 12 14 16",
        *HADRONIC_W,
    )


def _biased(low: float, high: float) -> tuple[str, ...]:
    """Hard 2 -> 2 scattering inside the window, weighted against the steep fall of the spectrum."""
    return (
        f"PhaseSpace:pTHatMin = {low}",
        f"PhaseSpace:pTHatMax = {high}",
        "PhaseSpace:bias2Selection = on",
        "PhaseSpace:bias2SelectionPow = 6.",
    )


def _top(low: float, high: float) -> tuple[str, ...]:
    return ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *HADRONIC_W, *_biased(low, high))


def _qcd(low: float, high: float) -> tuple[str, ...]:
    return ("HardQCD:all = on", *_biased(low, high))


PROCESSES: Mapping[str, Process] = MappingProxyType(
    {
        "wprime": Process(settings=_wprime, parents=(24,), quarks=2, margin=(0.94, 1.06), boson_window=True),
        "top": Process(settings=_top, parents=(6, 24), quarks=3),
        "qcd": Process(settings=_qcd),
    }
)


def find_process(name: str) -> Process:
    """Process of that name.

    Raises:
        ValueError: If there is none.
    """
    require_one_of("process", name, PROCESSES)
    return PROCESSES[name]


class BosonWindow(pythia8mc.UserHooks):  # type: ignore[misc]
    """Veto of hard processes without a W boson in a window of pT [GeV], before the costly shower."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def canVetoResonanceDecays(self) -> bool:
        """Tell Pythia to ask."""
        return True

    def doVetoResonanceDecays(self, process: Any) -> bool:
        """Whether to drop the event, once the W' has decayed."""
        bosons = (process[i] for i in range(process.size()) if process[i].idAbs() == 24)
        return not any(self.low < boson.pT() < self.high for boson in bosons)


def generator(process: Process, pt_range: tuple[float, float], *, seed: int, mpi: bool) -> Callable[[int], ak.Array]:
    """Start Pythia and return the function that makes the next n events.

    Proton-proton collisions at 13 TeV, Pythia's default tune (Monash 2013). The events carry no physical pT spectrum:
    it is flattened by mass or by Pythia's selection bias, and the weights of that bias are dropped on purpose, since
    the quotas in pT of the sample replace them.

    Args:
        process: What to generate.
        pt_range: Window of jet pT [GeV] for which partons are generated.
        seed: Pythia's seed, 1 to 900,000,000.
        mpi: Simulate multi-parton interactions; without them generation is 5 times faster and jets are too clean.

    Returns:
        Function of n; its events have shape (n,), or a little less where Pythia gave up, with fields ``prt``
        (particles: id, status, mother1, p, m, vProd [mm], ...) and ``info``.

    Raises:
        RuntimeError: If Pythia refuses a setting or fails to start.

    References:
        Bierlich et al., A comprehensive guide to the physics and usage of PYTHIA 8.3 (2022), arXiv:2203.11601.
    """
    low, high = (edge * margin for edge, margin in zip(pt_range, process.margin, strict=True))
    hook = BosonWindow(low, high) if process.boson_window else None
    return start(
        process.settings(low, high), seed=seed, mpi=mpi, hook=hook, what=f"{pt_range[0]:g} < pT < {pt_range[1]:g} GeV"
    )


def start(
    settings: tuple[str, ...],
    *,
    seed: int,
    mpi: bool,
    beam_energy: float = 13000.0,
    hook: pythia8mc.UserHooks | None = None,
    what: str,
) -> Callable[[int], ak.Array]:
    """Start Pythia with the detector's volume and return the function that makes the next n events.

    Args:
        settings: Lines for Pythia that choose the hard process and its decays.
        seed: Pythia's seed, 1 to 900,000,000.
        mpi: Simulate multi-parton interactions.
        beam_energy: Energy of the collision, of both protons together [GeV].
        hook: Veto during generation.
        what: What is generated, for the message.

    Raises:
        RuntimeError: If Pythia refuses a setting or fails to start.
    """
    pythia = pythia8mc.Pythia("", False)
    lines = (
        "Print:quiet = on",
        f"Beams:eCM = {beam_energy}",
        "Random:setSeed = on",
        f"Random:seed = {seed}",
        f"PartonLevel:MPI = {'on' if mpi else 'off'}",
        *_DETECTOR,
        *settings,
    )
    refused = [line for line in lines if not pythia.readString(line)]
    if refused:
        raise RuntimeError(f"Pythia does not know the settings {refused}")
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise RuntimeError(f"Pythia failed to start for {what}")

    def next_events(n: int, _alive: pythia8mc.UserHooks | None = hook) -> ak.Array:  # not owned by Pythia
        return pythia.nextBatch(n)

    return next_events
