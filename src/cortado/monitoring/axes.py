"""Which axes of a map close on themselves, as its histogram says."""

from __future__ import annotations

from typing import Any

from cortado.reconstruction import Cyclic

__all__ = ["cyclic_axes"]


def cyclic_axes(histogram: Any) -> Cyclic:
    """Axes of a histogram of `hist` that were made with `circular=True`: "x" is its first, "y" its second.

    Files keep no such axes: ask the histogram before it is written.

    Args:
        histogram: Of one or two axes.

    Raises:
        ValueError: If it has more.

    Example:
        >>> import hist
        >>> eta, phi = hist.axis.Regular(8, -2, 2), hist.axis.Regular(12, -3.14, 3.14, circular=True)
        >>> cyclic_axes(hist.Hist(phi, eta)), cyclic_axes(hist.Hist(eta, phi))
        ('x', 'y')
    """
    axes = histogram.axes
    if len(axes) > 2:
        raise ValueError(f"a map has one or two axes, the histogram has {len(axes)}: project it first")
    circular = [bool(axis.traits.circular) for axis in axes]
    closed: dict[tuple[bool, ...], Cyclic] = {(True, True): "xy", (False, True): "y", (True, False): "x", (True,): "x"}
    return closed.get(tuple(circular), "")
