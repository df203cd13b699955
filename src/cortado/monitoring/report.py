"""What was found in maps, for people and for programs: a self-contained HTML page, and JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from cortado import plotting
from cortado.bundle import Bundle
from cortado.monitoring.calibration import alarm_of
from cortado.monitoring.episodes import Episode, episodes
from cortado.monitoring.examination import STATUS, Examined, examine, pictures
from cortado.weights import AlarmThreshold, FalseAlarms, false_alarms

__all__ = ["Report", "report", "report_maps", "worst_maps", "write_report"]

MOST_ROWS = 200
"""Rows of the tables of the page; JSON has all."""


class Report(NamedTuple):
    """What was found.

    Attributes:
        alarm: Threshold that was used.
        counts: Maps of each status.
        expected: False alarms to expect among the maps that were judged.
        faults: Worst first.
        examined: All maps.
    """

    alarm: AlarmThreshold
    counts: dict[str, int]
    expected: FalseAlarms
    faults: list[Episode]
    examined: Examined


def report(bundle: Bundle, examined: Examined, alarm: AlarmThreshold | None = None) -> Report:
    """What was found in maps.

    Args:
        bundle: That examined them.
        examined: From `examine`, or several of them from `joined`.
        alarm: Threshold; the first of the bundle if not given.
    """
    alarm = alarm or alarm_of(bundle)
    counts = dict(zip(STATUS, np.bincount(examined.status, minlength=len(STATUS)).tolist()))
    judged = counts["good"] + counts["fault"]
    return Report(alarm, counts, false_alarms(alarm, judged), episodes(examined), examined)


def worst_maps(report: Report, most: int = 6) -> list[int]:
    """Indices of the maps of the worst faults, each map once."""
    return list(dict.fromkeys(fault.worst for fault in report.faults))[:most]


def report_maps(
    bundle: Bundle, maps: ak.Array, folder: str | Path, *, rate: float | None = None, most: int = 6, **options: Any
) -> Report:
    """Examine maps and write what was found: `examine`, `report` and `write_report` in one, for maps in memory.

    Args:
        bundle: From `calibrated`.
        maps: With run, lumi, name, values, shape (n,).
        folder: Gets `report.html` and `report.json`.
        rate: Of false alarms per good map, one of the bundle; the first if not given.
        most: Worst maps to draw.
        options: For `write_report`: source, simulation.

    Raises:
        ValueError: If the bundle has no such threshold, or the maps do not fit it.
    """
    alarm = alarm_of(bundle, rate)
    judged = report(bundle, examine(bundle, maps, alarm), alarm)
    write_report(judged, bundle, folder, worst=maps[worst_maps(judged, most)], **options)
    return judged


def write_report(
    report: Report,
    bundle: Bundle,
    folder: str | Path,
    *,
    worst: ak.Array,
    source: Mapping[str, Any] | None = None,
    simulation: bool = False,
) -> tuple[Path, Path]:
    """Write `report.html`, with all figures in it, and `report.json` to a folder, which is made if it is not there.

    Args:
        report: From `report`.
        bundle: That examined the maps.
        folder: Where to.
        worst: Maps to draw, those of `worst_maps` in their order, shape (m,).
        source: Where bundle and maps come from, for both files; must be writable as JSON.
        simulation: Whether the maps are simulated, for the figures.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    figures = _figures(bundle, worst, report, simulation) if len(worst) else []
    paths = target / "report.html", target / "report.json"
    paths[0].write_text(_page(report, figures, source or {}), encoding="utf-8")
    paths[1].write_text(json.dumps(_content(report, source or {}), indent=1, allow_nan=False), encoding="utf-8")
    return paths


def _figures(bundle: Bundle, worst: ak.Array, report: Report, simulation: bool) -> list[tuple[str, bytes]]:
    """Title and PNG of each map."""
    shown = pictures(bundle, worst, report.alarm, report.examined.cyclic)
    made = []
    for k, (run, lumi, name) in enumerate(zip(worst.run, worst.lumi, worst.name)):
        right = f"run {run}, lumisection {lumi}"
        figure, _ = plotting.fault_map(*(each[k] for each in shown), right=right, simulation=simulation)
        made.append((f"{name}, {right}", plotting.png(figure)))
    return made


