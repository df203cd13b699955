"""Samples in which b, c and light jets have equal spectra: triplets of one jet of each from one bin."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

JET_FLAVOURS = (5, 4, 0)
PT_EDGES = (30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 130.0, 170.0, 250.0)  # GeV; the first bin begins at 20
ETA_EDGES = (0.8, 1.6)  # of |eta|; the last bin ends at 2.5
TRACK_EDGES = (3, 5, 7, 9, 12)  # the first bin is up to 2 tracks
BINS = (len(PT_EDGES) + 1) * (len(ETA_EDGES) + 1) * (len(TRACK_EDGES) + 1)


def kinematic_bin(pt: Array, eta: Array, tracks: Array) -> Array:
    """Bin of jets in pT [GeV], |eta| and number of tracks; shape (n,) each."""
    row = np.digitize(pt, PT_EDGES) * (len(ETA_EDGES) + 1) + np.digitize(np.abs(eta), ETA_EDGES)
    return np.asarray(row * (len(TRACK_EDGES) + 1) + np.digitize(tracks, TRACK_EDGES))


def counts(flavour: Array, kinematic_bins: Array) -> Array:
    """Number of jets of each flavour in each bin, shape (3, BINS)."""
    return np.stack([np.bincount(kinematic_bins[flavour == wanted], minlength=BINS) for wanted in JET_FLAVOURS])


def triplets(flavour: Array, kinematic_bins: Array, wanted: int) -> Array:
    """Choose jets so that each bin has as many of one flavour as of any other: the first ones that complete a triplet.

    Args:
        flavour: Of jets in the order in which they came, shape (n,).
        kinematic_bins: Of the jets, shape (n,).
        wanted: Number of triplets; there must be as many.

    Returns:
        Indices of the chosen jets, ascending, shape (3 * wanted,).
    """
    names, members = zip(*(_named(np.flatnonzero(flavour == one), kinematic_bins) for one in JET_FLAVOURS), strict=True)
    common = reduce(np.intersect1d, names)
    chosen = np.stack([jets[np.searchsorted(name, common)] for name, jets in zip(names, members, strict=True)])
    first = np.argsort(chosen.max(axis=0))[:wanted]
    return np.sort(chosen[:, first], axis=None)


def _named(jets: Array, kinematic_bins: Array) -> tuple[Array, Array]:
    """Name the jets by bin and by how many came before in it: ascending names, and their jets."""
    jets = jets[np.argsort(kinematic_bins[jets], kind="stable")]
    place = kinematic_bins[jets]
    earlier = np.arange(len(jets)) - np.searchsorted(place, place)
    return place * len(kinematic_bins) + earlier, jets
