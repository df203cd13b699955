"""Names of axes and categories: are they there, and if not, which may have been meant."""

from collections.abc import Iterable
from difflib import get_close_matches

import hist

__all__ = ["nearest", "require_names"]


def nearest(name: str, known: Iterable[str]) -> str:
    """End of a message: the known names that are nearest to one, or all of them."""
    known = list(known)
    return f"; nearest: {get_close_matches(name, known) or known}"


def require_names(histogram: hist.Hist, axis: str, names: Iterable[str] = ()) -> None:
    """Refuse a histogram that lacks an axis, or one of these categories on it.

    Raises:
        KeyError: If there is no such axis or category; the message says which are nearest.
    """
    if axis not in histogram.axes.name:
        raise KeyError(f"the histogram has no axis {axis!r}{nearest(axis, histogram.axes.name)}")
    known = list(histogram.axes[axis]) if names else []
    for name in names:
        if name not in known:
            raise KeyError(f"no {axis} {name!r}{nearest(name, known)}")
