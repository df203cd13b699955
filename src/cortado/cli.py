"""The command `cortado`: each stage of the pipeline from the terminal. It only calls what the rooms offer."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    help="Deep learning for coffea analyses: ROOT ntuples in, event weights and histograms out.",
)
console = Console(highlight=False, soft_wrap=True)

_Files = Annotated[list[str], typer.Argument(help="ntuples: paths, globs or URLs; `file.root:tree` names the tree")]
_Executor = Annotated[str, typer.Option(help="iterative, futures or dask")]
_Workers = Annotated[int, typer.Option(min=1, help="worker processes")]
_Scheduler = Annotated[str | None, typer.Option(help="address of a running dask scheduler")]


def main() -> None:
    """Run the command; an error that a user can mend is one readable line, without a traceback."""
    try:
        app()
    except (OSError, ValueError, KeyError, ImportError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        console.print(f"[bold red]{type(error).__name__}[/]:", end=" ")
        console.print(str(text), markup=False)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        console.print(str(stop) or "interrupted", markup=False)
        sys.exit(130)


@app.command()
def simulate(
    process: Annotated[str, typer.Argument(help="wprime (W' -> WZ), top or qcd")],
    out: Annotated[Path, typer.Option(help="ROOT file to write")],
    jets: Annotated[int, typer.Option(min=1, help="jets to keep, with flat pT")] = 5000,
    pt: Annotated[tuple[float, float], typer.Option(help="range of the jet pT [GeV]")] = (500.0, 700.0),
    seed: Annotated[int, typer.Option(help="same seed, same file")] = 1,
    mpi: Annotated[bool, typer.Option(help="multi-parton interactions: realistic, four times slower")] = True,
    workers: _Workers = 2,
) -> None:
    """Make jets with Pythia and a fast detector, as CMS NanoAOD v15 (extra `sim`).

    Example: [cyan]cortado simulate wprime --jets 5000 --out wprime.root[/]
    """
    from cortado.simulation import simulate_jets

    summary = simulate_jets(out, process=process, jets=jets, pt_range=pt, seed=seed, mpi=mpi, workers=workers)
    console.print(f"wrote {out}: {summary}", markup=False)


@app.command()
def fetch(
    manifest: Annotated[Path, typer.Argument(help="data_manifests/NAME.toml")],
    folder: Annotated[Path, typer.Option(help="where the files go")] = Path("data"),
) -> None:
    """Download the files of a manifest, resumed where it stopped, and verify their checksums.

    Example: [cyan]cortado fetch data_manifests/top_tagging.toml --folder data[/]
    """
    from cortado import manifest as manifests

    description = manifests.load(manifest)
    paths = manifests.fetch(description, folder)
    console.print(f"{len(paths)} files of {description.name} are in {folder}; cite: {description.citation}", markup=False)


@app.command()
def train(
    study: Annotated[Path, typer.Argument(help="folder with a study.py")],
    out: Annotated[Path | None, typer.Option(help="folder of the trainings")] = None,
    preset: Annotated[str, typer.Option(help="preset of the study")] = "quick",
    only: Annotated[str | None, typer.Option(help="train this network alone")] = None,
    resume: Annotated[bool, typer.Option(help="go on after an interruption")] = False,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu or auto")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="devices to train on")] = 1,
) -> None:
    """Train the networks of a study on its samples and write their bundles.

    Example: [cyan]cortado train analyses/w_tagging --only particlenet_lite --resume[/]
    """
    from cortado import training

    folder = out or _output(study, preset)
    studies = _studies(study, preset, folder, only)
    for name, chosen in studies.items():
        console.print(f"[bold]{name}[/]")
        training.train(chosen, folder / name, resume=resume, accelerator=accelerator, devices=devices)
    console.print(f"wrote {len(studies)} bundles to {folder}")


@app.command()
def score(
    bundle: Annotated[Path, typer.Argument(help="NAME.cortado")],
    files: _Files,
    out: Annotated[Path, typer.Option(help="ROOT file of the scores: one tree, entry by entry beside the input")],
    tree: Annotated[str | None, typer.Option(help="name of the tree")] = None,
    step: Annotated[int, typer.Option(min=1, help="entries read at once; bounds the memory")] = 20_000,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
) -> None:
    """Score the jets of ntuples; no labels are needed, order and number of the entries are kept.

    Jets without constituents score NaN, and are counted.

    Example: [cyan]cortado score w_tagger.cortado nano.root --out scores.root[/]
    """
    import cortado
    from cortado import ntuples

    scorer = cortado.load(bundle, device=device, precision=precision, without_constituents="nan")  # type: ignore[arg-type]
    counts = {"jets": 0, "without constituents": 0}
    steps = ntuples.steps(files, tree=tree, size=step)
    entries = ntuples.write(out, "scores", _scores(scorer, steps, counts))
    console.print(f"wrote {out}: scores of {counts['jets']} jets in {entries} entries of {len(files)} files")
    if counts["without constituents"]:
        console.print(f"{counts['without constituents']} jets have no constituents: their score is NaN")


def _scores(scorer: Any, steps: list[Any], counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    import awkward as ak
    import numpy as np

    from cortado import reading

    with _progress("scoring", len(steps)) as advance:
        for step in steps:
            record = reading.records(step)
            scores = scorer.probabilities(record.jets)
            flat = ak.flatten(scores[scorer.signal])
            counts["jets"] += len(flat)
            counts["without constituents"] += int(np.isnan(ak.to_numpy(flat)).sum())
            keys = [name for name in ("run", "luminosity_block", "event") if name in record.fields]
            yield {"jet": scores, **{name: record[name] for name in keys}, "entry": np.arange(step.start, step.stop)}
            advance()


@app.command()
def run(
    analysis: Annotated[Path, typer.Argument(help="folder with a study.py")],
    preset: Annotated[str, typer.Option(help="quick, or full for the numbers in the study's README")] = "quick",
    files: Annotated[list[str] | None, typer.Option(help="run the trained taggers on these files instead")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of everything that is made")] = None,
    executor: _Executor = "futures",
    workers: _Workers = 2,
    scheduler: _Scheduler = None,
    accelerator: Annotated[str, typer.Option(help="for the trainings: cpu, gpu or auto")] = "auto",
) -> None:
    """Run an analysis from samples to plots; what is there already is not made again.

    Example: [cyan]cortado run analyses/w_tagging --preset full --executor dask --scheduler tcp://head:8786[/]
    """
    folder = out or _output(analysis, preset)
    _study(analysis).run(
        preset=preset,
        folder=folder,
        files=tuple(files or ()),
        executor=executor,
        workers=workers,
        scheduler=scheduler,
        accelerator=accelerator,
    )


@app.command()
def plot(
    analysis: Annotated[Path, typer.Argument(help="folder with a study.py")],
    preset: Annotated[str, typer.Option(help="preset that was run")] = "quick",
    out: Annotated[Path | None, typer.Option(help="folder of the run")] = None,
    plots: Annotated[Path | None, typer.Option(help="folder of the figures; default: OUT/plots")] = None,
) -> None:
    """Draw the figures of a finished run again, from its saved histograms and metrics.

    Example: [cyan]cortado plot analyses/w_tagging --plots plots[/]
    """
    folder = out or _output(analysis, preset)
    figures = _study(analysis).plot(folder, plots or folder / "plots")
    console.print(f"wrote {len(figures)} figures to {plots or folder / 'plots'}")


@app.command()
def inspect(path: Annotated[Path, typer.Argument(help="a bundle or an ntuple")]) -> None:
    """Say what a file is: the making of a bundle, or the dialect and size of an ntuple.

    Example: [cyan]cortado inspect w_tagger.cortado[/]
    """
    if path.suffix == ".cortado":
        _inspect_bundle(path)
    else:
        _inspect_ntuple(path)


def _inspect_bundle(path: Path) -> None:
    from cortado import bundle as bundles

    tagger = bundles.load(path)
    parameters = sum(weight.numel() for weight in tagger.model.parameters())
    console.print(f"[bold]{path}[/]: {type(tagger.model).__name__}, {parameters:,} parameters")
    console.print(f"representation  {tagger.representation}", markup=False)
    console.print(f"classes         {', '.join(tagger.classes)}; signal {tagger.signal}", markup=False)
    for key in ("samples", "jets", "split", "fold", "seed", "metrics", "git_revision", "versions"):
        if key in tagger.provenance:
            console.print(f"{key:15} {tagger.provenance[key]}", markup=False)
    table = Table("working point", "threshold", "signal efficiency", "mistag rate")
    for point in tagger.working_points:
        table.add_row(
            point.name,
            f"{point.threshold:.4f}",
            f"{point.efficiency:.4f} ± {point.efficiency_err:.4f}",
            f"{point.mistag:.5f} ± {point.mistag_err:.5f}",
        )
    console.print(table)
    console.print(f"{path} is sound: its canary jets score as they did when it was written")


def _inspect_ntuple(path: Path) -> None:
    from cortado import ntuples, readers

    tree = ntuples.find_tree(path)
    branches = ntuples.branch_names(path, tree)
    dialect = readers.dialect(branches, str(path))
    entries = ntuples.num_entries(path, tree)
    console.print(f"[bold]{path}[/]: {dialect.NAME}, tree {tree}, {entries:,} entries, {len(branches)} branches")
    console.print("read as jets: " + ", ".join(dialect.branches(branches)), markup=False)


def _study(folder: Path) -> ModuleType:
    """The module `study` of an analysis folder, imported so that worker processes can import it too."""
    folder = folder.resolve()
    if not (folder / "study.py").is_file():
        near = sorted(str(path.parent) for path in folder.parent.glob("*/study.py"))
        raise FileNotFoundError(f"no study.py in {folder}; studies beside it: {', '.join(near) or 'none'}")
    sys.path.insert(0, str(folder.parent.parent))
    return importlib.import_module(f"{folder.parent.name}.{folder.name}.study")


def _studies(folder: Path, preset: str, out: Path, only: str | None) -> dict[str, Any]:
    studies: dict[str, Any] = _study(folder).studies(preset, out)
    if only is not None and only not in studies:
        raise ValueError(f"no network {only!r} in {folder}; there are {', '.join(studies)}")
    return {name: study for name, study in studies.items() if only in (None, name)}


def _output(analysis: Path, preset: str) -> Path:
    return Path("output") / analysis.resolve().name / preset


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


if __name__ == "__main__":
    main()
