"""CMS PFNano (NanoAOD before version 15 with candidates added): FatJet, and FatJetPFCands -> PFCands.

The same links as in `nanoaod`, under other names; all that is said there holds.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak

from cortado.readers import links

__all__ = ["FORMS", "NAME", "branches", "jets", "record"]

NAME = "PFNano"
_NAMING = links.Naming(
    dialect=NAME,
    links="FatJetPFCands",
    jet_index="jetIdx",
    candidate_index="pFCandsIdx",
    candidates="PFCands",
)
FORMS = (_NAMING.required,)
"""Branches by which the dialect is recognised, and without which it cannot be read."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    return _NAMING.branches(available)


def jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.8 with their constituents, aligned with `FatJet`; see `nanoaod.jets`."""
    return links.jets(events, _NAMING)


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package; see `nanoaod.record`."""
    return links.record(events, _NAMING)
