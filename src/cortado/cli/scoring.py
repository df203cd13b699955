"""The command `score`: what a bundle says of the jets of ntuples, in friend trees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cortado.cli import own, scored
from cortado.cli.terminal import console, errors, progress
from cortado.cli.told import told
from cortado.names import placed


def score(
    bundle: Annotated[Path, typer.Argument(help="NAME.cortado, or the folder of a training by folds")],
    files: Annotated[list[str], typer.Argument(help="ntuples: paths, globs or URLs; `file.root:tree` names the tree")],
    out: Annotated[Path, typer.Option(help="NAME.root, or a folder that gets one file of scores for each ntuple")],
    tree: Annotated[str | None, typer.Option(help="name of the tree")] = None,
    step: Annotated[int, typer.Option(min=1, help="entries read at once; bounds the memory")] = 20_000,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
    magnetic_field: Annotated[
        float | None, typer.Option(help="of vertices and tracks: along z [T]; 2 if not given")
    ] = None,
    skip_unfit: Annotated[
        bool, typer.Option("--skip-unfit", help="of vertices: leave out tracks that cannot be fitted, and count them")
    ] = False,
    proposer: Annotated[
        list[str] | None,
        typer.Option(
            help="of tracks: bundle whose edges the next one sees, or BUNDLE:THRESHOLD; repeated in their order"
        ),
    ] = None,
    skip_bad_files: Annotated[
        bool, typer.Option("--skip-bad-files", help="of several: leave out files that cannot be read, and name them")
    ] = False,
    module: own.Modules = None,
    dialect: own.DialectName = None,
) -> None:
    """Score the jets of ntuples, or find vertices, or the tracks of hits; no truth is needed, all entries are kept.

    A tagger writes the tree "scores", a friend of the ntuple's: entry by entry the probability of each class for each
    jet, and run, luminosityBlock, event (or the number of the entry). Jets without constituents, and those with a
    number that the network cannot take (not finite, a constituent of pT 0), score NaN, and are counted.

    A vertex finder writes the tree "vertices", with the collections jet (jet_n_tracks, jet_n_vertices), track
    (track_jetIdx, track_vertexIdx: -1 for a track alone, track_unfit) and vertex (vertex_jetIdx, vertex_x, vertex_mass,
    vertex_significance, ...): see cortado.scoring.vertex_columns. Files without covariances of the tracks give no fits.

    A track finder writes the tree "tracks", with the collections hit (hit_trackIdx: -1 for a hit of no track) and track
    (track_d0, track_z0, track_phi, track_theta, track_q_over_p, track_pt, track_eta, track_n_hits, track_chi2,
    track_ndf, track_converged). Lines say where no track was found, or layers are not known.

    Of a training by folds (`cortado train --folds`) each event is scored by the bundle that has not seen it.

    Example: [cyan]cortado score w_tagger.cortado nano.root --out scores.root[/]

    Example: [cyan]cortado score own.cortado private.root --module my_network.py --module my_reader.py --out s.root[/]

    Example: [cyan]cortado score set2graph.cortado jets.root --out vertices.root[/]
    """
    wanted = _targets(files, out, check=not skip_bad_files)
    fit = {"magnetic_field": magnetic_field, "skip_unfit": skip_unfit or None}
    with console.status(f"loading {bundle}"), own.told_of_module():
        options = {name: value for name, value in fit.items() if value is not None}
        settings = {"device": device, "precision": precision, **own.classes(module), **scored.proposers(proposer or ())}
        use = scored.load(bundle, options, **settings)
        reader = own.reader(module, dialect)
    total, skipped = scored.NOTHING, 0
    for file, own_tree, target in wanted:
        try:
            total = scored.plus(total, _score_file(use, file, own_tree or tree, reader, target, step))
        except (OSError, ValueError, KeyError) as error:
            skipped += 1
            if not skip_bad_files or skipped == len(wanted):
                raise
            errors.print(f"skipped {file}: {told(error, [])[0]}", markup=False)
    if skipped:
        errors.print(f"{skipped} of {len(wanted)} files skipped, they have no scores", markup=False)
    written = str(wanted[0][2]) if len(wanted) == 1 else f"{len(wanted) - skipped} files to {out}"
    for line in scored.report(total, written, use):
        console.print(line, markup=False)


def _targets(files: list[str], out: Path, *, check: bool) -> list[tuple[str, str | None, Path]]:
    """Files to score, their tree if they name it, and where their scores go."""
    from cortado.ntuples.paths import expand, is_url

    inputs = expand(files, check=check)
    if out.suffix == ".root":
        if len(inputs) > 1:
            raise ValueError(f"{out} cannot hold the scores of {len(inputs)} files: give --out a folder")
        targets = [out]
    elif out.suffix in (".h5", ".hdf5", ".parquet", ".csv"):
        raise ValueError(f"{out} is no ROOT file: scores go to NAME.root, or to a folder")
    else:
        targets = [out / f"{Path(file.partition('?')[0]).stem}.root" for file, _ in inputs]
    for (file, _), target in zip(inputs, targets):
        if targets.count(target) > 1:
            raise ValueError(f"{target} would hold the scores of several files, one is {file}: score them one by one")
        if any(target.resolve() == Path(other).resolve() for other, _ in inputs if not is_url(other)):
            raise ValueError(f"{target} is an ntuple to be scored: write the scores to another file")
    if out.suffix != ".root":
        out.mkdir(parents=True, exist_ok=True)
    return [(file, tree, target) for (file, tree), target in zip(inputs, targets)]


@contextmanager
def _in_options() -> Iterator[None]:
    """Have errors name the options of the command in the place of arguments.

    Raises:
        ValueError: The same in these words.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace("skip_unfit=True", "--skip-unfit")) from error


def _score_file(
    use: scored.Answering, file: str, tree: str | None, dialect: Any, target: Path, size: int
) -> scored.Sums:
    """Write what a bundle says of one file; the sums to be reported."""
    import numpy as np

    from cortado import ntuples, reading

    tree = ntuples.find_tree(file, tree)
    entries = ntuples.num_entries(file, tree)
    # Readers and mappings of the user's own need not name the event.
    is_ours = isinstance(dialect, str) or (dialect is None and use.names_events)
    has_event = is_ours and set(ntuples.EVENT_KEYS) <= set(ntuples.branch_names(file, tree))
    total = scored.NOTHING

    def chunks() -> Iterator[dict[str, Any]]:
        nonlocal total
        # A tree without entries has no steps, but its scores have types too.
        known = {"tree": tree, "dialect": dialect or use.dialect}
        records = reading.iterate(file, **known, size=size) if entries else [reading.read(file, **known)]
        for record in records:
            done = total.entries
            with placed(f"{file}, jets and events counted from entry {done}"), _in_options():
                columns, notes = use.events(record)
            total = scored.plus(total, scored.sums(len(record), columns, notes, use.domain(record)))
            if has_event:
                keys = {"run": record.run, "luminosityBlock": record.luminosity_block, "event": record.event}
            else:
                keys = {"entry": np.arange(done, done + len(record))}
            yield {**keys, **columns}
            advance(len(record))

    with progress(f"scoring {Path(file).name}", entries) as advance:
        keys = ntuples.EVENT_KEYS if has_event else ntuples.ENTRY_KEY
        ntuples.write_friend(target, use.tree, chunks(), keys=keys)
    return total
