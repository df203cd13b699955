"""Which heavy particle a jet is: matching to the quarks of hadronic decays."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado.kinematics import delta_r

__all__ = ["hadronic_decays", "truth_pdg_id"]

BOTTOM, TOP = 5, 6
BOSONS = (23, 24, 25)
PARTLY = np.int32(-1)
HEAVIEST_LAST = np.array([0, 24, 23, 25, 6], dtype=np.int32)
"""PDG codes of what a jet can be; where a jet holds several decays, the heaviest names it."""


def truth_pdg_id(jets: ak.Array, gen_particles: ak.Array, radius: float = 0.8) -> ak.Array:
    """Name the hadronically decayed W, Z, Higgs boson or top quark that a jet contains.

    A jet contains a decay when *all* of its quarks lie within `radius` of the jet axis: both quarks of W -> q
    q', Z -> q q, H -> q q; the bottom (or down, strange) quark and both quarks of the W for a top. A fully
    merged top is a top, not a W. The quarks are taken as they leave the decay, before they radiate.

    Args:
        jets: Jets with eta and phi, shape (n_events, var).
        gen_particles: Particles with eta, phi, pdg_id and mother (position within the event, negative: none),
            shape (n_events, var).
        radius: Largest distance of a quark from the axis.

    Returns:
        PDG code without sign, 6, 25, 23, 24; -1 for a jet that holds some quarks of a decay but not all, which is
        neither signal nor background; 0 where there is none. int32, shape (n_events, var).

    Raises:
        ValueError: If a mother lies beyond the last particle of its event, or the numbers of events differ.
    """
    if len(jets) != len(gen_particles):
        raise ValueError(f"{len(jets)} events of jets, but {len(gen_particles)} events of gen_particles")
    decays = hadronic_decays(gen_particles)
    distance = delta_r(
        jets["eta"][:, :, np.newaxis, np.newaxis],
        jets["phi"][:, :, np.newaxis, np.newaxis],
        decays["eta"][:, np.newaxis],
        decays["phi"][:, np.newaxis],
    )  # (n_events, jets, decays, quarks)
    inside = distance < radius
    rank = ak.max(ak.where(ak.all(inside, axis=-1), decays["rank"][:, np.newaxis], 0), axis=-1)
    heaviest = HEAVIEST_LAST[_flat(ak.fill_none(rank, 0))]
    touched = _flat(ak.any(ak.any(inside, axis=-1), axis=-1))
    return ak.unflatten(np.where((heaviest == 0) & touched, PARTLY, heaviest), ak.num(jets["eta"]))


def hadronic_decays(gen_particles: ak.Array) -> ak.Array:
    """Find the hadronic decays of W, Z, H and top, with their quarks.

    A boson or a top is in the list several times, as copies that differ by radiation. Its decay hangs on the
    last copy, the one without a copy below it (CMS marks it by bit 13 of the status flags); light quarks on the
    others are remnants of particles that were left out of the list. From the W of a top the copies are followed
    to the top.

    Args:
        gen_particles: As in `truth_pdg_id`, shape (n_events, var).

    Returns:
        Decays with `rank` (place in HEAVIEST_LAST), and `eta`, `phi` of the quarks (var), shape (n_events,
        var).

    Raises:
        ValueError: If a mother lies beyond the last particle of its event.
    """
    counts = _flat(ak.num(gen_particles["pdg_id"]))
    kind = np.abs(_flat(gen_particles["pdg_id"]).astype(np.int32))
    mother = _flat_mothers(gen_particles["mother"], counts)
    quark, decayed = _quarks_of_decays(kind, mother)

    resonance, n_quarks = np.unique(decayed, return_counts=True)
    complete = n_quarks >= np.where(kind[resonance] == TOP, 3, 2)
    quark = quark[np.repeat(complete, n_quarks)]
    resonance, n_quarks = resonance[complete], n_quarks[complete]
    event = np.repeat(np.arange(len(counts)), counts)[resonance]
    rank = np.argmax(kind[resonance][:, np.newaxis] == HEAVIEST_LAST, axis=1)
    quarks = {name: ak.unflatten(_flat(gen_particles[name])[quark], n_quarks) for name in ("eta", "phi")}
    return ak.unflatten(ak.zip({"rank": rank, **quarks}, depth_limit=1), np.bincount(event, minlength=len(counts)))


def _flat_mothers(mother: ak.Array, counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Positions of the mothers in the flat list; -1 where there is none."""
    numbers = _flat(mother).astype(np.int64)
    event = np.repeat(np.arange(len(counts)), counts)
    wrong = np.flatnonzero(numbers >= counts[event])
    if len(wrong):
        at = event[wrong[0]]
        raise ValueError(f"mother = {numbers[wrong[0]]} in event {at}, which has {counts[at]} gen_particles")
    first = np.cumsum(counts) - counts
    return np.where(numbers < 0, -1, numbers + first[event])


def _flat(jagged: ak.Array) -> npt.NDArray[Any]:
    """Numbers of a jagged column, without its structure."""
    return np.asarray(ak.to_numpy(ak.flatten(jagged, axis=None)))


def _quarks_of_decays(
    kind: npt.NDArray[np.int32], mother: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs (quark, boson or top that it comes from), ordered by the latter; a quark of t -> W is in two."""
    quark = np.flatnonzero((kind >= 1) & (kind <= BOTTOM) & (mother >= 0))
    quark = quark[_is_last_copy(kind, mother)[mother[quark]]]
    parent = mother[quark]
    direct = np.isin(kind[parent], (*BOSONS, TOP))
    above = mother[_first_copy(kind, mother)[parent]]
    through_w = (kind[parent] == 24) & (above >= 0) & (kind[above] == TOP)

    quarks = np.concatenate([quark[direct], quark[through_w]])
    origins = np.concatenate([parent[direct], above[through_w]])
    order = np.argsort(origins, kind="stable")
    return quarks[order], origins[order]


def _copies(kind: npt.NDArray[np.int32], mother: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Particles that are the copy of their mother."""
    daughters = np.flatnonzero(mother >= 0)
    return np.asarray(daughters[kind[mother[daughters]] == kind[daughters]])


def _is_last_copy(kind: npt.NDArray[np.int32], mother: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Say which particles have no copy below them."""
    last = np.ones(len(kind), dtype=bool)
    last[mother[_copies(kind, mother)]] = False
    return last


def _first_copy(kind: npt.NDArray[np.int32], mother: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Head of the chain of copies that each particle ends; each pass doubles the step along the chains."""
    first, copies = np.arange(len(kind)), _copies(kind, mother)
    first[copies] = mother[copies]
    for _ in range(len(copies).bit_length()):
        first[copies] = first[first[copies]]
    return first
