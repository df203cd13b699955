"""The combinatorial Kalman filter of ACTS on hits of the generic detector (extra ``acts``): seeds, filter, ambiguities.

It sees the hits alone: no truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.simulation.hits.acts_detector import generic, load_acts
from cortado.simulation.hits.acts_sequence import Measurements, follow
from cortado.simulation.hits.acts_settings import CkfSettings
from cortado.simulation.units import in_order

__all__ = ["ActsTracks", "acts_tracks", "labels"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

UNIT = 10  # events
FIELDS = ("x", "y", "z", "layer", "module")
_OFF_SURFACE = 0.01  # mm, of hits stored in single precision
_MODULES = 1 << 20  # more than a layer has


class ActsTracks(NamedTuple):
    """Tracks of events.

    Attributes:
        hits: Indices of the hits of each track in its event, from inside out, shape (n_events, var, var).
        label: Number of the track in its event for each hit, -1 for none, shape (n_events, var); see `labels`.
        seconds: CPU time for space points, seeds, filter and ambiguities, on one thread, shape (n_events,).
    """

    hits: ak.Array
    label: ak.Array
    seconds: Floats


class Unit(NamedTuple):
    """A piece of work: events, and how."""

    measurements: tuple[Measurements, ...]
    settings: CkfSettings


def acts_tracks(
    hits: ak.Array,
    *,
    settings: CkfSettings | None = None,
    workers: int = 1,
    progress: Callable[[int], object] | None = None,
) -> ActsTracks:
    """Find tracks with the combinatorial Kalman filter of ACTS.

    Seeds of three space points in a grid, their parameters, the filter, and greedy ambiguity solving. Outliers are not
    hits of the track. The answer does not depend on workers.

    Args:
        hits: Hits of the generic detector, with ``x y z layer module``, shape (n_events, var).
        settings: What can be tuned, ACTS' examples by default.
        workers: Processes. 1 stays in this one; more are spawned, so a script needs ``if __name__ == "__main__"``.
        progress: Called with the number of new events after each unit of 10, for instance ``bar.update``.

    Raises:
        ImportError: If ACTS is not installed.
        ValueError: If hits lie on no module of the generic detector, or their fields are missing.

    References:
        Ai et al., A common tracking software project (2022), arXiv:2106.13593.
    """
    load_acts()
    missing = [name for name in FIELDS if name not in hits.fields]
    if missing:
        raise ValueError(f"hits lack {', '.join(missing)}; the Kalman filter needs {', '.join(FIELDS)}")
    counts = ak.to_numpy(ak.num(hits))
    measured = _measurements(hits, counts)
    chosen = settings or CkfSettings()
    units = [Unit(tuple(measured[k : k + UNIT]), chosen) for k in range(0, len(measured), UNIT)]
    tracks: list[list[list[int]]] = []
    seconds: list[float] = []
    for of_unit in in_order(_find, units, workers) if units else ():
        tracks += of_unit[0]
        seconds += of_unit[1]
        if progress is not None:
            progress(len(of_unit[1]))
    return _answer(tracks, seconds, counts)


def labels(tracks: ak.Array, counts: Integers) -> ak.Array:
    """Number of the track of each hit; a shared hit belongs to the longest of its tracks.

    Args:
        tracks: Indices of the hits of each track, shape (n_events, var, var).
        counts: Number of hits of each event, shape (n_events,).

    Returns:
        Labels, int32, -1 for none, shape (n_events, var).
    """
    starts = np.cumsum(counts) - counts
    lengths = ak.to_numpy(ak.flatten(ak.num(tracks, axis=2)))
    event = np.repeat(np.arange(len(counts)), ak.to_numpy(ak.num(tracks)))
    number = np.arange(len(event)) - np.searchsorted(event, event)
    hit = ak.to_numpy(ak.flatten(tracks, axis=None)).astype(np.int64) + np.repeat(starts[event], lengths)
    order = np.argsort(np.repeat(lengths, lengths), kind="stable")
    label = np.full(int(counts.sum()), -1, np.int32)
    label[hit[order]] = np.repeat(number, lengths)[order]  # the last one stays
    return ak.unflatten(label, counts)


def _measurements(hits: ak.Array, counts: Integers) -> list[Measurements]:
    """Local coordinates of the hits of each event on the surfaces of their modules.

    Raises:
        ValueError: If hits lie on none.
    """
    modules = generic().modules
    layer, module = (ak.to_numpy(ak.flatten(hits[name])).astype(np.int64) for name in ("layer", "module"))
    position = np.stack([ak.to_numpy(ak.flatten(hits[name])).astype(np.float64) for name in "xyz"], axis=-1)
    known = modules.layer * _MODULES + modules.module  # rises
    row = np.minimum(np.searchsorted(known, layer * _MODULES + module), len(known) - 1)
    away = position - modules.centre[row]
    normal = np.cross(modules.axes[row, 0], modules.axes[row, 1])
    wrong = (known[row] != layer * _MODULES + module) | ~(np.abs(np.sum(away * normal, axis=1)) < _OFF_SURFACE)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{wrong.sum()} of {len(wrong)} hits lie on no module of the generic detector, the first in layer "
            f"{layer[first]}, module {module[first]} at {position[first].round(3).tolist()} mm; the Kalman filter "
            f'needs events of simulate_hits(..., detector="generic")'
        )
    local = np.einsum("hak,hk->ha", modules.axes[row], away)
    ends = np.cumsum(counts)
    key, volume = modules.key[row], modules.volume[row]
    return [Measurements(key[a:b], volume[a:b], local[a:b]) for a, b in zip(ends - counts, ends, strict=True)]


def _find(unit: Unit) -> tuple[list[list[list[int]]], list[float]]:
    return follow(unit.measurements, unit.settings)


def _answer(tracks: Sequence[Sequence[Sequence[int]]], seconds: Sequence[float], counts: Integers) -> ActsTracks:
    lengths = [len(track) for event in tracks for track in event]
    flat = np.array([hit for event in tracks for track in event for hit in track], np.int64)
    nested = ak.unflatten(ak.unflatten(flat, np.array(lengths, np.int64)), np.array([len(e) for e in tracks], np.int64))
    return ActsTracks(nested, labels(nested, counts), np.array(seconds, np.float64))
