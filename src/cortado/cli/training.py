"""The command `train`: bundles of the networks of a study."""

from pathlib import Path
from typing import Annotated

import typer

from cortado.cli import studies
from cortado.cli.terminal import console


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
    folder = out or studies.output(study, preset)
    networks = studies.networks(study, preset, folder, only)

    from cortado import training

    for name, chosen in networks.items():
        console.print(f"[bold]{name}[/]")
        training.train(chosen, folder / name, resume=resume, accelerator=accelerator, devices=devices)
    console.print(f"wrote {len(networks)} bundles to {folder}: {', '.join(networks)}", markup=False)
