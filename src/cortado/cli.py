"""The command `cortado`: each stage of the pipeline from the terminal. It only calls what the rooms offer.

Each command imports the rooms that it needs when it runs: `cortado --help` loads no torch.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

console = Console(highlight=False, soft_wrap=True)
errors = Console(highlight=False, soft_wrap=True, stderr=True)


class _Commands(TyperGroup):
    """The commands. An error that a user can mend is one readable line and exit code 1, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as stop:
            errors.print(str(stop) or "interrupted", markup=False)
            raise typer.Exit(130) from stop
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            if os.environ.get("CORTADO_TRACEBACK"):
                raise
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            errors.print(f"[bold red]{type(error).__name__}[/]:", end=" ")
            errors.print(str(text), markup=False)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Deep learning for coffea analyses: ROOT ntuples in, event weights and histograms out.",
    epilog="CORTADO_TRACEBACK=1 shows where an error comes from.",
)

_Files = Annotated[list[str], typer.Argument(help="ntuples: paths, globs or URLs; `file.root:tree` names the tree")]
_Executor = Annotated[str, typer.Option(help="iterative, futures or dask")]
_Workers = Annotated[int, typer.Option(min=1, help="worker processes")]
_Scheduler = Annotated[str | None, typer.Option(help="address of a running dask scheduler")]


def main() -> None:
    """Run the command."""
    app(prog_name="cortado")


def _print_version(wanted: bool) -> None:
    if wanted:
        from cortado import __version__

        console.print(f"cortado {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def simulate(
    process: Annotated[str, typer.Argument(help="wprime (W' -> WZ), top, qcd; or flavour: b, c and light jets")],
    out: Annotated[Path, typer.Option(help="ROOT file to write")],
    jets: Annotated[int, typer.Option(min=1, help="jets to keep; flat in pT, or as many of each flavour")] = 5000,
    pt: Annotated[
        tuple[float, float] | None,
        typer.Option(help="range of the jet pT [GeV]; 500 700 if not given, not for flavour"),
    ] = None,
    seed: Annotated[int, typer.Option(help="same seed, same file")] = 1,
    mpi: Annotated[bool, typer.Option(help="multi-parton interactions: realistic, four times slower")] = True,
    workers: _Workers = 2,
) -> None:
    """Make jets with Pythia and a fast detector, as CMS NanoAOD v15, or as Set2Graph with tracks (extra `sim`).

    Example: [cyan]cortado simulate wprime --jets 5000 --out wprime.root[/]
    """
    from cortado.simulation import simulate_flavour_jets, simulate_jets

    if process == "flavour" and pt is not None:
        raise ValueError(f"--pt {pt[0]:g} {pt[1]:g} is for the other processes: flavour has all jets above 20 GeV")
    with _progress(f"simulating {process}", jets) as advance:
        common: dict[str, Any] = {"jets": jets, "seed": seed, "mpi": mpi, "workers": workers, "progress": advance}
        if process == "flavour":
            made = simulate_flavour_jets(out, **common)
        else:
            made = simulate_jets(out, process=process, pt_range=pt or (500.0, 700.0), **common)
    events = f"{made.events} of {made.generated} generated events"
    console.print(f"wrote {out}: {made.jets} jets of {process} in {events}", markup=False)


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
    files = manifests.fetch(description, folder, progress=console.is_terminal)
    verified = sum(file.verified for file in files)
    console.print(f"cite {description.citation}", markup=False)
    checked = f"{verified} with a verified checksum"
    console.print(f"{len(files)} files of {description.name} are in {folder}, {checked}", markup=False)


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
    folder = out or _output(study, preset)
    studies = _studies(study, preset, folder, only)

    from cortado import training

    for name, chosen in studies.items():
        console.print(f"[bold]{name}[/]")
        training.train(chosen, folder / name, resume=resume, accelerator=accelerator, devices=devices)
    console.print(f"wrote {len(studies)} bundles to {folder}: {', '.join(studies)}", markup=False)


