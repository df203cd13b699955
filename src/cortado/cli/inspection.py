"""The command `inspect`: what a file is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cortado.cli import own
from cortado.cli.terminal import console, plain, show

_LONGEST = 80  # letters of a value


def inspect(
    path: Annotated[str, typer.Argument(help="a bundle, or an ntuple, also as a URL")],
    tree: Annotated[str | None, typer.Option(help="name of the tree of an ntuple")] = None,
    module: own.Modules = None,
    dialect: own.DialectName = None,
    lengths: own.Lengths = None,
) -> None:
    """Say what a file is: the making of a bundle, or the dialect and size of an ntuple.

    Example: [cyan]cortado inspect w_tagger.cortado[/]
    """
    # A URL is no Path, which would take away one of its slashes.
    if path.endswith(".cortado") or Path(path, "bundle.json").is_file():
        if tree or dialect:
            raise ValueError(f"{path} is a bundle: --tree and --dialect are for ntuples")
        _inspect_bundle(Path(path), module, lengths)
    else:
        _inspect_ntuple(path, tree, own.reader(module, dialect))


def _inspect_bundle(path: Path, modules: own.Modules, lengths: own.Lengths) -> None:
    with console.status(f"loading {path}"), own.told_of_module():
        from cortado import bundle as bundles
        from cortado.bundle import domain as domains
        from cortado.models import OnnxNetwork

        bundle = bundles.load(path, lengths=lengths, **own.classes(modules))
    parameters = sum(weight.numel() for weight in bundle.model.parameters())
    show(f"{path}: {type(bundle.model).__name__}, {parameters:,} parameters")
    if isinstance(bundle.model, OnnxNetwork):
        show(f"{'engine':16} onnxruntime, a graph of {bundle.model.file.numel():,} bytes")
    show(f"{'representation':16} {_short(bundle.representation)}")
    show(f"{'gives':16} {_short(bundle.use)}")
    show(f"{'units':16} GeV, rad, lengths in {bundle.lengths}")
    for key in ("samples", "dialect", "objects", "jets", "split", "fold", "seed", "metrics", "git_revision", "cortado"):
        if bundle.provenance.get(key) is not None:
            show(f"{key:16} {bundle.provenance[key]}")
    if "domain" in bundle.provenance and (known := domains.from_json(bundle.provenance["domain"])).quantities:
        console.print(_domain(known))
    if bundle.working_points:
        console.print(_working_points(bundle.working_points))
    for alarm in bundle.alarms:
        show(f"{'alarm':16} {alarm}")
    show(f"{path} is sound: its canary is answered as it was when it was written")


def _short(described: Any) -> str:
    """A dataclass in words; of long values, as the windows of a graph, the beginning."""
    values = {field.name: repr(getattr(described, field.name)) for field in dataclasses.fields(described)}
    given = (f"{name}={text if len(text) <= _LONGEST else text[:_LONGEST] + ' ...'}" for name, text in values.items())
    return f"{type(described).__name__}({', '.join(given)})"


def _domain(known: Any) -> Table:
    """What the training has seen: the range and the middle of each quantity that is watched."""
    import numpy as np

    table = Table("made for", "smallest", "5 %", "half", "95 %", "largest")
    for name, (low, high), edges, members in zip(known.quantities, known.ranges, known.edges, known.members):
        shares = (members / members.sum(axis=1, keepdims=True)).mean(axis=0)  # classes weigh alike
        # The lower end of the bin in which a level lies; bins hold a twentieth each.
        bins = [int(np.argmax(np.cumsum(shares) > level + 0.02)) for level in (0.05, 0.5, 0.95)]
        ends = (low, *(edges[k - 1] if k else low for k in bins), high)
        table.add_row(Text(plain(name)), *(f"{value:.4g}" for value in ends))
    return table


def _working_points(points: Any) -> Table:
    table = Table("working point", "threshold", "signal efficiency", "mistag rate")
    for point in points:
        table.add_row(
            Text(plain(point.name)),
            f"{point.threshold:.4f}",
            f"{point.efficiency:.4f} ± {point.efficiency_err:.4f}",
            f"{point.mistag:.5f} ± {point.mistag_err:.5f}",
        )
    return table


def _inspect_ntuple(path: str, tree: str | None, dialect: Any) -> None:
    with console.status(f"opening {path}"):
        from cortado import ntuples, readers

        tree = ntuples.find_tree(path, tree)
        branches = ntuples.branch_names(path, tree)
        entries = ntuples.num_entries(path, tree)
    show(f"{path}: tree {tree}, {entries:,} entries, {len(branches)} branches")
    note = ntuples.read_note(path, "cortado") if path.endswith((".root", ".parquet")) else None
    if scored := json.loads(note or "{}").get("input"):
        for each in scored["bundles"]:
            show(f"tree {each['tree']}: {each['bundle']}, entry by entry beside the tree {scored['tree']} of an ntuple")
        show(f"columns of {tree} are {', '.join(branches)}; ntuples.friend reads them beside the ntuple")
        return
    reader = readers.dialect(branches, path, name=dialect)
    used = reader.branches(branches)
    show(f"{reader.NAME}; read are {', '.join(used)}")
