"""Where particles come from: the decay, or the collision, in which each was produced, and its kind.

A generator moves also what does not fly: a D* by 1e-8 mm, a Higgs boson by 1e-9 mm. Particles produced within
`RESOLUTION` of the production point of their parent are therefore counted to the vertex of that parent.

Beams, quarks, gluons, W, Z and Higgs bosons and what generators put between them and hadrons do not fly at all. Where
what comes of them is produced elsewhere, the collision was moved, and they were left behind: the point of the collision
is then where their products are, the stable ones in the end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cortado.truth.hadrons import heaviest_quark

__all__ = ["Production", "production"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.int32]

RESOLUTION = 1e-3
"""Flight [mm] that no detector resolves."""

PRIMARY, BOTTOM, CHARM_OF_BOTTOM, CHARM, OTHER, _PILEUP, FAKE = np.arange(7, dtype=np.int32)
"""Values of `vertex_type`."""


_BEAMS = (11, 13, 22, 2212, 2112)
_QUARKS, _BOSONS, _INTERNAL = (1, 8), (21, 25), (81, 100)  # first and last code, without the photon
_PHOTON, _NUCLEUS, _DIQUARK = 22, 1_000_000_000, (1000, 9999)


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
    is_child, own = parent >= 0, np.arange(len(parent))
    flight = np.linalg.norm(points - points[parent], axis=-1)
    with np.errstate(invalid="ignore"):
        beside = is_child & (flight < RESOLUTION)
    left_behind = is_child & ~_flies(pdg_id, parent, beside)[parent]
    head = _top(np.where(beside | left_behind, parent, own))
    vertex = np.where(is_child[head], parent[head], -1)
    return Production(vertex, _vertex_type(pdg_id, parent, vertex), points[_top(np.where(beside, parent, own))])


def _flies(pdg_id: npt.NDArray[Any], parent: Integers, beside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether each particle can go from where it is produced to elsewhere, where it decays."""
    code = np.abs(pdg_id.astype(np.int64))
    inner = [(code >= first) & (code <= last) for first, last in (_QUARKS, _BOSONS, _INTERNAL)]
    is_diquark = (code >= _DIQUARK[0]) & (code <= _DIQUARK[1]) & (code // 10 % 10 == 0)
    copies = beside & (code == code[parent])  # the first of two parents may be the other beam
    first_copy = _top(np.where(copies, parent, np.arange(len(parent))))
    is_beam = (np.isin(code, _BEAMS) | (code >= _NUCLEUS)) & (parent[first_copy] < 0)
    flies: npt.NDArray[np.bool_] = ~((np.any(inner, axis=0) & (code != _PHOTON)) | is_diquark | is_beam)
    return flies


def _vertex_type(pdg_id: npt.NDArray[Any], parent: Integers, vertex: Integers) -> Kinds:
    heaviest = heaviest_quark(pdg_id)[vertex]
    kind = np.where(_descends(heaviest_quark(pdg_id) == 5, parent)[vertex], CHARM_OF_BOTTOM, CHARM)
    decays = [vertex < 0, heaviest == 5, heaviest == 4]
    return np.select(decays, [PRIMARY, BOTTOM, kind], default=OTHER).astype(np.int32)


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
