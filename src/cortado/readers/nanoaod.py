"""CMS NanoAOD, version 15 and later: FatJet and Jet, with their constituents FatJetPFCand, JetPFCand -> PFCand.

Jets of radius 0.8 are the `jets` of the record, those of radius 0.4 its `ak4_jets`; a file has either or both.
Constituents are grouped by `FatJetPFCand_jetIdx`, `JetPFCand_jetIdx`; `FatJet_nConstituents` counts something else and
is not used. Lengths, which the file has in cm, are in mm. The events are plain arrays (`events.FatJet_pt`) or coffea
NanoEvents (`events.FatJet.pt`); of virtual NanoEvents, the columns of jets and constituents are read when they are
used.

Where the file gives no charge of the candidates, it is taken from their PDG code, see `charge_of`.

True kinematics of a jet are those of the generated jet (`GenJetAK8`, `GenJet`: stable particles without neutrinos)
that `FatJet_genJetAK8Idx`, `Jet_genJetIdx` names, NaN where there is none. Its `flavour` is `hadronFlavour` (5, 4, 0).
Columns `label` and `label_...` that somebody has added to the jets are taken as they are.

Secondary vertices (`SV`) belong to the event; `vertices_in_jets` shares them out.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak
import numpy as np

from cortado.kinematics import delta_r
from cortado.readers import columns, links
from cortado.readers.links import KINEMATICS, charge_of
from cortado.units import MM_PER_CM

__all__ = [
    "FORMS",
    "KINDS",
    "NAME",
    "ak4_jets",
    "branches",
    "charge_of",
    "jets",
    "record",
    "secondary_vertices",
    "vertices_in_jets",
]

NAME = "NanoAOD v15"
_LARGE = links.Naming(dialect=NAME, links="FatJetPFCand", candidate_index="pfCandIdx", candidates="PFCand")
_SMALL = _LARGE.of_small_jets("JetPFCand")
FORMS = (_LARGE.required, _SMALL.required)
"""Branches by which the dialect is recognised: those of either kind of jets."""
KINDS = {"jets": _LARGE.prefixes, "ak4_jets": _SMALL.prefixes}
"""What branches of one kind of jets alone begin with, by the name of these in the record."""
_VERTICES = KINEMATICS | {
    "x": "x",
    "y": "y",
    "z": "z",
    "reduced_chi2": "chi2",
    "ndf": "ndof",
    "n_tracks": "ntracks",
    "charge": "charge",
    "flight_distance": "dlen",
    "significance": "dlenSig",
    "flight_distance_2d": "dxy",
    "significance_2d": "dxySig",
    "pointing_angle": "pAngle",
}
_LENGTHS = ("x", "y", "z", "flight_distance", "flight_distance_2d")


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    vertices = (f"SV_{name}" for name in _VERTICES.values())
    used = (*_LARGE.branches(there), *_SMALL.branches(there), *(name for name in vertices if name in there))
    return list(dict.fromkeys(used))


def jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.8 with their constituents, aligned with `FatJet`.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets, shape (n_events, var), with pt, eta, phi, mass, event_key, constituents and, where the file has
        them, soft_drop_mass, tau1 to tau4, truth_pdg_id (see `truth`), true_pt, true_eta, true_phi, true_mass,
        flavour, parton_flavour, label, label_...

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points to a jet or a candidate that is not there, or lacks one of its two ends.
    """
    return links.jets(events, _LARGE)


def ak4_jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.4 with their constituents, aligned with `Jet`; as `jets`, but without truth_pdg_id."""
    return links.jets(events, _SMALL)


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with jets, ak4_jets or both, event_key, run, luminosity_block, event and, for
        simulation, weight and gen_particles; secondary_vertices where the file has them.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points to a jet or a candidate that is not there, or lacks one of its two ends.
    """
    whole = links.record(events, _LARGE, _SMALL)
    vertices = secondary_vertices(events)
    return whole if vertices is None else ak.with_field(whole, vertices, "secondary_vertices")


def secondary_vertices(events: ak.Array) -> ak.Array | None:
    """Secondary vertices of the events.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Vertices, shape (n_events, var), with pt, eta, phi, mass and, where the file has them, x, y, z [mm],
        reduced_chi2 (chi2 / ndf), ndf, n_tracks, charge, flight_distance and flight_distance_2d from the primary
        vertex [mm], their significance and significance_2d, pointing_angle [rad]; None for files without.
    """
    branches = columns.chosen(events, _VERTICES, "SV_")
    branches |= {name: columns.scaled(branches[name], MM_PER_CM) for name in _LENGTHS if name in branches}
    # No vectors: those of scikit-hep take x, y, z for a momentum.
    return ak.zip(branches, depth_limit=2) if KINEMATICS.keys() <= branches.keys() else None


def vertices_in_jets(jets: ak.Array, vertices: ak.Array, *, radius: float = 0.8) -> ak.Array:
    """Give each secondary vertex to the jet whose axis is nearest, if that is near enough.

    Args:
        jets: Jets with eta and phi, shape (n_events, var).
        vertices: Vertices with eta and phi, shape (n_events, var).
        radius: Largest distance of the vertex' momentum from the axis.

    Returns:
        Vertices of each jet, in the order of the file, shape (n_events, var, var).

    Raises:
        ValueError: If the numbers of events differ.
    """
    if len(jets) != len(vertices):
        raise ValueError(f"{len(jets)} events of jets, but {len(vertices)} events of vertices")
    axis, vertex = jets[:, np.newaxis], vertices[:, :, np.newaxis]
    distance = delta_r(vertex["eta"], vertex["phi"], axis["eta"], axis["phi"])  # (n_events, vertices, jets)
    inside = columns.flat(ak.fill_none(ak.min(distance, axis=-1) < radius, False))
    nearest = columns.flat(ak.fill_none(ak.argmin(distance, axis=-1), 0))
    counts = columns.flat(ak.num(jets))
    jet = nearest + np.repeat(np.cumsum(counts) - counts, columns.flat(ak.num(vertices)))
    order = np.argsort(jet[inside], kind="stable")
    n_vertices = np.bincount(jet[inside], minlength=counts.sum())
    return ak.unflatten(ak.unflatten(ak.flatten(vertices)[inside][order], n_vertices), counts)
