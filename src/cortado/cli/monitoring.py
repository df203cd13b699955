"""The command `monitor`: faults in monitoring maps, as a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from cortado.cli import own
from cortado.cli.terminal import console, show

FAULTS_FOUND = 3
"""Exit status if there are faults; 1 and 2 are errors."""


def monitor(
    bundle: Annotated[Path, typer.Argument(help="NAME.cortado, calibrated on good maps")],
    files: Annotated[list[str], typer.Argument(help="histograms in ROOT folders, ntuples, HDF5 or CSV; also globs")],
    out: Annotated[Path, typer.Option(help="folder that gets report.html and report.json")],
    rate: Annotated[float | None, typer.Option(help="false alarms per good map; the first of the bundle")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="regular expression with groups run, lumi, name, of paths in ROOT files")
    ] = None,
    name: Annotated[str | None, typer.Option(help="regular expression of the elements to look at")] = None,
    cyclic: Annotated[
        str | None, typer.Option(help="axes over whose seam regions go: x, y or xy; default: those of the bundle")
    ] = None,
    figures: Annotated[int, typer.Option(min=0, help="worst maps to draw")] = 6,
    simulated: Annotated[bool, typer.Option("--simulated", help="say so in the figures")] = False,
    module: own.Modules = None,
) -> None:
    """Look for regions of a detector that broke: a report by run, lumisection and region.

    Exit status: 0 if nothing was found, 3 if there are faults, 1 and 2 for errors. Lumisections with few hits and empty
    maps are listed, but are no faults. The stated part of good maps are false alarms: the report says how many to
    expect.

    Example: [cyan]cortado monitor pixels.cortado "monitoring/*.root" --out report[/]
    """
    with console.status(f"loading {bundle}"), own.told_of_module():
        from cortado import bundle as bundles
        from cortado import monitoring, reading
        from cortado.ntuples import FOLDERS
        from cortado.reconstruction import Cyclic

        content = bundles.read(bundle)
        watcher: Any = content.bundle(bundles.Own(**own.classes(module)))
        alarm = monitoring.alarm_of(watcher, rate)
    if cyclic not in (None, *get_args(Cyclic)):
        raise ValueError(f"--cyclic is {cyclic!r}, required: x, y or xy")
    closed: Any = cyclic
    chosen: dict[str, Any] = {"pattern": pattern or FOLDERS, "name": name}
    with console.status("reading maps"):
        parts = [monitoring.examine(watcher, maps, alarm, closed) for maps in reading.iterate_maps(files, **chosen)]
        if not parts:
            raise ValueError(f"no maps in {', '.join(files)}: the files hold none")
        report = monitoring.report(watcher, monitoring.joined(parts), alarm)
    source = {"bundle": str(bundle), "bundle sha256": content.sha256, "files": list(files)}
    worst = _maps_at(monitoring.worst_maps(report, figures), reading.iterate_maps(files, **chosen))
    page, _ = monitoring.write_report(report, watcher, out, worst=worst, source=source, simulation=simulated)
    console.print(f"{sum(report.counts.values()):,} maps: " + ", ".join(f"{n:,} {s}" for s, n in report.counts.items()))
    if not report.counts["good"] + report.counts["fault"]:
        console.print(f"no map could be judged: that takes {watcher.use.fewest_hits:g} hits")
    low, high = report.expected.low, report.expected.high
    console.print(f"{report.expected.mean:.1f} false alarms to expect (95 %: {low} to {high})")
    for fault in report.faults[:5]:
        lumis = f"lumisections {fault.first_lumi} to {fault.last_lumi}"
        where = f"rows {fault.rows[0]}-{fault.rows[1]}, columns {fault.columns[0]}-{fault.columns[1]}"
        show(f"run {fault.run}, {lumis}, {fault.name}, {where}: {fault.what}")
    console.print(f"wrote {page}: {len(report.faults)} faults", markup=False)
    if report.faults:
        raise typer.Exit(FAULTS_FOUND)


def _maps_at(places: Sequence[int], chunks: Iterable[Any]) -> Any:
    """Maps by their index in all chunks together, in the order of the indices."""
    import awkward as ak

    taken: dict[int, Any] = {}
    start = 0
    for maps in chunks:
        taken |= {place: maps[[place - start]] for place in places if start <= place < start + len(maps)}
        start += len(maps)
        if len(taken) == len(places):
            break
    return ak.concatenate([taken[place] for place in places]) if places else ak.Array([])
