"""Dijet events with a resonance among them: parametric toys, not a physics simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado import ntuples
from cortado.simulation.units import MOST_UNITS, check_limits

__all__ = ["COLLISION_ENERGY", "DijetSummary", "simulate_dijets"]

COLLISION_ENERGY = 13_000.0  # GeV
RANGE = (2000.0, 9000.0)  # GeV, of the dijet mass
TREE = "Events"
UNIT = 65_536  # events

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_P1, _P2 = 10.0, 5.0  # of the falling spectrum
_REFERENCE = 3000.0  # GeV, dijet mass at which the medians below hold
_JET_MASS, _JET_MASS_SPREAD, _JET_MASS_POWER = 150.0, 0.6, 0.4  # GeV; of its logarithm; of the dijet mass
_TAU21, _TAU21_SPREAD = 0.45, 0.5  # of its logit
_TAU21_BY_JET_MASS, _TAU21_BY_DIJET_MASS = -0.3, -0.25  # slopes in their logarithms
_SIGNAL_TAU21, _DAUGHTER_RESOLUTION = -0.8, 0.07
_MAX_DELTA_ETA = 1.4


class DijetSummary(NamedTuple):
    """What was written.

    Attributes:
        path: The file.
        events: Number of them.
        signal: Number of them from the resonance.
    """

    path: Path
    events: int
    signal: int


def simulate_dijets(
    path: str | Path,
    *,
    events: int = 100_000,
    signal: int = 0,
    mass: float = 3500.0,
    resolution: float = 0.04,
    daughters: tuple[float, float] = (500.0, 100.0),
    seed: int = 1,
    progress: Callable[[int], object] | None = None,
) -> DijetSummary:
    r"""Write dijet events with a hidden resonance, as one draws random numbers: for tests and studies anywhere.

    **Parametric, not a simulation of physics.** Numbers are drawn from simple distributions whose sizes resemble
    LHC Olympics events (two-prong jets of a heavy resonance, arXiv:2101.08320); nothing measured with them is a
    statement on physics.

    Background: dijet masses from 2 to 9 TeV fall as :math:`(1 - x)^{10} / x^5`, x = mass / 13 TeV, so that a dijet
    function of 3 parameters describes them exactly; jet masses are log-normal around 150 GeV, more at larger dijet
    mass (power 0.4); tau21 is the logistic function of a normal number that falls slowly with both masses: the
    features are weakly correlated with the dijet mass. The pseudorapidities differ as in exchange in the t channel,
    flat in :math:`\exp |\Delta\eta|`. Signal: a Gaussian of dijet masses, jets of the masses of two daughters, small
    tau21, isotropic decay, :math:`1 / \cosh^2(\Delta\eta / 2)`. Both up to 1.4 in :math:`|\Delta\eta|`.

    Branches of the tree ``Events``: run, luminosityBlock, event; mjj [GeV]; mj1 >= mj2 [GeV]; tau21_1, tau21_2 of
    these jets; delta_eta, not negative; weight, 1; label, 1 for signal. Signal is spread evenly over the file.

    Args:
        path: ROOT file to write; an earlier one stays if the simulation fails.
        events: Number of events, signal among them.
        signal: Number of signal events.
        mass: Of the resonance [GeV].
        resolution: Standard deviation of its dijet mass over the mass.
        daughters: Masses of the two jets of signal [GeV].
        seed: No two seeds share an event.
        progress: Called with the number of new events after each unit of 65,536, for instance ``bar.update``.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> simulate_dijets("dijets.root", events=100_000, signal=300)  # doctest: +SKIP
        DijetSummary(path=PosixPath('dijets.root'), events=100000, signal=300)
    """
    check_limits(events=(events, UNIT * MOST_UNITS), seed=(seed, 2**32 - 1))
    if not 0 <= signal <= events:
        raise ValueError(f"signal is {signal}; it must be from 0 to the number of events, {events}")
    if not RANGE[0] < mass < RANGE[1]:
        raise ValueError(f"mass is {mass:g} GeV; it must be from {RANGE[0]:g} to {RANGE[1]:g} GeV")
    if not 0 < resolution < 0.5:
        raise ValueError(f"resolution is {resolution:g}; it must be from 0 to 0.5 of the mass")
    if not 0 < min(daughters) <= max(daughters) < mass / 2:
        raise ValueError(f"daughters are {daughters} GeV; their masses must be from 0 to half of {mass:g} GeV")
    firsts = np.arange(0, events, UNIT)
    sizes = np.minimum(events - firsts, UNIT)
    shares = np.random.default_rng([seed, MOST_UNITS]).multivariate_hypergeometric(sizes, signal, method="marginals")

    def chunks() -> Iterator[dict[str, npt.NDArray[Any]]]:
        for unit, (first, size, share) in enumerate(zip(firsts, sizes, shares)):
            rng = np.random.default_rng([seed, unit])
            is_signal = rng.permutation(size) < share
            yield {
                "run": np.full(size, seed, np.uint32),
                "luminosityBlock": np.full(size, unit + 1, np.uint32),
                "event": (first + np.arange(size)).astype(np.uint64),
                **_features(is_signal, mass, resolution, daughters, rng),
                "weight": np.ones(size, np.float32),
                "label": is_signal.astype(np.int32),
            }
            if progress is not None:
                progress(int(size))

    return DijetSummary(Path(path), ntuples.write(path, TREE, chunks()), signal)


def _features(
    is_signal: Mask, mass: float, resolution: float, daughters: tuple[float, float], rng: np.random.Generator
) -> dict[str, npt.NDArray[np.float32]]:
    n = len(is_signal)
    mjj = np.where(is_signal, _resonance(mass, resolution, n, rng), _falling(n, rng))
    ratio = np.log(mjj / _REFERENCE)[:, np.newaxis]
    typical = np.log(_JET_MASS) + _JET_MASS_POWER * ratio
    logarithm = typical + _JET_MASS_SPREAD * rng.standard_normal((n, 2))
    of_daughters = np.log(np.sort(daughters)[::-1]) + _DAUGHTER_RESOLUTION * rng.standard_normal((n, 2))
    logarithm = np.where(is_signal[:, np.newaxis], of_daughters, logarithm)
    ordered = -np.sort(-logarithm, axis=1)
    background_tau = _TAU21 + _TAU21_BY_JET_MASS * (ordered - typical) + _TAU21_BY_DIJET_MASS * ratio
    centre = np.where(is_signal[:, np.newaxis], _SIGNAL_TAU21, background_tau)
    tau21 = 1 / (1 + np.exp(-centre - _TAU21_SPREAD * rng.standard_normal((n, 2))))
    columns = {
        "mjj": mjj,
        "mj1": np.exp(ordered[:, 0]),
        "mj2": np.exp(ordered[:, 1]),
        "tau21_1": tau21[:, 0],
        "tau21_2": tau21[:, 1],
        "delta_eta": _delta_eta(is_signal, rng),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


def _falling(n: int, rng: np.random.Generator) -> Floats:
    """Dijet masses of the background, by inversion of the cumulative distribution on a fine grid."""
    grid = np.geomspace(*RANGE, 4001)
    x = grid / COLLISION_ENERGY
    density = (1 - x) ** _P1 / x**_P2
    cumulative = np.append(0.0, np.cumsum(np.diff(grid) * (density[1:] + density[:-1]) / 2))
    return np.asarray(np.interp(rng.random(n) * cumulative[-1], cumulative, grid))


def _resonance(mass: float, resolution: float, n: int, rng: np.random.Generator) -> Floats:
    return np.asarray(mass * (1 + resolution * rng.standard_normal(n)))


def _delta_eta(is_signal: Mask, rng: np.random.Generator) -> Floats:
    part = rng.random(len(is_signal))
    exchange = np.log1p(part * np.expm1(_MAX_DELTA_ETA))
    isotropic = 2 * np.arctanh(part * np.tanh(_MAX_DELTA_ETA / 2))
    return np.asarray(np.where(is_signal, isotropic, exchange))
