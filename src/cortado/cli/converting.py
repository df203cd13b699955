"""The command `convert`: hits of any dialect, or features of the LHC Olympics, to ROOT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from cortado.cli.terminal import console, progress

STEP, CLUSTER = 20, 200_000
"""Events that are read at once, and hits from which on events are written as one cluster."""


class Sums(NamedTuple):
    """What was written."""

    events: int = 0
    hits: int = 0
    noise: int = 0
    particles: int = 0
    edges: int = 0
    disagreeing: int = 0
    without_truth: int = 0


def convert(
    files: Annotated[list[str], typer.Argument(help="events: CSV (name the hits), JSON, npz, ROOT; paths or globs")],
    out: Annotated[Path, typer.Option(help="ROOT file to write")],
    dialect: Annotated[str | None, typer.Option(help="of the events, if it shall not be guessed")] = None,
) -> None:
    """Write hits of any dialect, or features of the LHC Olympics, to ROOT: one entry an event, as the files have them.

    TrackML and ACTS have several files of an event: name that of the hits or measurements, the others beside it are
    read with it. Truth may be missing, in all events or in none.

    Of features in two datasets of a file name both: features.h5:bkg features.h5:sig.

    Example: [cyan]cortado convert train_1/*-hits.csv.gz --out hits.root[/]
    """
    from cortado import ntuples
    from cortado.cli import converting_features
    from cortado.ntuples.paths import expand
    from cortado.readers import hits

    inputs = expand(files)
    _check_target(out, [file for file, _ in inputs])
    if converting_features.are_features(inputs, dialect):
        with progress(f"converting to {out.name}", len(inputs)) as advance:
            lines = converting_features.write_features(inputs, out, advance)
        for line in lines:
            console.print(line, markup=False)
        return
    total = Sums()

    def chunks() -> Iterator[Any]:
        nonlocal total
        for record in _records(inputs, dialect, advance):
            total = Sums(*(before + more for before, more in zip(total, _sums(record))))
            yield hits.columns_of(record)
        if not total.events:
            raise ValueError(f"nothing to write to {out}: the {len(inputs)} files hold no event")

    with progress(f"converting to {out.name}", len(inputs)) as advance:
        ntuples.write(out, hits.TREE, _clusters(chunks()))
    for line in _report(total, out):
        console.print(line, markup=False)


def _check_target(out: Path, files: list[str]) -> None:
    if out.suffix != ".root":
        raise ValueError(f"{out} is no ROOT file: hits are written to NAME.root")
    if any(Path(file).resolve() == out.resolve() for file in files):
        raise ValueError(f"{out} is one of the files to be read: write to another")


def _records(inputs: list[tuple[str, str | None]], dialect: str | None, advance: Any) -> Iterator[Any]:
    from cortado import reading

    for file, tree in inputs:
        yield from reading.iterate(file, tree=tree, dialect=dialect, size=STEP)
        advance(1)


def _clusters(chunks: Iterator[dict[str, Any]]) -> Iterator[Any]:
    """Events joined until they have enough hits to be written at once."""
    import awkward as ak

    waiting: list[Any] = []
    first: list[str] = []
    hits = 0
    for chunk in chunks:
        fields = [f"{name}_{field}" for name, column in chunk.items() for field in ak.fields(column)]
        first = first or fields
        if fields != first:
            raise ValueError(
                f"event {chunk['event'][0]} has {fields}, those before it have {first}: all events of a file have the "
                "same; write those with truth and those without to two files"
            )
        waiting.append(ak.zip(chunk, depth_limit=1))
        hits += int(ak.count(chunk["hit"].x))
        if hits >= CLUSTER:
            yield ak.concatenate(waiting)
            waiting, hits = [], 0
    if waiting:
        yield ak.concatenate(waiting)


def _sums(record: Any) -> Sums:
    import awkward as ak
    import numpy as np

    if "hits" not in record.fields:
        raise ValueError(
            f"only hits and features of the LHC Olympics can be converted; these events have {record.fields}"
        )
    total = Sums(events=len(record), hits=int(ak.count(record.hits.x)))
    if "edges" in record.fields:
        total = total._replace(edges=int(ak.count(record.edges.inner)))
    if "particles" not in record.fields:
        return total._replace(without_truth=len(record))
    particle_id = record.hits.particle_id
    noise, particles = int(ak.sum(particle_id == 0)), int(ak.count(record.particles.particle_id))
    total = total._replace(noise=noise, particles=particles)
    if "edges" in record.fields and "label" in record.edges.fields:
        inner, outer = particle_id[record.edges.inner], particle_id[record.edges.outer]
        different = ((inner == outer) & (inner != 0)) != (record.edges.label != 0)
        total = total._replace(disagreeing=int(np.sum(ak.to_numpy(ak.flatten(different)))))
    return total


def _report(total: Sums, out: Path) -> Iterator[str]:
    truth = "without truth" if total.without_truth else f"{total.noise:,} of them noise, {total.particles:,} particles"
    edges = f", {total.edges:,} edges" if total.edges else ""
    yield f"wrote {out}: {total.events:,} events, {total.hits:,} hits, {truth}{edges}"
    if total.disagreeing:
        yield f"{total.disagreeing:,} edges have a label other than the particle_id of their hits say; it was kept"
