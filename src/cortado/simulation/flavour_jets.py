"""Jets of radius 0.4: flavour by matched hadrons, tracks by distance, and the true vertices of the tracks."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.perigee import COVARIANCE
from cortado.simulation.clustering import anti_kt
from cortado.simulation.detector import INVISIBLE
from cortado.simulation.history import BEAUTY, CHARM, FAKE, PRIMARY, History, Vertices
from cortado.simulation.tracks import CORRELATION, Helices

Array = npt.NDArray[Any]

RADIUS = 0.4
MIN_PT, MAX_ETA = 20.0, 2.5  # GeV
_CALORIMETER_ETA = 5.0
_HADRON_PT, _HADRON_DISTANCE = 5.0, 0.3  # GeV


class Jets(NamedTuple):
    """Jets of a batch of events, flat, shape (n,), in the order of the events, hardest first."""

    event: Array
    pt: Array
    eta: Array
    phi: Array
    mass: Array


def cluster(history: History, events: int, rng: np.random.Generator) -> Jets:
    """Anti-kT jets, R = 0.4, pT > 20 GeV, |eta| < 2.5, of all stable particles but neutrinos.

    The response of the calorimeter is one Gaussian factor on the four-momentum, of width 60 % / sqrt(pT) (+) 5 %; the
    direction is exact, and pile-up does not add to the jets.

    Args:
        history: All particles.
        events: Number of events.
        rng: Source of the response.
    """
    pt = np.hypot(history.px, history.py)
    visible = history.stable & ~np.isin(np.abs(history.pdg_id), INVISIBLE)
    visible &= np.abs(history.pz) < pt * np.sinh(_CALORIMETER_ETA)
    event, px, py, pz = (column[visible] for column in (history.event, history.px, history.py, history.pz))
    particles = ak.zip(
        {
            "pt": pt[visible],
            "eta": np.arcsinh(pz / pt[visible]),
            "phi": np.arctan2(py, px),
            "mass": kinematics.mass_of(history.energy[visible], px, py, pz),
        }
    )
    clustered = anti_kt(
        ak.unflatten(particles, np.bincount(event, minlength=events)), radius=RADIUS, min_pt=0.5 * MIN_PT
    )
    pt, eta, phi, mass = (ak.to_numpy(ak.flatten(clustered[name])) for name in ("pt", "eta", "phi", "mass"))
    response = np.maximum(1 + np.hypot(0.6 / np.sqrt(pt), 0.05) * rng.normal(size=len(pt)), 0.1)
    jets = Jets(np.repeat(np.arange(events), ak.to_numpy(ak.num(clustered))), pt * response, eta, phi, mass * response)
    kept = (jets.pt > MIN_PT) & (np.abs(jets.eta) < MAX_ETA)
    return Jets(*(column[kept] for column in jets))


def flavour(jets: Jets, history: History) -> Array:
    """Flavour of jets: 5 with a b hadron within 0.3 of the axis, else 4 with a c hadron, else 0; shape (n,).

    Hadrons are those that decay weakly, with pT > 5 GeV.
    """
    hard = np.hypot(history.px, history.py) > _HADRON_PT
    kind = np.abs(history.pdg_id)
    holds_b = _near(jets, history, np.flatnonzero(hard & np.isin(kind, BEAUTY)))
    holds_c = _near(jets, history, np.flatnonzero(hard & np.isin(kind, CHARM)))
    return np.select([holds_b, holds_c], [5, 4], 0).astype(np.int32)


def _near(jets: Jets, history: History, hadrons: Array) -> Array:
    """Whether one of the hadrons is within 0.3 of each jet."""
    px, py, pz = (column[hadrons] for column in (history.px, history.py, history.pz))
    jet, hadron = pairs(jets.event, history.event[hadrons])
    eta, phi = np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)
    near = kinematics.delta_r(jets.eta[jet], jets.phi[jet], eta[hadron], phi[hadron]) < _HADRON_DISTANCE
    return np.bincount(jet[near], minlength=len(jets.event)) > 0


def pairs(first: Array, second: Array) -> tuple[Array, Array]:
    """Indices of all pairs of one event, in the order of the first.

    Args:
        first: Event of each first one, shape (n,).
        second: Event of each second one, ascending, shape (m,).
    """
    begin, end = np.searchsorted(second, first, "left"), np.searchsorted(second, first, "right")
    counts = end - begin
    index = np.arange(counts.sum()) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
    return np.repeat(np.arange(len(first)), counts), index


def nearest_jet(jets: Jets, tracks: Helices) -> Array:
    """Index of the nearest jet within 0.4 of each track, -1 for none; shape (n,)."""
    track, jet = pairs(tracks.event, jets.event)
    eta, phi = _eta(tracks.parameters), tracks.parameters[:, 2]
    distance = kinematics.delta_r(eta[track], phi[track], jets.eta[jet], jets.phi[jet])
    close = distance < RADIUS
    track, jet, distance = track[close], jet[close], distance[close]
    order = np.lexsort((-distance, track))
    nearest = np.full(len(tracks.event), -1)
    nearest[track[order]] = jet[order]  # the last one of each track, the nearest, stays
    return nearest


def with_tracks(jets: Jets, tracks: Helices, sigma: Array, vertices: Vertices) -> dict[str, ak.Array]:
    """Jets with the tracks next to them, hardest first, and the vertices of these tracks, in our branches.

    Args:
        jets: Shape (n,).
        tracks: Measured, shape (p,).
        sigma: Standard deviations of the parameters, shape (p, 5).
        vertices: To which the tracks point by row.

    Returns:
        ``trk`` and ``vtx`` records, shape (n, var).
    """
    jet = nearest_jet(jets, tracks)
    pt = np.sin(tracks.parameters[:, 3]) / np.abs(tracks.parameters[:, 4])
    order = np.lexsort((-pt, jet))[np.count_nonzero(jet < 0) :]
    jet, tracks, sigma = jet[order], tracks.where(order), sigma[order]
    index, true_jet, true_row, true_index = _numbered(jet, tracks.vertex, vertices.type)
    n = len(jets.event)
    trk = _perigee_branches(tracks.parameters) | _covariance_branches(sigma)
    trk |= {"vtx_index": index, "vtx_type": vertices.type[tracks.vertex]}
    placed = vertices.type[true_row] != FAKE
    vtx = {name: column[true_row[placed]] for name, column in vertices._asdict().items()}
    vtx |= {"index": true_index[placed]}
    return {
        "trk": ak.unflatten(_stored(trk), np.bincount(jet, minlength=n)),
        "vtx": ak.unflatten(_stored(vtx), np.bincount(true_jet[placed], minlength=n)),
    }


def _numbered(jet: Array, row: Array, kind: Array) -> tuple[Array, Array, Array, Array]:
    """Number the vertices of each jet, the primary one 0 and the others from 1.

    Args:
        jet: Of each track, ascending, shape (p,).
        row: Of the vertex of each track, shape (p,); primary vertices have the lowest ones.
        kind: Type of each vertex, by row.

    Returns:
        Number of each track's vertex, shape (p,); and jet, row and number of each vertex in a jet.
    """
    name, of_track = np.unique(jet * len(kind) + row, return_inverse=True)
    own_jet, own_row = np.divmod(name, max(len(kind), 1))
    first = np.searchsorted(own_jet, own_jet)
    has_primary = kind[own_row[first]] == PRIMARY
    number = np.arange(len(name)) - first + ~has_primary
    return number[of_track], own_jet, own_row, number


def _perigee_branches(parameters: Array) -> dict[str, Array]:
    d0, z0, phi, theta, q_over_p = parameters.T
    pt = np.sin(theta) / np.abs(q_over_p)
    return {
        "d0": d0,
        "z0": z0,
        "phi": phi,
        "ctgtheta": 1 / np.tan(theta),
        "pt": pt,
        "charge": np.sign(q_over_p).astype(np.int32),
    }


def _covariance_branches(sigma: Array) -> dict[str, Array]:
    pairs = combinations_with_replacement(range(5), 2)
    return {name: CORRELATION[i, j] * sigma[:, i] * sigma[:, j] for name, (i, j) in zip(COVARIANCE, pairs)}


def _eta(parameters: Array) -> Array:
    eta: Array = np.arcsinh(1 / np.tan(parameters[:, 3]))
    return eta


def _stored(columns: dict[str, Array]) -> ak.Array:
    """One record, with float32 and int32 numbers."""
    types = {"f": np.float32, "i": np.int32}
    return ak.zip({name: column.astype(types[column.dtype.kind]) for name, column in columns.items()})
