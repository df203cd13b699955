"""The command `import`: networks of other frameworks as bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortado.cli.terminal import console, show

imports = typer.Typer(no_args_is_help=True, help="Make bundles of networks of other frameworks; nothing is executed.")


@imports.command()
def weaver(
    data_config: Annotated[Path, typer.Option(help="data configuration of the training, YAML")],
    weights: Annotated[Path, typer.Option(help="weights that it has saved, NAME_best_epoch_state.pt")],
    jets: Annotated[
        Path, typer.Option(help="an ntuple of the kind that weaver reads: its first jets are the check of the bundle")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="NAME.cortado")],
    network: Annotated[
        Path | None, typer.Option(help="network file: numbers that weights do not tell are read, it is never run")
    ] = None,
    preprocess: Annotated[
        Path | None, typer.Option(help="preprocess.json of its export, for automatic standardisation")
    ] = None,
    signal: Annotated[str | None, typer.Option(help="label whose probability is the score; of two the second")] = None,
    neighbours: Annotated[
        int | None, typer.Option(min=1, help="of a constituent, if --network does not say it")
    ] = None,
    tree: Annotated[str | None, typer.Option(help="name of the tree of --jets")] = None,
    no_selection: Annotated[
        bool, typer.Option("--no-selection", help="score all jets, not those of the configuration's selection alone")
    ] = False,
) -> None:
    """Make a bundle of a ParticleNet that weaver-core has trained; its scores are those of weaver --predict.

    Formulas of the data configuration travel in the bundle, so that cortado score needs nothing else: new_variables,
    inputs with their scaling, and the selection, whose other jets score NaN. Labels are the classes. Weights and
    observers are left out.

    Example: [cyan]cortado import weaver --data-config top.yaml --network net.py --weights net.pt --jets top.root -o
    top.cortado[/]
    """
    with console.status(f"importing {weights}"):
        from cortado.importing import from_weaver

        made = from_weaver(
            data_config,
            weights,
            out,
            jets=jets,
            network=network,
            preprocess=preprocess,
            signal=signal,
            neighbours=neighbours,
            tree=tree,
            select=not no_selection,
        )
    for note in made.notes:
        show(note)
    show(f"wrote {made.path}: classes {', '.join(made.use.classes)}, the score is that of {made.use.signal}")