@app.command()
def score(
    bundle: Annotated[Path, typer.Argument(help="NAME.cortado")],
    files: _Files,
    out: Annotated[Path, typer.Option(help="NAME.root, or a folder that gets one file of scores for each ntuple")],
    tree: Annotated[str | None, typer.Option(help="name of the tree")] = None,
    step: Annotated[int, typer.Option(min=1, help="entries read at once; bounds the memory")] = 20_000,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
) -> None:
    """Score the jets of ntuples; no labels are needed, order and number of the entries are kept.

    The tree "scores" is a friend of the ntuple's: entry by entry the probability of each class for each jet, and
    run, luminosityBlock, event (or the number of the entry). Jets without constituents score NaN, and are counted.

    Example: [cyan]cortado score w_tagger.cortado nano.root --out scores.root[/]
    """
    wanted = _targets(files, out)
    with console.status(f"loading {bundle}"):
        import cortado

        scorer = cortado.load(bundle, device=device, precision=precision, without_constituents="nan")  # type: ignore[arg-type]
    jets = empty = entries = 0
    for file, own_tree, target in wanted:
        counts = _score_file(scorer, file, own_tree or tree, target, step)
        jets, empty, entries = jets + counts[0], empty + counts[1], entries + counts[2]
    if empty:
        console.print(f"{empty} of {jets} jets have no constituents: their score is NaN")
    written = wanted[0][2] if len(wanted) == 1 else f"{len(wanted)} files to {out}"
    console.print(f"wrote {written}: scores of {jets} jets in {entries} entries", markup=False)


def _targets(files: list[str], out: Path) -> list[tuple[str, str | None, Path]]:
    """Files to score, their tree if they name it, and where their scores go."""
    from cortado.ntuples.paths import expand, is_url

    inputs = expand(files)
    if out.suffix == ".root":
        if len(inputs) > 1:
            raise ValueError(f"{out} cannot hold the scores of {len(inputs)} files: give --out a folder")
        targets = [out]
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


