"""Names of axes and categories that a histogram must have."""

from __future__ import annotations

from collections.abc import Iterable

import hist

from cortado.names import nearest

__all__ = ["require_names"]


def require_names(histogram: hist.Hist, axis: str, names: Iterable[str] = ()) -> None:
    """Refuse a histogram that lacks an axis, or one of these categories on it.

    Raises:
        KeyError: If there is no such axis or category; the message says which are nearest.
    """
    if axis not in histogram.axes.name:
        raise KeyError(f"the histogram has no axis {axis!r}; {nearest(axis, histogram.axes.name)}")
    known = list(histogram.axes[axis]) if names else []
    for name in names:
        if name not in known:
            raise KeyError(f"no {axis} {name!r}; {nearest(name, known)}")
