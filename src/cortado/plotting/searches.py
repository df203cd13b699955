"""Searches for a bump: mass spectrum with its background fit, local p-value against mass, limits on a strength."""

from __future__ import annotations

from collections.abc import Mapping

import hist
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

from cortado.plotting.bins import band, unit_of, vertical_range, yield_label
from cortado.plotting.style import COLOURS, GREY, entry, legend, style, subplots, write_label
from cortado.searches import BackgroundFit, BumpHunt, Limits, SignalFit, Strength

__all__ = ["local_p_values", "mass_spectrum", "strength_limits"]

Floats = NDArray[np.float64]
_FIT, _SIGNAL, _BUMP = COLOURS[0], COLOURS[2], COLOURS[1]


def mass_spectrum(
    fit: BackgroundFit,
    *,
    bump: BumpHunt | None = None,
    signal: SignalFit | None = None,
    xlabel: str = "Dijet mass [GeV]",
    counted: str = "Events",
    simulation: bool = True,
    right: str = "",
    experiment: str = "cortado",
    label: str | None = None,
) -> tuple[Figure, tuple[Axes, Axes]]:
    """Counts with the fitted background, and below them how far they are from it.

    Points have central Poisson intervals of 68 %. The band is the uncertainty of the fit; where bins took no part in
    it the line is dashed. Below are signed roots of each bin's share of the deviance, which for many events are
    (observed - expected) / sqrt(expected); the uncertainty of the fit is not in them.

    Args:
        fit: Of the background; `bump.background`, or one with a masked window.
        bump: Shades the most improbable window, with its significances.
        signal: Fitted signal to draw on top of its background.
        xlabel: Of the mass, with its unit.
        counted: What is counted.
        simulation: False where recorded data are shown.
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary"; None: "Simulation", unless data are shown.
    Returns:
        The figure, and the axes of the spectrum and of the pulls.
    Raises:
        ValueError: If the signal was fitted in other bins.
    """
    if signal is not None and not np.array_equal(signal.alone.edges, fit.edges):
        raise ValueError(f"the signal was fitted in {len(signal.signal)} other bins than the background")
    axis = hist.axis.Variable(fit.edges, label=xlabel)
    with style():
        figure, (ax, pull_ax) = subplots(2, 1, sharex=True, height_ratios=(3, 1), figsize=(7.5, 7.0))
        seen, name = fit.counts > 0, "Pseudo-data" if simulation else "Data"
        low, high = _poisson_interval(fit.counts)
        x, n = axis.centers[seen], fit.counts[seen]
        errors = np.stack([n - low[seen], high[seen] - n])
        ax.errorbar(x, n, errors, fmt="o", color="black", markersize=4, linewidth=1.2, label=entry(name), zorder=3)
        band(ax, axis.edges, fit.expected - fit.error, fit.expected + fit.error, color=_FIT, alpha=0.3)
        _steps(ax, fit)
        if signal is not None:
            title = f"Fit with signal, {signal.events.value:.0f} ± {signal.events.error:.0f} events"
            ax.stairs(
                signal.background + signal.signal, fit.edges, baseline=None, color=_SIGNAL, linewidth=1.8, label=title
            )
        _pulls(pull_ax, fit)
        if bump is not None:
            edges = bump.mass - bump.width / 2, bump.mass + bump.width / 2
            ax.axvspan(*edges, color=_BUMP, alpha=0.25, linewidth=0, zorder=0, label=_said_of(bump, xlabel))
            pull_ax.axvspan(*edges, color=_BUMP, alpha=0.25, linewidth=0, zorder=0)
        vertical_range(ax, np.maximum(np.concatenate([high[seen], fit.expected]), 0.02), log=True)
        ax.set(xlim=_shown(fit), xlabel="", ylabel=yield_label(counted, axis))
        ax.set_ylim(bottom=0.1)
        pull_ax.set(xlabel=xlabel)
        pull_ax.set_ylabel("Pull", loc="center")
        figure.align_ylabels([ax, pull_ax])
        write_label(ax, right=right, simulation=simulation, experiment=experiment, label=label)
        legend(ax, first=entry(name))
    return figure, (ax, pull_ax)


def local_p_values(
    bump: BumpHunt,
    *,
    xlabel: str = "Dijet mass [GeV]",
    simulation: bool = True,
    right: str = "",
    experiment: str = "cortado",
    label: str | None = None,
) -> tuple[Figure, Axes]:
    """Local p-value against the centre of the window, the smallest of all widths, with lines of whole significances.

    Args:
        bump: The hunt.
        xlabel: Of the mass, with its unit.
        simulation: False where recorded data are shown.
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary"; None: "Simulation", unless data are shown.
    """
    table = bump.windows
    centres = (table.low + table.high) / 2
    masses = np.unique(centres)
    smallest = np.array([table.p_value[centres == mass].min() for mass in masses])
    floor = max(float(smallest.min()), 1e-60)
    with style():
        figure, ax = subplots(figsize=(7.5, 5.5))
        ax.plot(masses, np.maximum(smallest, floor), color=_FIT, label="Smallest local p-value")
        ax.plot([bump.mass], [max(bump.local_p, floor)], "o", color=_SIGNAL, label=_said_of(bump, xlabel))
        ax.set(yscale="log", xlim=(masses[0], masses[-1]), ylim=(floor / 30, 3.0))
        ax.set(xlabel=xlabel, ylabel="Local p-value")
        for sigma in range(1, max(int(stats.norm.isf(floor)), 2) + 1):
            ax.axhline(stats.norm.sf(sigma), color=GREY, linestyle=":", linewidth=1.2)
            ax.annotate(
                rf"${sigma}\,\sigma$", (1, stats.norm.sf(sigma)), (4, 0), xycoords=ax.get_yaxis_transform(),
                textcoords="offset points", va="center", fontsize=13, color=GREY, annotation_clip=False,
            )  # fmt: skip
        write_label(ax, right=right, simulation=simulation, experiment=experiment, label=label)
        legend(ax)
        ax.set_yticks([tick for tick in ax.get_yticks() if tick <= 1])  # above it is room for the legend
        ax.set_ylim(bottom=floor / 30)
    return figure, ax


