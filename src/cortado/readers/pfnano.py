"""CMS PFNano (NanoAOD before version 15 with candidates added).

FatJet and Jet, with FatJetPFCands, JetPFCands -> PFCands: the same links as in `nanoaod`, under other names; all that
is said there holds, but for the secondary vertices.
"""

from __future__ import annotations

from collections.abc import Iterable

import awkward as ak

from cortado.readers import links

__all__ = ["FORMS", "KINDS", "NAME", "ak4_jets", "branches", "jets", "record"]

NAME = "PFNano"
_LARGE = links.Naming(dialect=NAME, links="FatJetPFCands", candidate_index="pFCandsIdx", candidates="PFCands")
_SMALL = _LARGE.of_small_jets("JetPFCands")
FORMS = (_LARGE.required, _SMALL.required)
"""Branches by which the dialect is recognised: those of either kind of jets."""
KINDS = {"jets": _LARGE.prefixes, "ak4_jets": _SMALL.prefixes}
"""What branches of one kind of jets alone begin with, by the name of these in the record."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that `record` uses, of those that are available."""
    there = list(available)
    return list(dict.fromkeys((*_LARGE.branches(there), *_SMALL.branches(there))))


def jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.8 with their constituents, aligned with `FatJet`; see `nanoaod.jets`."""
    return links.jets(events, _LARGE)


def ak4_jets(events: ak.Array) -> ak.Array:
    """Jets of radius 0.4 with their constituents, aligned with `Jet`; see `nanoaod.ak4_jets`."""
    return links.jets(events, _SMALL)


def record(events: ak.Array) -> ak.Array:
    """Events in the form of the package; see `nanoaod.record`."""
    return links.record(events, _LARGE, _SMALL)
