"""The unit of the lengths that a network sees: mm; before format 3, lengths were in the unit of the file, cm of CMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import awkward as ak

from cortado.names import require_one_of
from cortado.representations import DeepJetFeatures
from cortado.units import MM_PER_CM, is_cms_length

__all__ = ["Unit", "fields_of", "in_cm", "in_mm", "lengths_of", "of_representation", "unit_of", "unit_of_canary"]

Unit = Literal["mm", "cm"]

_IMPACT = ("d0", "d0_err", "dz", "dz_err")
_FLIGHT = ("flight_distance", "flight_distance_2d")
_OF = {
    "constituents": _IMPACT,
    "charged": _IMPACT[::2],
    "vertices": (*_FLIGHT, *(f"{name}_err" for name in _FLIGHT)),
    "secondary_vertices": ("x", "y", "z", *_FLIGHT),
}
"""Lengths by collection that the record had in cm, of files of CMS; constituents of other files had them in mm."""
_OF_CMS = ("charged", "vertices", "secondary_vertices")
_OF_DIALECT: dict[str, Unit] = {"NanoAOD v15": "cm", "PFNano": "cm", "DeepNTuple": "cm", "JetClass": "mm"}


def lengths_of(fields: Iterable[str], collection: str) -> tuple[str, ...]:
    """Those of the fields that are lengths whose unit was once that of the file.

    Args:
        fields: Of the objects: "pt", "constituents.d0".
        collection: What the objects are.
    """
    return tuple(field for field in fields if _owner(field, collection) is not None)


def unit_of(path: str, content: Mapping[str, Any], fields: Iterable[str], given: str | None) -> Unit:
    """In which unit a network was shown lengths.

    Args:
        path: Of the bundle, for messages.
        content: Its description: of format 3 it says so, of those before the dialect of the training may.
        fields: That the network needs.
        given: By the caller, who knows.
    Raises:
        ValueError: If it follows from neither, both disagree, or `given` is no unit.
    """
    if given is not None:
        require_one_of(f"{path}: lengths", given, get_args(Unit))
    fields = tuple(fields)
    provenance = content["provenance"]
    known = content.get("lengths")
    if known is None:
        _require_no_columns(path, provenance, fields)
    else:
        require_one_of(f"{path}: lengths", known, get_args(Unit))
    if not (lengths := lengths_of(fields, _collection(provenance))):
        return "mm"
    known = known or _former(provenance, lengths)
    if known and given and known != given:
        raise ValueError(
            f"{path}: its network was shown lengths in {known}, not in {given}: leave lengths={given!r} out"
        )
    unit = known or given
    if unit is None:
        raise ValueError(
            f"{path}: its network sees {', '.join(lengths)}, and bundles of format {content['format_version']} do not "
            "say in which unit: required is lengths='cm' (--lengths cm) if it was trained on files of CMS (NanoAOD, "
            "PFNano), else lengths='mm'"
        )
    return "mm" if unit == "mm" else "cm"


def of_representation(representation: Any, unit: Unit) -> Unit:
    """The unit in which a representation must be shown lengths to give what it gave of those in another."""
    # What it makes of lengths, their ratio to 10 um, is the same in any unit.
    return "mm" if isinstance(representation, DeepJetFeatures) else unit


def unit_of_canary(path: str, content: Mapping[str, Any], fields: Iterable[str], given: str | None) -> Unit:
    """The unit of the lengths that a bundle stores for its check: mm, before format 3 that of the training."""
    return "mm" if "lengths" in content else unit_of(path, content, fields, given)


def in_cm(objects: ak.Array, unit: Unit, provenance: Mapping[str, Any]) -> ak.Array:
    """Objects with lengths in mm as a network of that unit wants them.

    Args:
        objects: Shape (n,).
        unit: That of the network: of "mm" they stay as they are.
        provenance: Of the bundle: says what the objects are.
    """
    return objects if unit == "mm" else _scaled(objects, 1 / MM_PER_CM, provenance)


def in_mm(objects: ak.Array, unit: Unit, provenance: Mapping[str, Any]) -> ak.Array:
    """Inverse of `in_cm`."""
    return objects if unit == "mm" else _scaled(objects, MM_PER_CM, provenance)


def fields_of(objects: ak.Array) -> tuple[str, ...]:
    """All fields, those of collections too: "pt", "constituents.d0"."""
    own = {name: ak.fields(objects[name]) for name in ak.fields(objects)}
    return tuple(each for name, inner in own.items() for each in (name, *(f"{name}.{member}" for member in inner)))


def _scaled(objects: ak.Array, factor: float, provenance: Mapping[str, Any]) -> ak.Array:
    for field in lengths_of(fields_of(objects), _collection(provenance)):
        where = field.split(".")
        objects = ak.with_field(objects, objects[tuple(where)] * factor, where)
    return objects


def _owner(field: str, collection: str) -> str | None:
    """Collection whose length a field is."""
    outer, _, name = (field if "." in field else f"{collection}.{field}").rpartition(".")
    owner = outer.rpartition(".")[2]
    return owner if name in _OF.get(owner, ()) else None


def _collection(provenance: Mapping[str, Any]) -> str:
    return str((provenance.get("study", {}).get("objects") or {}).get("collection", "jets"))


def _former(provenance: Mapping[str, Any], lengths: Iterable[str]) -> Unit | None:
    """The unit in a bundle that does not say it: that of its dialect, or of the only files that have such lengths."""
    if "dialect" in provenance:
        return "mm"  # what a Mapping must give
    study = provenance.get("study", {})
    dialect = (study.get("objects") or study).get("dialect")
    if dialect is not None:
        return _OF_DIALECT.get(dialect) if isinstance(dialect, str) else None
    collection = _collection(provenance)
    return "cm" if all(_owner(field, collection) in _OF_CMS for field in lengths) else None


def _require_no_columns(path: str, provenance: Mapping[str, Any], fields: Iterable[str]) -> None:
    """Whether a bundle of NanoAOD columns, which then were in the unit of the file, is without lengths.

    Raises:
        ValueError: If not.
    """
    if provenance.get("dialect", {}).get("name") != "NanoAOD columns":
        return
    if lengths := [field for field in fields if is_cms_length(f"_{field.rpartition('.')[2].partition('[')[0]}")]:
        raise ValueError(
            f"{path}: its network was shown {', '.join(lengths)} in cm, and nanoaod_mapping gives lengths in mm now: "
            "train it again"
        )
