"""Subjets by the kT algorithm, for many jets at once in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortado.kinematics import delta_phi, energy, momentum
from cortado.representations.constituents import Constituents, blocks, descending, longest, mask_of, padded

__all__ = ["hardest_two", "kt_subjets", "subjet_pt"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SMALLEST = 1e-150  # GeV; a transverse mass of zero must not divide


def kt_subjets(constituents: Constituents, radius: float) -> Integers:
    """Subjets of the inclusive kT algorithm: for each constituent, the index of one in the same subjet, (m,).

    The algorithm as in FastJet: distances in rapidity and azimuth, four-momenta added (E-scheme), no cut on
    the pT of the subjets. The groups agree with FastJet's except where two distances are equal up to
    rounding.

    Args:
        constituents: With pt, eta, phi, mass.
        radius: R of the algorithm.

    References:
        Ellis, Soper, Successive Combination Jet Algorithm for Hadron Collisions (1993), hep-ph/9305266.
    """
    counts = constituents.counts
    pt, eta, phi, mass = (constituents.own(name) for name in ("pt", "eta", "phi", "mass"))
    columns = np.stack([*momentum(pt, eta, phi), energy(pt, eta, mass)], axis=-1)
    momenta = padded(columns, counts, longest(counts))
    local = np.zeros((len(counts), longest(counts)), dtype=np.int64)
    for jets in blocks(counts):
        length = int(counts[jets].max())
        local[jets, :length] = _cluster(momenta[jets, :length], counts[jets], radius)
    return local[mask_of(counts, longest(counts))] + constituents.first[constituents.owner]


def subjet_pt(constituents: Constituents, subjet: Integers) -> Floats:
    """Transverse momentum of the subjet of each constituent, the size of the vector sum [GeV], shape (m,)."""
    pt, phi = constituents.own("pt"), constituents.own("phi")
    px, py = (np.bincount(subjet, pt * part, minlength=1) for part in (np.cos(phi), np.sin(phi)))
    total: Floats = np.hypot(px, py)[subjet]
    return total


def hardest_two(constituents: Constituents, subjet: Integers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a constituent is in the hardest, and in the second hardest, subjet of its jet, (m,) each."""
    first = _in_hardest(constituents, subjet, subjet_pt(constituents, subjet))
    rest = np.where(first, -1.0, subjet_pt(constituents, subjet))
    return first, _in_hardest(constituents, subjet, rest) & ~first


def _in_hardest(constituents: Constituents, subjet: Integers, pt: Floats) -> NDArray[np.bool_]:
    order = descending(pt, constituents.counts)  # the constituents of the hardest subjet lead
    filled = constituents.counts > 0
    leading = np.zeros(len(constituents.counts), dtype=np.int64)
    leading[filled] = subjet[order[constituents.first[filled]]]
    inside: NDArray[np.bool_] = subjet == leading[constituents.owner]
    return inside


def _cluster(momenta: Floats, counts: Integers, radius: float) -> Integers:
    """Subjet of each constituent, shape (n, p): p rounds, in each of which every jet takes its next step.

    A round finds the smallest distance of each jet. If it is that of a pair, the second joins the first; if that
    of a pseudojet to the beam, on the diagonal, the pseudojet is final. Per round, distances change in one row and
    column, so that the nearest partner is kept per row and looked up again only where it was affected.

    Args:
        momenta: px, py, pz, energy [GeV], shape (n, p, 4).
        counts: Number of constituents of each jet, shape (n,).
        radius: R of the algorithm.
    """
    n, p = momenta.shape[:2]
    every, label = np.arange(n), np.tile(np.arange(p), (n, 1))
    active = label < counts[:, np.newaxis]
    momenta, place = momenta.copy(), np.stack(_place(momenta))  # pt^2, y, phi: (3, n, p)
    distance = _distances(place[..., np.newaxis], place[:, :, np.newaxis], radius)
    distance[:, np.arange(p), np.arange(p)] = place[0]
    distance[~(active[:, :, np.newaxis] & active[:, np.newaxis])] = np.inf
    partner, nearest = distance.argmin(axis=2), distance.min(axis=2)
    for _ in range(p):
        i = nearest.argmin(axis=1)
        j = partner[every, i]
        joins = i != j
        momenta[every, i] += np.where(joins[:, np.newaxis], momenta[every, j], 0.0)
        place[:, every, i] = _place(momenta[every, i])
        label = np.where(joins[:, np.newaxis] & (label == j[:, np.newaxis]), i[:, np.newaxis], label)
        active[every, j] = False
        row = _distances(place[:, every, i][..., np.newaxis], place, radius)
        row[every, i] = place[0, every, i]
        row[~(active & active[every, i][:, np.newaxis])] = np.inf
        distance[every, j] = distance[every, :, j] = np.inf
        distance[every, i] = distance[every, :, i] = row
        affected = active & ((partner == i[:, np.newaxis]) | (partner == j[:, np.newaxis]))
        affected[every, i] = affected[every, j] = True
        closer = row < nearest
        nearest, partner = np.where(closer, row, nearest), np.where(closer, i[:, np.newaxis], partner)
        rows = distance[affected]
        nearest[affected], partner[affected] = rows.min(axis=1), rows.argmin(axis=1)
    return label


def _distances(first: Floats, second: Floats, radius: float) -> Floats:
    """The kT distances min(pt^2) * delta_r^2 / R^2 between places (pt^2, y, phi)."""
    (pt2_1, y1, phi1), (pt2_2, y2, phi2) = first, second
    apart = np.square(y1 - y2) + np.square(delta_phi(phi1, phi2))
    distances: Floats = np.minimum(pt2_1, pt2_2) * (apart / radius**2)
    return distances


def _place(momenta: Floats) -> tuple[Floats, Floats, Floats]:
    """Squared transverse momentum [GeV^2], rapidity and azimuth."""
    px, py, pz, e = np.moveaxis(momenta, -1, 0)
    transverse_mass = np.sqrt(np.maximum(e**2 - pz**2, _SMALLEST**2))
    return px**2 + py**2, np.arcsinh(pz / transverse_mass), np.arctan2(py, px)
