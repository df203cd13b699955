"""Columns of CMS NanoAOD of any version, without code and without constituents."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterable

from cortado.readers.mapping import Mapping, Source
from cortado.units import MM_PER_CM, is_cms_length

__all__ = ["nanoaod_mapping"]

_SIMULATED = "GenPart_pt"  # a branch that data have not


def nanoaod_mapping(
    collections: abc.Mapping[str, tuple[str, Iterable[str]]],
    *,
    event: Iterable[str] = (),
    weight: str | None = "genWeight",
) -> Mapping:
    """Columns of CMS NanoAOD of any version, without constituents: jets of both radii, leptons, and the event.

    Args:
        collections: Name in the record -> collection of the file and its fields, under whose names they are kept:
            ``{"jets": ("Jet", ("pt", "eta", "btagDeepFlavB")), "muons": ("Muon", ("pt", "charge"))}``. Lengths, such as
            "dxy", come in mm.
        event: Branches of the event, such as "MET_pt".
        weight: Branch of the event weight, which recorded data have not: their events count as 1.

    Example:
        >>> nanoaod_mapping({"jets": ("Jet", ("pt",))}, event=("MET_pt",)).FORMS[0]
        ('Jet_pt', 'run', 'luminosityBlock', 'event', 'MET_pt')
    """
    mapped = {
        name: {field: _in_mm(f"{source}_{field}") for field in fields} for name, (source, fields) in collections.items()
    }
    numbers = {"run": "run", "luminosity_block": "luminosityBlock", "event": "event"}
    return Mapping(
        jets=mapped.pop("jets", {}),
        collections=mapped,
        event=numbers | {name: _in_mm(name) for name in event},
        weight=weight,
        simulated=_SIMULATED,
        name="NanoAOD columns",
    )


def _in_mm(branch: str) -> Source:
    return (branch, MM_PER_CM) if is_cms_length(branch) else branch
