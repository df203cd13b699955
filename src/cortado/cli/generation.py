"""The command `generate`: showers of a trained generator, as many as wanted, in the form of simulated ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cortado.cli import own
from cortado.cli.terminal import console, progress


def energy_range(text: str) -> tuple[float, float]:
    """Read "1:100" or "50" [GeV].

    Raises:
        ValueError: If it is neither.
    """
    low, _, high = text.partition(":")
    try:
        ends = float(low), float(high or low)
    except ValueError as error:
        raise ValueError(f"energy = {text!r}, required: LOW:HIGH or one energy in GeV, such as 1:100 or 50") from error
    if not 0 < ends[0] <= ends[1] < float("inf"):
        raise ValueError(f"energy = {text!r}, required: positive energies in rising order, such as 1:100")
    return ends


def generate(
    bundle: Annotated[Path, typer.Argument(help="NAME.cortado of a shower generator")],
    out: Annotated[Path, typer.Option(help="NAME.root, or NAME.h5 in CaloGAN's layout")],
    n: Annotated[int, typer.Option(min=1, help="showers to make")] = 10_000,
    energy: Annotated[str, typer.Option(help="incident energies [GeV], LOW:HIGH or one number")] = "1:100",
    spectrum: Annotated[str, typer.Option(help="uniform or log-uniform")] = "uniform",
    seed: Annotated[int, typer.Option(min=0, help="same seed, same showers, however many are made")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="showers made at once")] = 1024,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16")] = "float32",
    extrapolate: Annotated[bool, typer.Option(help="allow energies outside those of the training")] = False,
    module: own.Modules = None,
) -> None:
    """Make showers with a trained generator, streamed to a file that reads like a simulated one.

    Example: [cyan]cortado generate flow_matching.cortado --n 1000000 --energy 1:100 --out showers.root[/]
    """
    energies = energy_range(energy)
    with console.status(f"loading {bundle}"), own.told_of_module():
        from cortado import ntuples
        from cortado.readers import calogan
        from cortado.scoring import ShowerGenerator

        settings: dict[str, Any] = {"batch_size": batch, "device": device, "precision": precision}
        generator = ShowerGenerator.load(bundle, extrapolate=extrapolate, **settings, **own.classes(module))
    with progress(f"generating with {bundle.name}", n) as advance:

        def chunks() -> Iterator[dict[str, Any]]:
            for showers in generator.sample(n, energies, spectrum=spectrum, seed=seed):  # type: ignore[arg-type]
                yield calogan.columns_of(showers, is_generated=True)
                advance(len(showers))

        if out.suffix in (".h5", ".hdf5"):
            ntuples.write_hdf5(out, chunks())
        else:
            ntuples.write(out, "showers", chunks())
    console.print(f"wrote {out}: {n:,} showers of {energies[0]:g} to {energies[1]:g} GeV", markup=False)
