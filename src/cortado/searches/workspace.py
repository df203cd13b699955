"""Templates of a search as a workspace that pyhf fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.histograms import NOMINAL, is_varied, systematic_of
from cortado.searches.background import BackgroundFit, fit_background
from cortado.searches.dijet_function import DijetFunction
from cortado.statistics import require_finite

__all__ = ["Channel", "channels", "workspace"]

Floats = NDArray[np.float64]
_LEAST = 1e-6  # events expected in a bin: pyhf's likelihood needs more than none


class Channel(NamedTuple):
    """One region of a search, such as a bin of the score: the bins of mass in its window.

    Attributes:
        name: Of the region.
        observed: Events, shape (bins,).
        background: Expected background, shape (bins,).
        background_shifts: The same with each independent combination of the fit's parameters one standard deviation
            up, and down, shape (parameters, 2, bins).
        signal: Expected signal for a strength of 1, shape (bins,).
        signal_error: Its statistical error, shape (bins,).
        signal_shifts: By systematic uncertainty the signal varied up and down, shape (2, bins) each.
    """

    name: str
    observed: Floats
    background: Floats
    background_shifts: Floats
    signal: Floats
    signal_error: Floats
    signal_shifts: Mapping[str, Floats]


def channels(
    histogram: hist.Hist,
    *,
    data: str,
    signal: str,
    function: DijetFunction,
    window: tuple[float, float],
    mass: str = "mjj",
    regions: Iterable[str] | None = None,
    sidebands: int = 3,
) -> tuple[Channel, ...]:
    """Channels of a histogram that `SearchProcessor` filled.

    The background of each region is fitted to its sidebands, without the window; a channel holds the bins of the
    window alone, so that no event counts twice. Signal in the sidebands is neglected, as in the bump hunt.

    Args:
        histogram: With the axes dataset, variation, score_bin and that of the mass.
        data: Data set to be searched.
        signal: Data set of the signal, weighted so that it is what a strength of 1 means.
        function: Of the background.
        window: Masses [GeV] that are searched; every bin that reaches into it.
        mass: Axis of the mass.
        regions: Categories of score_bin; all if not given.
        sidebands: Bins that must be left on each side of the window.
    Raises:
        KeyError: If the histogram lacks an axis or category.
        ValueError: As `fit_background`.
    """
    for axis in ("dataset", "variation", "score_bin", mass):
        if axis not in histogram.axes.name:
            raise KeyError(f"the histogram has no axis {axis!r}; it has {list(histogram.axes.name)}")
    chosen = tuple(histogram.axes["score_bin"] if regions is None else regions)
    for axis, names in (("dataset", (data, signal)), ("score_bin", chosen), ("variation", ("nominal",))):
        if missing := [name for name in names if name not in list(histogram.axes[axis])]:
            raise KeyError(f"no {axis} {missing[0]!r} in the histogram; it has {list(histogram.axes[axis])}")
    return tuple(_channel(histogram, name, data, signal, function, window, sidebands) for name in chosen)


def _channel(
    histogram: hist.Hist,
    name: str,
    data: str,
    signal: str,
    function: DijetFunction,
    window: tuple[float, float],
    sidebands: int,
) -> Channel:
    region = histogram[{"score_bin": name}]
    fit = fit_background(
        region[{"dataset": data, "variation": "nominal"}], function=function, window=window, sidebands=sidebands
    )
    inside = ~fit.fitted
    edges = region.axes[-1].edges
    first = int(np.searchsorted(edges, fit.edges[0]))
    bins = np.flatnonzero(inside) + first
    of_signal = region[{"dataset": signal}]
    varied = {each: of_signal[{"variation": each}] for each in region.axes["variation"]}
    known = dict.fromkeys(systematic_of(each) for each in varied if each != NOMINAL)
    # A variation of other data sets only is empty here.
    stems = [stem for stem in known if is_varied(of_signal, stem)]
    if unpaired := [stem for stem in stems if not {stem + "Up", stem + "Down"} <= set(varied)]:
        raise ValueError(f"variations {unpaired} of {signal!r} are not pairs of Up and Down")
    shifts = {stem: np.stack([varied[stem + side].values()[bins] for side in ("Up", "Down")]) for stem in stems}
    nominal = varied[NOMINAL]
    return Channel(
        name=name,
        observed=fit.counts[inside],
        background=fit.expected[inside],
        background_shifts=background_shifts(fit)[..., inside],
        signal=nominal.values()[bins],
        signal_error=np.sqrt(nominal.variances()[bins]),
        signal_shifts=shifts,
    )


def background_shifts(fit: BackgroundFit) -> Floats:
    """Expected counts with each eigenvector of the covariance of the parameters up and down, (parameters, 2, bins)."""
    variances, directions = np.linalg.eigh(fit.covariance)
    steps = directions.T * np.sqrt(np.maximum(variances, 0.0))[:, np.newaxis]
    return np.stack(
        [np.stack([fit.function.expected(fit.edges, fit.values + sign * step) for sign in (1, -1)]) for step in steps]
    )


def workspace(
    regions: Iterable[Channel], *, normalisation: Mapping[str, float] | None = None, poi: str = "mu"
) -> dict[str, Any]:
    """Specification of a pyhf workspace, to be stored as JSON.

    Each channel has the samples "signal", scaled by the strength, and "background". The uncertainty of each fit is
    one correlated shape for every independent combination of its parameters (histosys), so that all bins of a region
    move together; regions have their own. The signal has its statistical errors (staterror), a shape for each of its
    variations, shared by the regions, and normalisation uncertainties (normsys).

    Args:
        regions: See `channels`.
        normalisation: Relative uncertainties of the signal by name, such as {"lumi": 0.016}.
        poi: Name of the strength.
    Raises:
        ValueError: If there is no region, two have one name, numbers of a region are not finite or not of one
            length, no signal is expected, or a normalisation uncertainty is not in (0, 1).
    References:
        Heinrich, Feickert, Stark, pyhf (2021), doi:10.21105/joss.02823; its schema 1.0.0, HistFactory of
        CERN-OPEN-2012-016.
    """
    given = tuple(regions)
    names = [region.name for region in given]
    if not given or len(set(names)) < len(names):
        raise ValueError(f"regions are {names}; needed is one or more, each of its own name")
    for name, size in (normalisation or {}).items():
        require_relative(name, size)
    for region in given:
        _check(region)
    seen = sum(float(region.observed.sum() + region.background.sum()) for region in given)
    largest = largest_strength(names, sum(float(region.signal.sum()) for region in given), seen)
    return {
        "channels": [_channel_spec(region, normalisation or {}, poi) for region in given],
        "observations": [{"name": region.name, "data": region.observed.tolist()} for region in given],
        "measurements": [
            {
                "name": "search",
                "config": {
                    "poi": poi,
                    "parameters": [{"name": poi, "bounds": [[0.0, largest]], "inits": [1.0]}],
                },
            }
        ],
        "version": "1.0.0",
    }


def largest_strength(regions: list[str], signal: float, seen: float) -> float:
    """A strength at which the signal is far above all that was observed, and above its fluctuations.

    Args:
        regions: Names, for messages.
        signal: Events expected for a strength of 1.
        seen: Events observed and expected.
    Raises:
        ValueError: If there is no signal.
    """
    if not signal > 0:
        raise ValueError(f"the signal of {regions} has {signal:g} events in its bins")
    return 5 * (seen + 10) / signal


def require_relative(name: str, size: float) -> None:
    """Refuse an uncertainty of a normalisation that is not a relative one.

    Raises:
        ValueError: If it is not in (0, 1).
    """
    if not 0 < size < 1:
        raise ValueError(f"normalisation uncertainty {name!r} is {size}; needed is a relative one in (0, 1)")


def _check(region: Channel) -> None:
    columns = {"background": region.background, "signal": region.signal, "signal_error": region.signal_error}
    for name, values in columns.items():
        if values.shape != region.observed.shape:
            raise ValueError(f"{name} of {region.name!r} has shape {values.shape}, observed {region.observed.shape}")
        require_finite(f"{name} of {region.name!r}", values)


def _channel_spec(region: Channel, normalisation: Mapping[str, float], poi: str) -> dict[str, Any]:
    signal: list[dict[str, Any]] = [{"name": poi, "type": "normfactor", "data": None}]
    signal += [
        {"name": name, "type": "normsys", "data": {"hi": 1 + size, "lo": 1 - size}}
        for name, size in normalisation.items()
    ]
    signal += [histosys(name, up, down) for name, (up, down) in region.signal_shifts.items()]
    if region.signal_error.any():
        signal.append({"name": f"staterror_{region.name}", "type": "staterror", "data": region.signal_error.tolist()})
    background = [
        histosys(f"fit_{region.name}_{number}", up, down) for number, (up, down) in enumerate(region.background_shifts)
    ]
    return {
        "name": region.name,
        "samples": [
            {"name": "signal", "data": region.signal.tolist(), "modifiers": signal},
            {"name": "background", "data": np.maximum(region.background, _LEAST).tolist(), "modifiers": background},
        ],
    }


def histosys(name: str, up: ArrayLike, down: ArrayLike) -> dict[str, Any]:
    """Shape of one parameter: expected events at one standard deviation up and down."""
    data = {"hi_data": np.asarray(up).tolist(), "lo_data": np.asarray(down).tolist()}
    return {"name": name, "type": "histosys", "data": data}