def strength_limits(
    results: Mapping[str, tuple[Limits, Strength]],
    *,
    true: float | None = None,
    xlabel: str = "Signal strength",
    simulation: bool = True,
    right: str = "",
    experiment: str = "cortado",
    label: str | None = None,
) -> tuple[Figure, Axes]:
    """Upper limits on a signal strength with what is expected without signal, and the fitted strength; a row each.

    Args:
        results: Limits and fitted strength by title.
        true: A known strength, for a line.
        xlabel: What a strength of 1 means.
        simulation: False where recorded data are shown.
        right: Text above the frame.
        experiment: In bold above the frame.
        label: Beside it, such as "Preliminary"; None: "Simulation", unless data are shown.
    Raises:
        ValueError: If there is nothing to draw, or levels differ.
    """
    levels = {each.level for each, _ in results.values()}
    if len(levels) != 1:
        raise ValueError(f"limits are of levels {sorted(levels)}; needed is one level, of one search or more")
    level = f"{100 * levels.pop():g} % CL"
    with style():
        figure, ax = subplots(figsize=(8.5, 2.6 + 0.8 * len(results)))
        for row, (limits, strength) in enumerate(results.values()):
            two_low, low, median, high, two_high = limits.expected
            span, named = (row - 0.32, 0.64), row == 0
            two, one = [(two_low, two_high - two_low)], [(low, high - low)]
            ax.broken_barh(two, span, color=COLOURS[1], alpha=0.5, label=r"Expected $\pm 2\sigma$" if named else None)
            ax.broken_barh(one, span, color=COLOURS[0], alpha=0.5, label=r"Expected $\pm 1\sigma$" if named else None)
            lines = (
                (median, GREY, "--", f"Expected limit, {level}"),
                (limits.observed, "black", "-", f"Observed limit, {level}"),
            )
            for x, colour, dashes, title in lines:
                ax.plot([x, x], [row - 0.32, row + 0.32], dashes, color=colour, label=title if named else None)
            errors = [[strength.value - strength.low], [strength.high - strength.value]]
            ax.errorbar([strength.value], [row], xerr=errors, fmt="o", color=_SIGNAL, label="Fit" if named else None)
        if true is not None:
            ax.axvline(true, color=_SIGNAL, linestyle=":", label="Injected")
        ax.set_yticks(range(len(results)), list(results))
        ax.minorticks_on()
        ax.tick_params(axis="y", which="minor", left=False, right=False)
        ax.set(xlim=(0, None), ylim=(len(results) - 0.5, -0.5), xlabel=xlabel)
        write_label(ax, right=right, simulation=simulation, experiment=experiment, label=label)
        ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=13)
    return figure, ax


def _steps(ax: Axes, fit: BackgroundFit) -> None:
    """The fit as a line, dashed where its bins took no part."""
    for chosen, dashes, title in ((fit.fitted, "-", _named(fit)), (~fit.fitted, "--", "Not fitted")):
        if chosen.any():
            values = np.where(chosen, fit.expected, np.nan)
            ax.stairs(values, fit.edges, baseline=None, color=_FIT, linewidth=1.8, linestyle=dashes, label=title)


def _pulls(ax: Axes, fit: BackgroundFit) -> None:
    expected = np.maximum(fit.expected, 1e-12)
    share = 2 * (expected - fit.counts + xlogy(fit.counts, fit.counts / expected))
    pulls = np.sign(fit.counts - expected) * np.sqrt(np.maximum(share, 0.0))
    ax.stairs(pulls, fit.edges, fill=True, color=GREY, alpha=0.6)
    ax.axhline(0.0, color="black", linewidth=0.8)
    reach = max(3.5, 1.15 * float(np.abs(pulls).max()))
    ax.set_ylim(-reach, reach)
    for line in (-2, 2):
        ax.axhline(line, color=GREY, linestyle=":", linewidth=1.0)


def _named(fit: BackgroundFit) -> str:
    return f"Background fit, $p$ = {fit.p_value:.2g}"


def _said_of(bump: BumpHunt, xlabel: str) -> str:
    """Significances of a hunt; at most, where no toy was as improbable."""
    relation = r"\leq" if np.all(bump.toys < bump.local_significance) else "="
    where = f"{bump.mass:.4g} {unit_of(xlabel)}".rstrip()
    local = rf"local {bump.local_significance:.1f}$\,\sigma$"
    return rf"{where}, {local}, global $p {relation} {bump.global_p.value:.1g}$"


def _poisson_interval(counts: Floats) -> tuple[Floats, Floats]:
    """Central interval of 68.3 % (Garwood 1936, doi:10.1093/biomet/28.3-4.437)."""
    tail = stats.norm.sf(1.0)
    low = np.where(counts > 0, stats.gamma.ppf(tail, np.maximum(counts, 1e-12)), 0.0)
    return low, np.asarray(stats.gamma.isf(tail, counts + 1))


def _shown(fit: BackgroundFit) -> tuple[float, float]:
    """Range of mass with events, and a few bins above."""
    last = int(np.flatnonzero(fit.counts > 0)[-1]) + 1
    return float(fit.edges[0]), float(fit.edges[min(last + max(len(fit.counts) // 20, 1), len(fit.counts))])
