"""Histograms with the axes dataset and variation as a workspace that pyhf fits and cabinetry opens."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import hist
import numpy as np
from numpy.typing import NDArray

from cortado.histograms import NOMINAL, is_varied, project, systematic_of
from cortado.names import require_one_of
from cortado.searches.workspace import histosys, largest_strength, require_relative

__all__ = ["template_workspace"]

Floats = NDArray[np.float64]
Flow = Literal["raise", "add", "drop"]
_SAME = 1e-9  # a shape that differs by less is that of the nominal template but for rounding


class _Template(NamedTuple):
    """One sample in one region: events, their statistical error, and the same up and down by systematic (2, bins)."""

    nominal: Floats
    error: Floats
    shifts: Mapping[str, Floats]


def template_workspace(
    regions: Mapping[str, hist.Hist],
    *,
    signal: str | Sequence[str],
    data: str | None = None,
    samples: Mapping[str, Sequence[str]] | None = None,
    luminosity: float | None = None,
    normalisation: Mapping[str, Mapping[str, float]] | None = None,
    free: str | Sequence[str] = (),
    flow: Flow = "raise",
    poi: str = "mu",
) -> dict[str, Any]:
    """Specification of a pyhf workspace, to be stored as JSON, of histograms at the luminosity of the data.

    Each variation of a sample (tagUp and tagDown, of weights or of objects) becomes a normalisation (normsys) and,
    where the shape changes, a shape (histosys) of one parameter, common to all samples and regions: at one standard
    deviation the sample is its varied template exactly. Statistical errors of all samples of a bin together are one
    parameter (staterror). Nothing is pruned, smoothed or mirrored: cabinetry does that.

    Args:
        regions: Name -> histogram with the axes dataset, variation and one more, scaled to the luminosity: see
            `histograms.scale_to_luminosity`. Select regions, taggers and truth before, or sum over them.
        signal: Sample, or samples, whose yield is the strength times that of the histogram.
        data: Data set of recorded events; what is expected in all at a strength of 1 if not given (Asimov data).
        samples: Sample -> its data sets, which are added; each data set but the data on its own if not given. A data
            set that was not filled under a variation enters with its nominal weights.
        luminosity: Relative uncertainty of the luminosity, of all samples but the free ones.
        normalisation: Further uncertainties: name -> sample -> relative size, {"ttbar_xsec": {"ttbar": 0.06}}.
        free: Samples whose normalisation (norm_NAME) the data determine.
        flow: Events beyond the ends of the axis are refused, added to the outermost bins, or dropped.
        poi: Name of the strength.
    Raises:
        KeyError: If a histogram lacks an axis or data set.
        ValueError: If there is no region or sample, a name is unknown or used twice, an uncertainty not in (0, 1), a
            variation has no partner, a number is not finite, no signal is expected, or nothing is expected in a bin.
    References:
        Cranmer et al., HistFactory (2012), CERN-OPEN-2012-016. Heinrich, Feickert, Stark, pyhf (2021),
        doi:10.21105/joss.02823. Held, Cowan, cabinetry, doi:10.5281/zenodo.4742752.
    """
    require_one_of("flow", flow, ("raise", "add", "drop"))
    if not regions:
        raise ValueError("there are no regions: needed is one histogram or more, by name")
    parts = _samples(regions, data, samples)
    signals, floating = ((each,) if isinstance(each, str) else tuple(each) for each in (signal, free))
    for what, names in (("signal", signals), ("free", floating)):
        for name in names:
            require_one_of(what, name, parts)
    _check_sizes(luminosity, normalisation or {}, parts)
    templates = {
        region: {name: _template(region, histogram, name, of, flow) for name, of in parts.items()}
        for region, histogram in regions.items()
    }
    _require_own_names(normalisation or {}, templates)
    observed = {}
    for region, histogram in regions.items():
        observed[region] = _observed(region, histogram, templates[region], signals, data, flow)
    factors = {name: _factors(name, poi, signals, floating, luminosity, normalisation or {}) for name in parts}
    signal_events = sum(float(templates[region][name].nominal.sum()) for region in regions for name in signals)
    largest = largest_strength(list(regions), signal_events, sum(float(each.sum()) for each in observed.values()))
    channels = [
        {"name": region, "samples": [_sample(region, name, each, factors[name]) for name, each in of_region.items()]}
        for region, of_region in templates.items()
    ]
    config = {"poi": poi, "parameters": _parameters(poi, largest, luminosity)}
    return {
        "channels": channels,
        "observations": [{"name": region, "data": each.tolist()} for region, each in observed.items()],
        "measurements": [{"name": "templates", "config": config}],
        "version": "1.0.0",
    }


def _samples(
    regions: Mapping[str, hist.Hist], data: str | None, given: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    for region, histogram in regions.items():
        if missing := [name for name in ("dataset", "variation") if name not in histogram.axes.name]:
            axes = list(histogram.axes.name)
            raise KeyError(f"the histogram of {region!r} has no axis {missing[0]!r}; it has {axes}")
    there = dict.fromkeys(name for histogram in regions.values() for name in histogram.axes["dataset"])
    if data is not None:
        require_one_of("data", data, there)
    if given is None:
        parts: dict[str, tuple[str, ...]] = {name: (name,) for name in there if name != data}
    else:
        parts = {name: (of,) if isinstance(of, str) else tuple(of) for name, of in given.items()}
    if not parts or not all(parts.values()):
        raise ValueError(f"samples are {parts}; needed is one or more, each of one data set or more")
    used = [name for of in parts.values() for name in of]
    if twice := [name for name in used if used.count(name) > 1 or name == data]:
        raise ValueError(f"data set {twice[0]!r} would be counted twice: samples are {parts}, the data {data!r}")
    return parts


def _check_sizes(
    luminosity: float | None, normalisation: Mapping[str, Mapping[str, float]], parts: Mapping[str, Any]
) -> None:
    if luminosity is not None:
        require_relative("lumi", luminosity)
    for name, of in normalisation.items():
        for sample, size in of.items():
            require_one_of(f"sample of the normalisation {name!r}", sample, parts)
            require_relative(name, size)


def _require_own_names(
    normalisation: Mapping[str, Mapping[str, float]], templates: Mapping[str, Mapping[str, _Template]]
) -> None:
    varied = {stem for of_region in templates.values() for each in of_region.values() for stem in each.shifts}
    if both := sorted(varied & set(normalisation)):
        raise ValueError(f"normalisation {both[0]!r} is also a variation of the histograms, required: another name")


def _template(region: str, histogram: hist.Hist, name: str, of: tuple[str, ...], flow: Flow) -> _Template:
    nominal, variance = _summed(region, histogram, of, NOMINAL, flow)
    known = [each for each in histogram.axes["variation"] if each != NOMINAL]
    stems = dict.fromkeys(systematic_of(each) for each in known)
    varied = [stem for stem in stems if any(is_varied(histogram[{"dataset": part}], stem) for part in of)]
    if alone := [stem for stem in varied if not {stem + "Up", stem + "Down"} <= set(known)]:
        raise ValueError(f"{region}: variation {alone[0]!r} of {name!r} has one side, required: a pair of Up and Down")
    shifts = {
        stem: np.stack([_summed(region, histogram, of, stem + side, flow)[0] for side in ("Up", "Down")])
        for stem in varied
    }
    return _Template(nominal, np.sqrt(variance), shifts)


def _summed(
    region: str, histogram: hist.Hist, of: tuple[str, ...], variation: str, flow: Flow
) -> tuple[Floats, Floats]:
    """Events and variances of the bins of a sum of data sets."""
    total = project(histogram, of, variation=variation)
    view, traits = total.view(flow=True), total.axes[0].traits
    first, last = int(traits.underflow), len(view) - int(traits.overflow)
    numbers = np.stack([view["value"], view["variance"]])
    if not np.isfinite(numbers).all():
        raise ValueError(f"{region}: events of {', '.join(of)} under {variation!r} are not finite")
    beyond = np.stack([numbers[:, :first].sum(axis=1), numbers[:, last:].sum(axis=1)])
    if flow == "raise" and beyond.any():
        raise ValueError(
            f"{region}: {', '.join(of)} has {beyond[0, 0]:g} events below and {beyond[1, 0]:g} above the axis "
            f'{total.axes[0].name!r}: flow="add" puts them into the outermost bins, flow="drop" leaves them out'
        )
    bins = numbers[:, first:last].copy()
    if flow == "add":
        bins[:, 0] += beyond[0]
        bins[:, -1] += beyond[1]
    return bins[0], bins[1]


def _observed(
    region: str,
    histogram: hist.Hist,
    templates: Mapping[str, _Template],
    signals: Sequence[str],
    data: str | None,
    flow: Flow,
) -> Floats:
    """Events of the data, or of all samples together, where something is expected in all bins."""
    (axis,) = (each for each in histogram.axes if each.name not in ("dataset", "variation"))

    def expected(names: Iterable[str]) -> tuple[Floats, str]:
        total = np.sum([np.zeros(axis.size), *(templates[name].nominal for name in names)], axis=0)
        empty = ~(total > 0)
        first = int(np.argmax(empty))
        told = (
            f"{region}: {empty.sum()} of {empty.size} bins, first {axis.edges[first]:g} to {axis.edges[first + 1]:g},"
        )
        return total, told if empty.any() else ""

    total, empty = expected(templates)
    observed = total if data is None else _summed(region, histogram, (data,), NOMINAL, flow)[0]
    if empty:
        raise ValueError(
            f"{empty} have no event expected ({observed[~(total > 0)].sum():g} observed), required: some; merge bins"
        )
    if empty := expected(name for name in templates if name not in signals)[1]:
        warnings.warn(f"{empty} have signal alone: a strength of 0 has no likelihood there; merge bins", stacklevel=3)
    return observed


def _factors(
    name: str,
    poi: str,
    signals: Sequence[str],
    free: Sequence[str],
    luminosity: float | None,
    normalisation: Mapping[str, Mapping[str, float]],
) -> list[dict[str, Any]]:
    """Modifiers of a sample that are the same in all regions."""
    made = [_factor(poi)] if name in signals else []
    if name in free:
        made.append(_factor(f"norm_{name}"))
    elif luminosity is not None:
        made.append({"name": "lumi", "type": "lumi", "data": None})
    sizes = {other: of[name] for other, of in normalisation.items() if name in of}
    return made + [_normsys(other, 1 + size, 1 - size) for other, size in sizes.items()]


def _sample(region: str, name: str, template: _Template, factors: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "data": template.nominal.tolist(), "modifiers": [*factors, *_modifiers(region, template)]}


def _modifiers(region: str, template: _Template) -> list[dict[str, Any]]:
    """Normalisation and shape of each systematic, and statistical errors."""
    made = []
    total = template.nominal.sum()
    for name, shifted in template.shifts.items():
        totals = shifted.sum(axis=1)
        if total > 0 and (totals > 0).all():
            made.append(_normsys(name, *(totals / total).tolist()))
            shifted = shifted * (total / totals)[:, np.newaxis]
        if not np.allclose(shifted, template.nominal, rtol=_SAME, atol=_SAME * abs(total)):
            made.append(histosys(name, *shifted))
    if template.error.any():
        made.append({"name": f"staterror_{region}", "type": "staterror", "data": template.error.tolist()})
    return made


def _parameters(poi: str, largest: float, luminosity: float | None) -> list[dict[str, Any]]:
    strength = {"name": poi, "bounds": [[0.0, largest]], "inits": [1.0]}
    if luminosity is None:
        return [strength]
    bounds = [[max(0.0, 1 - 5 * luminosity), 1 + 5 * luminosity]]
    return [strength, {"name": "lumi", "auxdata": [1.0], "sigmas": [luminosity], "bounds": bounds, "inits": [1.0]}]


def _factor(name: str) -> dict[str, Any]:
    return {"name": name, "type": "normfactor", "data": None}


def _normsys(name: str, high: float, low: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": high, "lo": low}}
