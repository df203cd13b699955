"""The command `import`: networks of other frameworks as bundles."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated, Any

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


@imports.command()
def onnx(
    path: Annotated[Path, typer.Argument(help="NAME.onnx")],
    jets: Annotated[Path, typer.Option(help="an ntuple: its first objects are the check of the bundle")],
    out: Annotated[Path, typer.Option("--out", "-o", help="NAME.cortado")],
    representation: Annotated[
        str | None,
        typer.Option(help="what the network takes, as in Python: 'PointCloud(max_constituents=64)'"),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="names of the classes, in the order of the output: qcd,top")
    ] = None,
    signal: Annotated[str | None, typer.Option(help="class whose probability is the score; of two the second")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="ARRAY=INPUT where names of representation and network differ; can be repeated"),
    ] = None,
    output: Annotated[str | None, typer.Option(help="name of the output; logits, or the only one")] = None,
    collection: Annotated[str, typer.Option(help="what is scored: jets, ak4_jets, showers")] = "jets",
    tree: Annotated[str | None, typer.Option(help="name of the tree of --jets")] = None,
) -> None:
    """Make a bundle of a tagger that is an ONNX file; onnxruntime runs it wherever the bundle is used (extra onnx).

    Files of cortado export know their representation and classes. Of others they are given; names, shapes and types
    are compared on the first objects.

    Example: [cyan]cortado import onnx top.onnx --jets nano.root -o top.cortado[/]

    Example: [cyan]cortado import onnx net.onnx --jets nano.root --representation "ParticleList()" --classes qcd,top -o
    net.cortado[/]
    """
    with console.status(f"importing {path}"):
        from cortado.importing import from_onnx

        made = from_onnx(
            path,
            out,
            jets=jets,
            representation=None if representation is None else _described(representation),
            classes=classes.split(",") if classes else (),
            signal=signal,
            inputs=dict(_pair(each) for each in inputs or ()),
            output=output,
            collection=collection,
            tree=tree,
        )
    for note in made.notes:
        show(note)
    show(f"wrote {made.path}: classes {', '.join(made.use.classes)}, the score is that of {made.use.signal}")


def _pair(given: str) -> tuple[str, str]:
    name, equals, other = given.partition("=")
    if not (name and equals and other):
        raise ValueError(f"--input {given}: required is ARRAY=INPUT, such as mask=pf_mask")
    return name, other


def _described(text: str) -> Any:
    """One of our representations, of plain arguments.

    Raises:
        ValueError: If it is no such call.
    """
    from cortado import representations
    from cortado.names import require_one_of

    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("no call by keywords")
        arguments = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"--representation {text}: {error}; required: a name and plain arguments, PointCloud(max_constituents=64)"
        ) from error
    require_one_of("--representation", call.func.id, representations.__all__)
    return getattr(representations, call.func.id)(**arguments)
