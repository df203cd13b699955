"""The command `export`: bundles for other runtimes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Annotated, Literal

import typer

from cortado.cli import own
from cortado.cli.terminal import console


def export(
    bundle: Annotated[Path, typer.Argument(help="NAME.cortado")],
    format: Annotated[
        Literal["onnx", "pt2", "correctionlib"],
        typer.Option(
            help="onnx: ONNX (extra export); pt2: torch.export; correctionlib: perceptrons as a correction file"
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="file to write; default: NAME.onnx, NAME.pt2 or NAME.json beside the bundle"),
    ] = None,
    module: own.Modules = None,
    lengths: own.Lengths = None,
) -> None:
    """Write a bundle for other runtimes, and compare it with the original on the canary before it is put in place.

    The file takes what the representation makes of the objects, before scaling, under the names of its fields, any
    number of objects and constituents; it gives the answers of the bundle by name. Its metadata hold the description of
    the bundle (representation, working points) as JSON under "cortado". Of a generator it takes energies and noise.

    A correction file holds a perceptron on numbers of an object, and the thresholds and efficiencies of its working
    points: one correction for each class. It takes the numbers one by one.

    Example: [cyan]cortado export w_tagger.cortado --format onnx -o w_tagger.onnx[/]
    """
    endings = {"onnx": (".onnx",), "pt2": (".pt2",), "correctionlib": (".json", ".json.gz")}[format]
    target = out or bundle.with_suffix(endings[0])
    if not target.name.endswith(endings):
        raise ValueError(f"{target} is not NAME{' or NAME'.join(endings)}, as --format {format} writes")
    with console.status(f"exporting {bundle}"), own.told_of_module(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from cortado import export as exports  # and torch, which sets all levels anew

        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells which packages it did not need
        writers = {"onnx": exports.to_onnx, "pt2": exports.to_torch_export, "correctionlib": exports.to_correctionlib}
        done = writers[format](bundle, target, lengths=lengths, **own.classes(module))
    size = f"{done.path.stat().st_size / 1e3:,.0f} kB"
    console.print(
        f"wrote {done.path}, {size}: differs on the canary by at most {done.difference:.1g} from {bundle}", markup=False
    )
