"""CMS NanoAOD, version 15 and later: FatJet, and its constituents FatJetPFCand -> PFCand.

Constituents are grouped by `FatJetPFCand_jetIdx`; `FatJet_nConstituents` counts something else and is not
used. Impact parameters are in cm. The events are plain arrays (`events.FatJet_pt`) or coffea NanoEvents
(`events.FatJet.pt`); of virtual NanoEvents, the columns of jets and constituents are read when they are used.

Where the file gives no charge of the candidates, it is taken from their PDG code, see `charge_of`.
"""

from collections.abc import Iterable

import awkward as ak

from cortado.readers import links
from cortado.readers.links import charge_of

__all__ = ["FORMS", "NAME", "branches", "charge_of", "jets", "record"]

NAME = "NanoAOD v15"
_NAMING = links.Naming(
    dialect=NAME, links="FatJetPFCand", jet_index="jetIdx", candidate_index="pfCandIdx", candidates="PFCand"
)
FORMS = (_NAMING.required,)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    return _NAMING.branches(available)


def jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.8 with their constituents, aligned with `FatJet`.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Jets, shape (n_events, var), with pt, eta, phi, mass, event_key, constituents and, where the file has
        them, soft_drop_mass, tau1 to tau4, truth_pdg_id (see `truth`).

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points to a jet or a candidate that is not there, or lacks one of its two ends.
    """
    return links.jets(events, _NAMING)


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package.

    Args:
        events: Events, shape (n_events,).

    Returns:
        Events, shape (n_events,), with jets, event_key, run, luminosity_block, event and, for simulation,
        weight and gen_particles.

    Raises:
        KeyError: If a required column is missing.
        ValueError: If a link points to a jet or a candidate that is not there, or lacks one of its two ends.
    """
    return links.record(events, _NAMING)
