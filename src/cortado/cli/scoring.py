"""The command `score`: what bundles say of the jets of ntuples, in friend trees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cortado.cli import own
from cortado.cli.terminal import console, errors, steady_progress

SKIPPED = 3
"""Exit status if files were left out."""


def score(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE... [FILE]...",
            help="NAME.cortado, or the folder of a training by folds; then ntuples: paths, globs or URLs; "
            "`file.root:tree` names the tree",
        ),
    ],
    out: Annotated[Path, typer.Option(help="NAME.root, or a folder that gets one file of scores for each ntuple")],
    files: Annotated[list[str] | None, typer.Option(help="further ntuples; can be repeated")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="TOML file whose samples are scored, each to its folder")
    ] = None,
    data: Annotated[Path, typer.Option(help="folder below which the files of the manifest lie")] = Path("data"),
    fileset: Annotated[Path | None, typer.Option(help="JSON file of a coffea fileset, likewise")] = None,
    tree: Annotated[str | None, typer.Option(help="name of the tree")] = None,
    form: Annotated[str, typer.Option("--format", help="of the scores: ttree, rntuple or parquet")] = "ttree",
    executor: Annotated[str, typer.Option(help="iterative (this process), futures, dask or parsl")] = "iterative",
    workers: Annotated[int, typer.Option(min=1, help="worker processes")] = 2,
    scheduler: Annotated[str | None, typer.Option(help="address of a running dask scheduler")] = None,
    step: Annotated[int, typer.Option(min=1, help="entries read at once; bounds the memory")] = 20_000,
    part: Annotated[int, typer.Option(min=1, help="entries that are kept, and travel, as one piece")] = 100_000,
    retries: Annotated[int, typer.Option(min=0, help="of a piece that failed")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help=f"leave out files that fail, and list them; status {SKIPPED} then")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace files that are something else")] = False,
    report: Annotated[Path | None, typer.Option(help="JSON file of what was done")] = None,
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
    module: own.Modules = None,
    dialect: own.DialectName = None,
    lengths: own.Lengths = None,
) -> None:
    """Score the jets of ntuples, or find vertices, or the tracks of hits; no truth is needed, all entries are kept.

    A tagger writes the tree "scores", a friend of the ntuple's: entry by entry the probability of each class for each
    jet, and run, luminosityBlock, event (or the number of the entry). Jets without constituents, and those with a
    number that the network cannot take (not finite, a constituent of pT 0), score NaN, and are counted.

    Several bundles read each file once, and each writes a tree of its own name.

    A vertex finder writes the tree "vertices", with the collections jet (jet_n_tracks, jet_n_vertices), track
    (track_jetIdx, track_vertexIdx: -1 for a track alone, track_unfit) and vertex (vertex_jetIdx, vertex_x, vertex_mass,
    vertex_significance, ...): see cortado.scoring.vertex_columns. Files without covariances of the tracks give no fits.

    A track finder writes the tree "tracks", with the collections hit (hit_trackIdx: -1 for a hit of no track) and track
    (track_d0, track_z0, track_phi, track_theta, track_q_over_p, track_pt, track_eta, track_n_hits, track_chi2,
    track_ndf, track_converged). Lines say where no track was found, or layers are not known.

    Of a training by folds (`cortado train --folds`) each event is scored by the bundle that has not seen it.

    What was stopped, by a kill too, goes on where it was; files that are finished are left alone.

    Example: [cyan]cortado score w_tagger.cortado nano.root --out scores.root[/]

    Example: [cyan]cortado score pfn.cortado particlenet.cortado "nano/*.root" --out scores --executor futures[/]

    Example: [cyan]cortado score own.cortado private.root --module my_network.py --module my_reader.py --out s.root[/]
    """
    from cortado import batch

    bundles, inputs = _inputs(names, files, manifest, data, fileset, tree, check=not skip_bad)
    fit = {"magnetic_field": magnetic_field, "skip_unfit": skip_unfit or None}
    options = {name: value for name, value in fit.items() if value is not None}
    with console.status(f"loading {', '.join(bundles)}"), own.told_of_module():
        settings: dict[str, Any] = {"device": device, "precision": precision, "lengths": lengths}
        settings |= {**own.classes(module), **proposers(proposer or ())}
        uses = [batch.load(bundle, options, **settings) for bundle in bundles]
        reader = own.reader(module, dialect)
    with steady_progress("scoring") as advance, _in_options():
        done = batch.score(
            uses,
            inputs,
            out,
            executor=executor,
            workers=workers,
            scheduler=scheduler,
            form=form,  # type: ignore[arg-type]
            dialect=reader,
            step=step,
            part=part,
            retries=retries,
            skip_bad=skip_bad,
            overwrite=overwrite,
            advance=advance,
        )
    number = len(done.done)
    where = done.files[0].target if len(done.files) == 1 else f"{number} file{'s' if number != 1 else ''} in {out}"
    for line in done.lines(where):
        (errors if line.startswith(("skipped", "  ")) else console).print(line, markup=False)
    if report is not None:
        done.write(report)
    if done.skipped:
        raise typer.Exit(SKIPPED)


@contextmanager
def _in_options() -> Iterator[None]:
    """Have errors name the options of the command in the place of arguments.

    Raises:
        ValueError: The same in these words.
    """
    try:
        yield
    except (ValueError, RuntimeError) as error:
        raise type(error)(str(error).replace("skip_unfit=True", "--skip-unfit")) from error


def _inputs(
    names: list[str],
    files: list[str] | None,
    manifest: Path | None,
    data: Path,
    fileset: Path | None,
    tree: str | None,
    *,
    check: bool,
) -> tuple[list[str], list[Any]]:
    """Bundles and files: the first name is a bundle, as are those behind it that end in .cortado or are folders."""
    from cortado import batch

    first = next((k for k, name in enumerate(names) if k and not _is_bundle(name)), len(names))
    bundles, paths = names[:first], [*names[first:], *(files or ())]
    inputs = batch.of_files(paths, tree, check=check) if paths else []
    if manifest is not None:
        inputs += batch.of_fileset(_of_manifest(manifest, data), tree)
    if fileset is not None:
        inputs += batch.of_fileset(json.loads(fileset.read_text()), tree)
    if not inputs:
        raise ValueError(
            f"no files to score with {', '.join(bundles)}: name ntuples behind the bundles, such as 'FOLDER/*.root', "
            "--manifest or --fileset"
        )
    return bundles, inputs


def _is_bundle(name: str) -> bool:
    return name.rstrip("/").endswith(".cortado") or Path(name).is_dir()


def _of_manifest(path: Path, data: Path) -> dict[str, Any]:
    from cortado import manifest

    return manifest.fileset(manifest.load(path), data)


def proposers(given: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """The setting `proposers` of a track finder, if there are any.

    Args:
        given: Paths of bundles, each alone or as "BUNDLE:THRESHOLD".
    Raises:
        ValueError: If a threshold is no number.
    """
    chosen = tuple(_proposer(each) for each in given)
    return {"proposers": chosen} if chosen else {}


def _proposer(given: str) -> str | tuple[str, float]:
    path, _, threshold = given.rpartition(":")
    if not path or Path(given).exists():
        return given
    try:
        return path, float(threshold)
    except ValueError as error:
        raise ValueError(f"--proposer {given}: required is BUNDLE or BUNDLE:THRESHOLD") from error