def _score_file(scorer: Any, file: str, tree: str | None, target: Path, size: int) -> tuple[int, int, int]:
    """Write the scores of one file; number of its jets, of those without constituents, and of its entries."""
    import awkward as ak
    import numpy as np

    from cortado import ntuples, reading

    tree = ntuples.find_tree(file, tree)
    entries = ntuples.num_entries(file, tree)
    has_event = set(ntuples.EVENT_KEYS) <= set(ntuples.branch_names(file, tree))
    jets = empty = 0

    def chunks() -> Iterator[dict[str, Any]]:
        nonlocal jets, empty
        done = 0
        # A tree without entries has no steps, but its scores have types too.
        records = reading.iterate(file, tree=tree, size=size) if entries else [reading.read(file, tree=tree)]
        for record in records:
            scores = scorer.probabilities(record.jets)
            jets += int(ak.count(record.jets.pt))
            empty += int(ak.sum(np.isnan(scores[scorer.signal])))
            if has_event:
                keys = {"run": record.run, "luminosityBlock": record.luminosity_block, "event": record.event}
            else:
                keys = {"entry": np.arange(done, done + len(record))}
            done += len(record)
            yield {**keys, "jet": scores}
            advance(len(record))

    with _progress(f"scoring {Path(file).name}", entries) as advance:
        keys = ntuples.EVENT_KEYS if has_event else ntuples.ENTRY_KEY
        ntuples.write_friend(target, "scores", chunks(), keys=keys)
    return jets, empty, entries


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
    _function(analysis, "run")(
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
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist: `cortado run {analysis} --preset {preset}` makes it")
    plots = plots or folder / "plots"
    with console.status("drawing"):
        figures = _function(analysis, "plot")(folder, plots)
    console.print(f"wrote {len(figures)} figures to {plots}", markup=False)


@app.command()
def inspect(path: Annotated[Path, typer.Argument(help="a bundle or an ntuple")]) -> None:
    """Say what a file is: the making of a bundle, or the dialect and size of an ntuple.

    Example: [cyan]cortado inspect w_tagger.cortado[/]
    """
    if path.suffix == ".cortado" or (path / "bundle.json").is_file():
        _inspect_bundle(path)
    else:
        _inspect_ntuple(path)


def _inspect_bundle(path: Path) -> None:
    with console.status(f"loading {path}"):
        from cortado import bundle as bundles

        tagger = bundles.load(path)
    parameters = sum(weight.numel() for weight in tagger.model.parameters())
    console.print(f"{path}: {type(tagger.model).__name__}, {parameters:,} parameters", markup=False)
    console.print(f"representation   {tagger.representation}", markup=False)
    console.print(f"classes          {', '.join(tagger.classes)}; signal {tagger.signal}", markup=False)
    for key in ("samples", "jets", "split", "fold", "seed", "metrics", "git_revision"):
        if tagger.provenance.get(key) is not None:
            console.print(f"{key:16} {tagger.provenance[key]}", markup=False)
    if tagger.working_points:
        console.print(_working_points(tagger.working_points))
    console.print(f"{path} is sound: its canary jets score as they did when it was written", markup=False)


def _working_points(points: Any) -> Table:
    table = Table("working point", "threshold", "signal efficiency", "mistag rate")
    for point in points:
        table.add_row(
            point.name,
            f"{point.threshold:.4f}",
            f"{point.efficiency:.4f} ± {point.efficiency_err:.4f}",
            f"{point.mistag:.5f} ± {point.mistag_err:.5f}",
        )
    return table


def _inspect_ntuple(path: Path) -> None:
    with console.status(f"opening {path}"):
        from cortado import ntuples, readers

        tree = ntuples.find_tree(str(path))
        branches = ntuples.branch_names(str(path), tree)
        entries = ntuples.num_entries(str(path), tree)
    console.print(f"{path}: tree {tree}, {entries:,} entries, {len(branches)} branches", markup=False)
    dialect = readers.dialect(branches, str(path))
    used = dialect.branches(branches)
    console.print(f"{dialect.NAME}; read are {', '.join(used)}", markup=False)


def _function(folder: Path, name: str) -> Callable[..., Any]:
    """A function of the module `study` in an analysis folder, imported so that worker processes can import it too."""
    folder = folder.resolve()
    if not (folder / "study.py").is_file():
        there = {path.parent.name: str(path.parent) for path in sorted(folder.parent.glob("*/study.py"))}
        near = get_close_matches(folder.name, there, cutoff=0.3) or there
        raise FileNotFoundError(
            f"no study.py in {folder}; nearest studies: {', '.join(there[name] for name in near) or 'none'}"
        )
    root = folder.parent.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    module = importlib.import_module(".".join([*folder.relative_to(root).parts, "study"]))
    if (found := Path(str(module.__file__)).resolve()) != folder / "study.py":
        raise ImportError(f"{folder} has the name of an installed package ({found}): rename the folder")
    if not hasattr(module, name):
        raise ValueError(f"{folder / 'study.py'} has no function {name!r}, which this command calls")
    function: Callable[..., Any] = getattr(module, name)
    return function


def _studies(folder: Path, preset: str, out: Path, only: str | None) -> dict[str, Any]:
    studies: dict[str, Any] = _function(folder, "studies")(preset, out)
    if only is not None and only not in studies:
        near = get_close_matches(only, studies, n=1) or "none"
        raise ValueError(f"no network {only!r} in {folder}; there are {', '.join(studies)}; nearest: {near}")
    return {name: study for name, study in studies.items() if only in (None, name)}


def _output(analysis: Path, preset: str) -> Path:
    return Path("output") / analysis.resolve().name / preset


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


if __name__ == "__main__":
    main()
