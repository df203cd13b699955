"""Commands of a whole analysis: `run` makes everything, `plot` draws its figures again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortado.cli import studies
from cortado.cli.terminal import console


def run(
    analysis: Annotated[Path, typer.Argument(help="folder with a study.py")],
    preset: Annotated[str, typer.Option(help="quick, or full for the numbers in the study's README")] = "quick",
    files: Annotated[list[str] | None, typer.Option(help="run the trained taggers on these files instead")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of everything that is made")] = None,
    executor: Annotated[str, typer.Option(help="iterative, futures, dask or parsl")] = "futures",
    workers: Annotated[int, typer.Option(min=1, help="worker processes")] = 2,
    scheduler: Annotated[str | None, typer.Option(help="address of a running dask scheduler")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="folder that keeps the result of each chunk, so that a killed run goes on")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="for the trainings: cpu, gpu or auto")] = "auto",
) -> None:
    """Run an analysis from samples to plots; what is there already is not made again.

    Example: [cyan]cortado run analyses/w_tagging --preset full --executor dask --scheduler tcp://head:8786[/]
    """
    made = studies.function(analysis, "run")
    from cortado.processors import require_executor

    require_executor(executor, scheduler)
    folder = out or studies.output(analysis, preset)
    made(
        preset=preset,
        folder=folder,
        files=tuple(files or ()),
        executor=executor,
        workers=workers,
        scheduler=scheduler,
        accelerator=accelerator,
        **({} if checkpoints is None else {"checkpoints": checkpoints}),
    )


def plot(
    analysis: Annotated[Path, typer.Argument(help="folder with a study.py")],
    preset: Annotated[str, typer.Option(help="preset that was run")] = "quick",
    out: Annotated[Path | None, typer.Option(help="folder of the run")] = None,
    plots: Annotated[Path | None, typer.Option(help="folder of the figures; default: OUT/plots")] = None,
) -> None:
    """Draw the figures of a finished run again, from its saved histograms and metrics.

    Example: [cyan]cortado plot analyses/w_tagging --plots plots[/]
    """
    folder = out or studies.output(analysis, preset)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist: `cortado run {analysis} --preset {preset}` makes it")
    plots = plots or folder / "plots"
    with console.status("drawing"):
        figures = studies.function(analysis, "plot")(folder, plots)
    console.print(f"wrote {len(figures)} figures to {plots}", markup=False)
