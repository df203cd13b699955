"""Generated showers beside the simulated ones that are most like them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["NearestShowers", "nearest_showers"]

Floats = NDArray[np.float64]


class NearestShowers(NamedTuple):
    """For each generated shower the nearest simulated one, shape (n,) each."""

    number: NDArray[np.int64]  # in the simulated sample
    distance: Floats  # Euclidean, of cells over incident energy


def nearest_showers(
    energy: ArrayLike,
    cells: NDArray[np.floating],
    simulated_energy: ArrayLike,
    simulated_cells: NDArray[np.floating],
    *,
    tolerance: float = 0.05,
    block: int = 1000,
) -> NearestShowers:
    """Nearest simulated shower of similar incident energy, by the Euclidean distance of cells over incident energy.

    Memory stays below that of a block of simulated showers in double precision.

    Args:
        energy: Incident energies of a few generated showers [GeV], shape (n,).
        cells: Their cells [GeV], shape (n, cells).
        simulated_energy: Incident energies of the simulated showers [GeV], shape (m,).
        simulated_cells: Their cells [GeV], shape (m, cells).
        tolerance: Largest relative difference of the incident energies.
        block: Simulated showers that are compared at a time.
    Raises:
        ValueError: If shapes do not fit together, or no simulated shower has a similar energy.
    """
    wanted, known = (np.asarray(values, dtype=np.float64) for values in (energy, simulated_energy))
    if (len(wanted), len(known), cells.shape[1:]) != (len(cells), len(simulated_cells), simulated_cells.shape[1:]):
        raise ValueError(
            f"{len(wanted)} energies and cells {cells.shape}, {len(known)} simulated energies and cells "
            f"{simulated_cells.shape} do not fit together: needed are (n, cells) and (m, cells)"
        )
    nearest = [
        _nearest(shower / one, _similar(one, known, tolerance), known, simulated_cells, block)
        for one, shower in zip(wanted, np.asarray(cells, dtype=np.float64))
    ]
    number, distance = zip(*nearest) if nearest else ((), ())
    return NearestShowers(np.array(number, dtype=np.int64), np.array(distance, dtype=np.float64))


def _similar(energy: float, known: Floats, tolerance: float) -> NDArray[np.intp]:
    similar = np.flatnonzero(np.abs(known - energy) <= tolerance * energy)
    if not len(similar):
        nearest = (
            f"the nearest of {len(known)} has {known[np.abs(known - energy).argmin()]:g} GeV"
            if len(known)
            else "there are none"
        )
        raise ValueError(f"no simulated shower is within {100 * tolerance:g} % of {energy:g} GeV; {nearest}")
    return similar


def _nearest(
    shower: Floats, candidates: NDArray[np.intp], energy: Floats, cells: NDArray[np.floating], block: int
) -> tuple[int, float]:
    best = (-1, np.inf)
    for start in range(0, len(candidates), block):
        chosen = candidates[start : start + block]
        distance = np.linalg.norm(cells[chosen] / energy[chosen, None] - shower, axis=1)
        if distance.min() < best[1]:
            best = (int(chosen[distance.argmin()]), float(distance.min()))
    return best
