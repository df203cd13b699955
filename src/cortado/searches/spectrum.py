"""Counts in bins of mass: what every search takes, checked once."""

from __future__ import annotations

from typing import NamedTuple

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.statistics import require_finite

__all__ = ["Spectrum", "spectrum", "trimmed"]

Floats = NDArray[np.float64]


class Spectrum(NamedTuple):
    """Events counted in bins of mass: counts (bins,) and edges (bins + 1,) [GeV]."""

    counts: Floats
    edges: Floats


def spectrum(counts: hist.Hist | ArrayLike, edges: ArrayLike | None = None) -> Spectrum:
    """Counts and edges of a histogram, or of arrays.

    Counts need not be whole, so that an expectation can be fitted, but must have the variance of counts. What lies in
    the flow bins of a histogram is outside of the search.

    Args:
        counts: Histogram of one axis; or events in each bin, shape (bins,).
        edges: Of the bins [GeV], shape (bins + 1,); with arrays only.
    Raises:
        ValueError: If the histogram has more axes or weights other than 1, arrays do not fit together, edges do not
            rise, a count is negative or not finite, or all bins are empty.
    """
    if isinstance(counts, hist.Hist):
        return _checked(*_of_histogram(counts, edges))
    if edges is None:
        raise ValueError("counts without the edges of their bins: give both, or a hist.Hist")
    return _checked(np.asarray(counts, np.float64), np.asarray(edges, np.float64))


def trimmed(whole: Spectrum) -> Spectrum:
    """The spectrum from its first bin with events on: empty bins above the last one say that nothing is there."""
    first = int(np.flatnonzero(whole.counts > 0)[0])
    return Spectrum(whole.counts[first:], whole.edges[first:])


def _of_histogram(histogram: hist.Hist, edges: ArrayLike | None) -> tuple[Floats, Floats]:
    if edges is not None:
        raise ValueError("a histogram has edges of its own: give no others")
    if histogram.ndim != 1:
        raise ValueError(
            f"the histogram has the axes {list(histogram.axes.name)}, needed is that of the mass alone: select or sum "
            'first, as in histogram[{"dataset": "data", "score_bin": "1%", "variation": "nominal"}]'
        )
    counts, variances = histogram.values(), histogram.variances()
    if variances is not None and not np.allclose(counts, variances, rtol=1e-6, atol=1e-9):
        worst = int(np.argmax(np.abs(counts - variances)))
        raise ValueError(
            f"the histogram is weighted: bin {worst} holds {counts[worst]:g} with variance {variances[worst]:g}; a "
            "Poisson likelihood needs counts: unweighted events, or arrays of an expectation"
        )
    return np.asarray(counts, np.float64), np.asarray(histogram.axes[0].edges, np.float64)


def _checked(counts: Floats, edges: Floats) -> Spectrum:
    if counts.ndim != 1 or edges.shape != (len(counts) + 1,):
        raise ValueError(f"counts have shape {counts.shape}, edges {edges.shape}; needed are (bins,) and (bins + 1,)")
    require_finite("edges", edges)
    require_finite("counts", counts)
    if not np.all(np.diff(edges) > 0):
        raise ValueError(f"edges must rise, but {edges[:-1][np.diff(edges) <= 0][0]:g} is followed by no larger one")
    if negative := np.flatnonzero(counts < 0).tolist():
        raise ValueError(f"{len(negative)} of {len(counts)} counts are negative, the first is {counts[negative[0]]:g}")
    if not counts.any():
        raise ValueError(f"all {len(counts)} bins from {edges[0]:g} to {edges[-1]:g} are empty: nothing to fit")
    return Spectrum(counts, edges)
