"""The command `train`: bundles of the networks of a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cortado.cli import studies
from cortado.cli.terminal import console


def train(
    study: Annotated[Path, typer.Argument(help="folder with a study.py")],
    out: Annotated[Path | None, typer.Option(help="folder of the trainings")] = None,
    preset: Annotated[str, typer.Option(help="preset of the study")] = "quick",
    only: Annotated[str | None, typer.Option(help="train this network alone")] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="train each network as often, each time without one part of the events; default: as the study says",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option(help="go on after an interruption")] = False,
    accelerator: Annotated[str, typer.Option(help="cpu, gpu or auto")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="devices to train on")] = 1,
) -> None:
    """Train the networks of a study on its samples and write their bundles.

    With folds, `cortado score OUT/NETWORK` scores each event by the training that has not seen it.

    Example: [cyan]cortado train analyses/w_tagging --only particlenet_lite --resume[/]

    Example: [cyan]cortado train analyses/w_tagging --only pfn --folds 5[/]
    """
    folder = out or studies.output(study, preset)
    networks = studies.networks(study, preset, folder, only)
    if folds is not None:
        networks = {name: _with_folds(chosen, folds) for name, chosen in networks.items()}

    from cortado import training

    for name, chosen in networks.items():
        console.print(f"[bold]{name}[/]")
        run: Any = training.train if chosen.objects.folds is None else training.train_folds
        run(chosen, folder / name, resume=resume, accelerator=accelerator, devices=devices)
    if alone := [name for name, chosen in networks.items() if chosen.objects.folds is None]:
        console.print(f"wrote to {folder}: {', '.join(f'{name}/{name}.cortado' for name in alone)}", markup=False)
    for name, chosen in networks.items():
        if number := chosen.objects.folds:
            console.print(f"wrote {number} bundles to {folder / name}, fold0 to fold{number - 1}", markup=False)


def _with_folds(study: Any, folds: int) -> Any:
    """A study with as many folds.

    Raises:
        ValueError: If it has another number of them.
    """
    if study.objects.folds not in (None, folds):
        raise ValueError(f"--folds {folds}: the study {study.name!r} has folds = {study.objects.folds}")
    return replace(study, objects=replace(study.objects, folds=folds))