def _content(report: Report, source: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON file."""
    examined = report.examined
    of_map = [
        {
            "run": int(examined.run[k]),
            "lumi": int(examined.lumi[k]),
            "name": str(examined.name[k]),
            "status": STATUS[examined.status[k]],
            "hits": float(examined.hits[k]),
            "significance": float(examined.score[k]),
        }
        for k in np.flatnonzero(examined.status)
    ]
    faults = [{**fault._asdict(), "what": fault.what} for fault in report.faults]
    for fault in faults:
        fault.pop("worst")
    return {
        "format": "cortado monitor report",
        "format_version": 1,
        "source": dict(source),
        "alarm": asdict(report.alarm),
        "maps": report.counts,
        "expected_false_alarms": report.expected._asdict(),
        "faults": faults,
        "not_good": of_map,
    }


def _page(report: Report, figures: list[tuple[str, bytes]], source: Mapping[str, Any]) -> str:
    """The HTML page."""
    maps, alarm, expected = report.counts, report.alarm, report.expected
    judged = maps["good"] + maps["fault"]
    summary = [
        ("Maps", f"{sum(maps.values()):,}"),
        ("judged", f"{judged:,}"),
        ("with a fault", f"{maps['fault']:,}"),
        (
            "false alarms to expect among them",
            f"{expected.mean:.1f} (95 %: {expected.low} to {expected.high}), if nothing had broken",
        ),
        ("not judged: few hits", f"{maps['few hits']:,}"),
        ("not judged: empty", f"{maps['empty']:,}"),
        ("threshold", f"significance above {alarm.threshold:.2f}: {100 * alarm.rate:g} % of good maps"),
        (
            "calibrated on",
            f"{alarm.n_good:,} good maps, worth {alarm.effective:,.0f} independent ones: the rate lies between "
            f"{100 * alarm.low:.2g} and {100 * alarm.high:.2g} % (95 %)",
        ),
        *((str(key), ", ".join(value) if isinstance(value, list) else str(value)) for key, value in source.items()),
    ]
    facts = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in summary)
    verdict = f"{len(report.faults) or 'No'} fault{'s' if len(report.faults) > 1 else ''} found"
    if not judged:
        verdict = "No map could be judged"
    pictures = "".join(_figure(title, content) for title, content in figures)
    parts = [
        f"<h1>{verdict}</h1><table>{facts}</table>",
        f"<h2>Faults</h2>{_faults(report.faults)}" if report.faults else "",
        f"<h2>Worst maps</h2><p>Outlined: the cells that were found.</p>{pictures}" if figures else "",
        _not_judged(report.examined),
    ]
    return f"<!doctype html><html lang=en><head><meta charset=utf-8><title>{verdict}</title>{_CSS}</head><body>" + (
        "\n".join(parts) + "</body></html>\n"
    )


def _faults(faults: list[Episode]) -> str:
    head = ("run", "since", "until", "lumisections", "element", "rows", "columns", "cells", "what", "significance")
    rows = (
        (
            str(fault.run),
            str(fault.first_lumi),
            str(fault.last_lumi),
            str(fault.lumis),
            fault.name,
            _range(fault.rows),
            _range(fault.columns),
            str(fault.cells),
            fault.what,
            f"{fault.significance:.1f}",
        )
        for fault in faults
    )
    over = any(ends[0] > ends[1] for fault in faults for ends in (fault.rows, fault.columns))
    seam = " Where the first is the larger one, the region goes over the seam." if over else ""
    return _table(head, list(rows)) + (
        "<p class=note>Significance: of the strongest rectangle of cells, in standard deviations of a good map. "
        f"Rows and columns count from 0.{seam}</p>"
    )


def _not_judged(examined: Examined) -> str:
    """Lumisections with too few hits, by run and element."""
    chosen = np.flatnonzero(examined.status >= STATUS.index("few hits"))
    if not len(chosen):
        return ""
    order = chosen[
        np.lexsort((examined.lumi[chosen], examined.status[chosen], examined.name[chosen], examined.run[chosen]))
    ]

    def kind(k: int) -> tuple[str, str, str]:
        return str(examined.run[k]), str(examined.name[k]), STATUS[examined.status[k]]

    rows = [(*key, _listed(examined.lumi[k] for k in members)) for key, members in groupby(order, key=kind)]
    return "<h2>Not judged</h2>" + _table(("run", "element", "why", "lumisections"), rows)


def _listed(numbers: Iterable[Any]) -> str:
    """Numbers as ranges: "1-3, 7"."""
    sorted_numbers = np.unique([int(number) for number in numbers])
    pieces = np.split(sorted_numbers, np.flatnonzero(np.diff(sorted_numbers) > 1) + 1)
    return ", ".join(_range((int(piece[0]), int(piece[-1]))) for piece in pieces)


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[:MOST_ROWS])
    more = f"<p class=note>{len(rows) - MOST_ROWS} more in report.json.</p>" if len(rows) > MOST_ROWS else ""
    return f"<table class=list><tr>{top}</tr>{body}</table>{more}"


def _figure(title: str, content: bytes) -> str:
    data = base64.b64encode(content).decode()
    image = f'<img alt="{escape(title)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(title)}</figcaption></figure>"


_CSS = """<style>
body { font-family: Helvetica, Arial, sans-serif; margin: 2em auto; max-width: 75em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { text-align: left; padding: .25em .8em; border-bottom: 1px solid #ddd; vertical-align: top; }
table.list tr:first-child { background: #eee; }
figure { margin: 1.5em 0; } img { max-width: 100%; } figcaption, .note { color: #555; font-size: .9em; }
</style>"""
