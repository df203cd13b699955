"""Branches of EDM4hep files that are read, however the events spell their names.

The events are plain arrays (`EFlowTrack_1.D0`), or NanoEvents of coffea's BaseSchema (`EFlowTrack_1/EFlowTrack_1.D0`)
or FCCSchema (`EFlowTrack_1.D0` is field D0 of EFlowTrack_1, `Jet#2.index` field index of Jetidx2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import partial, reduce

import awkward as ak

from cortado.readers import columns

__all__ = [
    "COVARIANCE",
    "FORMS",
    "JET",
    "MOMENTUM",
    "NAME",
    "POINT",
    "REFERENCE",
    "STATE",
    "Column",
    "branches",
    "opened",
]

Column = Callable[[str], ak.Array]
Spelling = Callable[[str], tuple[str, ...]]

NAME = "EDM4hep"
_XYZ = ("x", "y", "z")
STATE = tuple(f"EFlowTrack_1.{name}" for name in ("D0", "phi", "omega", "Z0", "tanLambda"))
COVARIANCE = "EFlowTrack_1.covMatrix"
"""Without its length, which is in the names of the file: 15, or 21 with the time as last parameter."""
_LENGTHS = (15, 21)
REFERENCE = tuple(f"EFlowTrack_1.referencePoint.{axis}" for axis in _XYZ)
JET = (*(f"Jet.momentum.{axis}" for axis in _XYZ), "Jet.mass")
_REQUIRED = (
    *STATE,
    COVARIANCE,
    *REFERENCE,
    *JET,
    "Jet.particles_begin",
    "Jet.particles_end",
    "Jet#2.index",
    "ReconstructedParticles.charge",
    "ReconstructedParticles.mass",
    "ReconstructedParticles.tracks_begin",
    "ReconstructedParticles.tracks_end",
    "ReconstructedParticles#1.index",
    "EFlowTrack.trackStates_begin",
)
POINT = tuple(f"Particle.vertex.{axis}" for axis in _XYZ)
MOMENTUM = tuple(f"Particle.momentum.{axis}" for axis in _XYZ)
_TRUTH = (
    "MCRecoAssociations#0.index",
    "MCRecoAssociations#1.index",
    "Particle.PDG",
    *POINT,
    *MOMENTUM,
    "Particle.parents_begin",
    "Particle.parents_end",
    "Particle#0.index",
)
# branch name -> path of fields in the FCCSchema of coffea
_SCHEMA = (
    ("MCRecoAssociations#0", "MCRecoAssociations.reco"),
    ("MCRecoAssociations#1", "MCRecoAssociations.mc"),
    (r"#(\d)", r"idx\1"),
    (r"\[(\d+)\]", r"_\1_"),
    (r"momentum\.", "p"),
    (r"_(begin|end)$", r".\1"),
)


def _in_tree(name: str) -> tuple[str, ...]:
    return (name,)


def _in_base_schema(name: str) -> tuple[str, ...]:
    return (f"{name.partition('.')[0]}/{name}",)


def _in_fcc_schema(name: str) -> tuple[str, ...]:
    return tuple(reduce(lambda path, rule: re.sub(rule[0], rule[1], path), _SCHEMA, name).split("."))


def _spelled(in_words: Spelling, length: int) -> Spelling:
    """The spelling in files whose covariances have that length."""
    return lambda name: in_words(f"{name}[{length}]" if name == COVARIANCE else name)


def _form(spelling: Spelling, names: Iterable[str]) -> tuple[str, ...]:
    """Names of the columns, as `columns.names` gives them, in one spelling."""
    return tuple(dict.fromkeys("_".join(spelling(name)[:2]) for name in names))


_SPELLINGS = tuple(_spelled(each, n) for each in (_in_tree, _in_base_schema, _in_fcc_schema) for n in _LENGTHS)
FORMS = tuple(_form(spelling, _REQUIRED) for spelling in _SPELLINGS)
"""Columns by which the dialect is recognised, and without which it cannot be read: in a file, in both schemas."""


def branches(available: Iterable[str]) -> list[str]:
    """Choose the branches that the reader uses, of those that are available."""
    there = set(available)
    return [name for name in _form(_nearest_spelling(there), (*_REQUIRED, *_TRUTH)) if name in there]


def opened(events: ak.Array) -> tuple[Column, bool]:
    """Columns of events by the name of their branch in the file, and whether those of the truth are there.

    The spelling is the one in which the fewest required columns are missing.

    Raises:
        KeyError: If one of them is missing.
    """
    available = columns.names(events)
    spelling = _nearest_spelling(available)
    columns.require(_form(spelling, _REQUIRED), available, NAME)
    return partial(_column, events, spelling), not columns.missing(_form(spelling, _TRUTH), available)


def _nearest_spelling(available: Collection[str]) -> Spelling:
    return min(_SPELLINGS, key=lambda one: len(columns.missing(_form(one, _REQUIRED), available)))


def _column(events: ak.Array, spelling: Spelling, name: str) -> ak.Array:
    return columns.column(events, "_".join(spelling(name)))
