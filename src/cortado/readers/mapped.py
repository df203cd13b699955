"""What may be mapped: a source of a field is a branch, and a momentum has each component once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CARTESIAN", "MOMENTUM", "Source", "require_one_momentum", "require_source"]

Source = str | tuple[str, float]
"""A branch, or a branch and the factor that gives it the unit of the record."""

CARTESIAN = ("px", "py", "pz", "energy")
MOMENTUM = ("pt", "eta", "phi", "mass")
_COORDINATES = ("x", "px", "y", "py", "rho", "z", "pz", "theta", "t", "E", "e", "energy", "tau", "M", "m")
"""What vector takes for components of a momentum, beside those of `MOMENTUM`."""


def require_source(owner: str, field: str, source: Any) -> None:
    """Refuse what is no source of a field.

    Raises:
        ValueError: If it is neither a branch nor a branch with a factor.
    """
    is_pair = isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[0], str)
    if not (isinstance(source, str) or (is_pair and isinstance(source[1], int | float))):
        raise ValueError(f"Mapping: {owner}.{field} = {source!r}, required: a branch, or (branch, factor)")


def require_one_momentum(owner: str, sources: Mapping[str, Source]) -> None:
    """Refuse fields that vector would take for second components of a momentum.

    Raises:
        ValueError: If there is one; names it.
    """
    cartesian, given = set(CARTESIAN) <= set(sources), "energy" if "mass" not in sources else "mass"
    if not cartesian and not {"pt", "eta", "phi", given} <= set(sources):
        return  # a plain record, whose fields may have any names
    used = {*CARTESIAN} if cartesian else {given}
    if second := [name for name in _COORDINATES if name in sources and name not in used]:
        of = ", ".join(CARTESIAN if cartesian else ("pt", "eta", "phi", given))
        raise ValueError(
            f"Mapping: {owner}.{second[0]} would be a second component of the momentum, which {of} give already; "
            f"required: another name, such as {second[0]}_"
        )
