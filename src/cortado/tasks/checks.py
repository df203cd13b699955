"""Checks of what a user has written into a task."""

import difflib
from collections.abc import Iterable


def require(holds: bool, owner: object, field: str, required: str) -> None:
    """Refuse a field of a dataclass.

    Raises:
        ValueError: If it does not hold; names the value and what is required.
    """
    if not holds:
        raise ValueError(f"{type(owner).__name__}: {field} = {getattr(owner, field)!r}, required: {required}")


def close_to(value: str, names: Iterable[str]) -> str:
    """The names that are allowed, and which of them comes nearest to a value that is not."""
    names = tuple(names)
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.3)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return " or ".join(repr(name) for name in names) + hint
