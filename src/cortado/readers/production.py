"""Where particles come from: the decay, or the collision, in which each was produced, and its kind.

A generator moves also what does not fly: a D* by 1e-8 mm, a Higgs boson by 1e-9 mm. Particles produced within
`RESOLUTION` of the production point of their parent are therefore counted to the vertex of that parent.
"""

from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.kinematics import delta_r

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.int32]

RESOLUTION = 1e-3
"""Flight [mm] that no detector resolves."""

MATCHING_RADIUS = 0.3
"""Largest distance of a hadron from the axis of the jet that it names."""

PRIMARY, BOTTOM, CHARM_OF_BOTTOM, CHARM, OTHER, _PILEUP, FAKE = np.arange(7, dtype=np.int32)
"""Values of `vertex_type`."""


class Production(NamedTuple):
    """Vertices that particles come from.

    Attributes:
        vertex: Index of the particle whose decay it is, -1 for the collision, shape (m,).
        vertex_type: What decayed there, see `PRIMARY`, shape (m,).
        position: x, y, z [mm], shape (m, 3).
    """

    vertex: Integers
    vertex_type: Kinds
    position: Floats


def production(pdg_id: npt.NDArray[Any], parent: Integers, points: Floats) -> Production:
    """Find the vertex that each particle comes from.

    Args:
        pdg_id: PDG codes, of all events in a row, shape (m,).
        parent: Index of the parent, of the first where there are several; -1 for none. Shape (m,).
        points: Where each was produced [mm], shape (m, 3).

    Returns:
        Vertices of all particles. One that does not descend from a decay in flight is of the collision: an event
        has one collision here, no pile-up.
    """
    is_child = parent >= 0
    flight = np.linalg.norm(points - points[parent], axis=-1)
    with np.errstate(invalid="ignore"):
        beside = is_child & (flight < RESOLUTION)
    head = _top(np.where(beside, parent, np.arange(len(parent))))
    vertex = np.where(is_child[head], parent[head], -1)
    return Production(vertex, _vertex_type(pdg_id, parent, vertex), points[head])


def _vertex_type(pdg_id: npt.NDArray[Any], parent: Integers, vertex: Integers) -> Kinds:
    heaviest = heaviest_quark(pdg_id)[vertex]
    kind = np.where(_descends(heaviest_quark(pdg_id) == 5, parent)[vertex], CHARM_OF_BOTTOM, CHARM)
    decays = [vertex < 0, heaviest == 5, heaviest == 4]
    return np.select(decays, [PRIMARY, BOTTOM, kind], default=OTHER).astype(np.int32)


def heaviest_quark(pdg_id: npt.NDArray[Any]) -> Kinds:
    """Heaviest quark of hadrons: 5 (b), 4 (c), 3, 2, 1; 0 for all else, quarks and diquarks too. Shape as given."""
    code = np.abs(pdg_id.astype(np.int64))
    digits = code // 1000 % 10, code // 100 % 10, code // 10 % 10
    is_hadron = (code > 100) & (code < 10_000_000) & (digits[1] > 0) & (digits[2] > 0)
    return np.where(is_hadron, np.where(digits[0] > 0, digits[0], digits[1]), 0).astype(np.int32)


def _top(above: Integers) -> Integers:
    """Head of the chain of each particle, its own `above`; each pass doubles the step along the chains."""
    for _ in range(len(above).bit_length()):
        further = above[above]
        if np.array_equal(further, above):
            break
        above = further
    return above


def _descends(chosen: npt.NDArray[np.bool_], parent: Integers) -> npt.NDArray[np.bool_]:
    """Whether one of the chosen is among the ancestors of each particle, or is itself; steps double as in `_top`."""
    above = np.where(parent >= 0, parent, np.arange(len(parent)))
    for _ in range(len(above).bit_length()):
        chosen, above = np.logical_or(chosen, chosen[above]), above[above]
    return chosen


