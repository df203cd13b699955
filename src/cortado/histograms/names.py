"""The names that a reader of an error message may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["nearest"]


def nearest(name: str, known: Iterable[str]) -> str:
    """End of a message: the known names that are nearest to one, or all of them."""
    known = list(known)
    return f"; nearest: {get_close_matches(name, known) or known}"
