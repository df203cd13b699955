"""The history of the hard process, as CMS NanoAOD's GenPart: who decayed to what."""

from __future__ import annotations

from functools import reduce
from operator import or_

import awkward as ak
import numpy as np
import numpy.typing as npt

from cortado import kinematics
from cortado.simulation.clustering import RADIUS

IS_PROMPT, IS_HARD_PROCESS, FROM_HARD_PROCESS = 1 << 0, 1 << 7, 1 << 8
IS_FIRST_COPY, IS_LAST_COPY = 1 << 12, 1 << 13
_RESONANCES = (6, 23, 24, 34)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def hard_process(particles: ak.Array) -> ak.Array:
    """Keep incoming and outgoing partons, resonances (first and last copy) and what these decay to.

    Mothers are the nearest ancestors that are kept, so every quark of a W points at the last copy of that W.

    Args:
        particles: Pythia's record, shape (n_events, var).

    Returns:
        ``pt eta phi mass pdgId status statusFlags genPartIdxMother`` with the types of CMS, shape (n_events, var).
        The flags set are isPrompt, isHardProcess, fromHardProcess, isFirstCopy and isLastCopy. Incoming partons have
        pT = 0 and eta = +-23000, as in CMS.
    """
    counts = ak.to_numpy(ak.num(particles))
    start = np.repeat(np.cumsum(counts) - counts, counts)  # of the event of each particle
    flat = ak.flatten(particles)
    pdg_id, status, mother = (ak.to_numpy(flat[name]).astype(np.int64) for name in ("id", "status", "mother1"))
    parent = np.where(mother > 0, mother + start, -1)
    first, last = _copies(pdg_id, parent)
    is_hard = (np.abs(status) > 20) & (np.abs(status) < 30)
    keep = np.flatnonzero(is_hard | (np.isin(np.abs(pdg_id), _RESONANCES) & last))
    flags = (
        (IS_PROMPT | FROM_HARD_PROCESS)
        + np.where(is_hard, IS_HARD_PROCESS, 0)
        + np.where(first, IS_FIRST_COPY, 0)
        + np.where(last, IS_LAST_COPY, 0)
    )
    event_start = np.searchsorted(keep, start[keep])  # position, among the kept, of the first one of the event
    ancestor = _nearest_kept(parent, keep)
    kept_counts = ak.sum(ak.unflatten(np.isin(np.arange(len(parent)), keep), counts), axis=1)
    columns = {
        **_kinematics(flat[keep]),
        "pdgId": pdg_id[keep].astype(np.int32),
        "status": np.abs(status[keep]).astype(np.int32),
        "statusFlags": flags[keep].astype(np.uint16),
        "genPartIdxMother": np.where(ancestor < 0, -1, ancestor - event_start).astype(np.int16),
    }
    return ak.unflatten(ak.zip(columns), kept_counts)


def holds_decay(jets: ak.Array, gen_particles: ak.Array, parents: tuple[int, ...], quarks: int) -> ak.Array:
    """Whether all quarks of a hadronic decay lie within R = 0.8 of the axis of a jet; shape (n_events, var).

    Args:
        jets: Shape (n_events, var), with ``eta phi``.
        gen_particles: From ``hard_process``, shape (n_events, var).
        parents: Absolute PDG codes of the mothers of the quarks: (24,) for a W, (6, 24) for a top. All of one sign
            belong to one decay.
        quarks: Number of quarks of one decay.
    """
    mother = gen_particles.pdgId[gen_particles.genPartIdxMother]  # -1 finds some other particle: excluded below
    is_quark = (abs(gen_particles.pdgId) <= 5) & (gen_particles.genPartIdxMother >= 0)
    held = ak.zeros_like(jets.pt, dtype=bool)
    for sign in (+1, -1):
        decay = gen_particles[is_quark & reduce(or_, [mother == sign * parent for parent in parents])]
        distance = kinematics.delta_r(
            jets.eta[:, :, None], jets.phi[:, :, None], decay.eta[:, None, :], decay.phi[:, None, :]
        )
        held = held | (ak.sum(distance < RADIUS, axis=-1) == quarks)
    return held


def _copies(pdg_id: IntArray, parent: IntArray) -> tuple[BoolArray, BoolArray]:
    """Whether each particle is the first, and the last, in its chain of particles of the same kind."""
    copied = (parent >= 0) & (pdg_id == pdg_id[parent])
    last = np.ones(len(pdg_id), bool)
    last[parent[copied]] = False
    return ~copied, last


def _nearest_kept(parent: IntArray, keep: IntArray) -> IntArray:
    """Position among the kept particles of the nearest kept ancestor of each of them, -1 for none."""
    position = np.full(len(parent) + 1, -1)  # the last entry stands for "no parent" and is found by index -1
    position[keep] = np.arange(len(keep))
    return position[nearest_ancestor(parent, position[:-1] >= 0, keep)]


def nearest_ancestor(parent: IntArray, wanted: BoolArray, of: IntArray) -> IntArray:
    """Climb from some particles to the nearest ancestor of each that is wanted.

    Args:
        parent: Index of the parent of every particle, -1 for none, shape (n,).
        wanted: Where to stop, shape (n,).
        of: Indices of the particles to begin at, shape (m,); these themselves do not count.

    Returns:
        Indices of the ancestors, -1 where none is wanted, shape (m,).
    """
    ancestor = parent[of]
    while True:
        climbing = (ancestor >= 0) & ~wanted[ancestor]
        if not climbing.any():
            return ancestor
        ancestor = np.where(climbing, parent[ancestor], ancestor)


def _kinematics(particles: ak.Array) -> dict[str, npt.NDArray[np.float32]]:
    px, py, pz = (ak.to_numpy(particles.p[axis]) for axis in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where(pt > 0, np.arcsinh(pz / pt), np.copysign(23000.0, pz))
    columns = {"pt": pt, "eta": eta, "phi": np.arctan2(py, px), "mass": ak.to_numpy(particles.m)}
    return {name: column.astype(np.float32) for name, column in columns.items()}