def last_hadrons(pdg_id: npt.NDArray[Any], parent: Integers, quark: int) -> npt.NDArray[np.bool_]:
    """Which particles are hadrons of this heaviest quark whose decay left none: those that decay weakly, shape (m,)."""
    is_hadron: npt.NDArray[np.bool_] = heaviest_quark(pdg_id) == quark
    passed_on = np.zeros(len(pdg_id), dtype=bool)
    passed_on[parent[is_hadron & (parent >= 0)]] = True
    return is_hadron & ~passed_on


def flavour(jets: ak.Array, hadrons: ak.Array) -> ak.Array:
    """Flavour of jets by the hadrons within `MATCHING_RADIUS` of their axis.

    Args:
        jets: With eta and phi, shape (n_events, var).
        hadrons: The last hadrons with b or c quarks, with eta, phi and quark (5 or 4), shape (n_events, var).

    Returns:
        5 if there is a b hadron, else 4 if there is a c hadron, else 0; int32, shape (n_events, var).
    """
    axis, hadron = jets[:, :, np.newaxis], hadrons[:, np.newaxis]
    distance = delta_r(axis["eta"], axis["phi"], hadron["eta"], hadron["phi"])
    found = ak.max(ak.where(distance < MATCHING_RADIUS, hadron["quark"], 0), axis=-1)
    return ak.values_astype(ak.fill_none(found, 0), np.int32)


def numbered(owner: Integers, vertex: Integers) -> Integers:
    """Number the vertices inside each jet: 0 for the primary one, the others from 1 in the order of their first track.

    Args:
        owner: Index of the jet of each track, ascending, shape (m,).
        vertex: Any number that names the vertex of each track, -1 for the primary one, shape (m,).

    Returns:
        vertex_index of each track, shape (m,).
    """
    secondary = np.flatnonzero(vertex >= 0)
    pairs = np.stack([owner[secondary], vertex[secondary]], axis=-1)
    groups, first, group = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # the groups, jet after jet, by their first track
    jet = groups[order, 0]
    rank = np.empty(len(groups), dtype=np.int64)
    rank[order] = np.arange(len(groups)) - np.searchsorted(jet, jet) + 1
    index = np.zeros(len(owner), dtype=np.int64)
    index[secondary] = rank[group.reshape(-1)]
    return index


def vertices_of_tracks(matched: Integers, counts: Integers, produced: Production) -> tuple[dict[str, Any], ak.Array]:
    """Truth of the tracks of jets, and the true vertices that they come from.

    Args:
        matched: Index of the particle that made each track, -1 for a fake, which is a vertex of its own; of all jets in
            a row, shape (m,).
        counts: Number of tracks of each jet, shape (n_jets,).
        produced: Vertices of all particles.

    Returns:
        vertex_index and vertex_type of the tracks, shape (m,), and the vertices, x, y, z [mm], vertex_index,
        vertex_type, without those of fakes, in the order of vertex_index, shape (n_jets, var).
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    is_fake = matched < 0
    vertex, kind = np.full(len(matched), -1), np.full(len(matched), FAKE)
    vertex[is_fake] = len(produced.vertex) + np.flatnonzero(is_fake)
    vertex[~is_fake], kind[~is_fake] = produced.vertex[matched[~is_fake]], produced.vertex_type[matched[~is_fake]]
    truth = {"vertex_index": numbered(owner, vertex).astype(np.int32), "vertex_type": kind}

    _, first = np.unique(np.stack([owner, truth["vertex_index"]], axis=-1), axis=0, return_index=True)
    first = first[~is_fake[first]]
    position = produced.position[matched[first]].T.astype(np.float32)
    vertices = dict(zip(("x", "y", "z"), position)) | {name: values[first] for name, values in truth.items()}
    return truth, ak.unflatten(ak.zip(vertices), np.bincount(owner[first], minlength=len(counts)))
