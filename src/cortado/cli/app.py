"""The command line: its commands, and what it says of errors."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cortado.cli.analysis import plot, run
from cortado.cli.converting import convert
from cortado.cli.exporting import export
from cortado.cli.generation import generate
from cortado.cli.importing import imports
from cortado.cli.inspection import inspect
from cortado.cli.monitoring import monitor
from cortado.cli.samples import fetch, simulate
from cortado.cli.scoring import score
from cortado.cli.terminal import console, errors
from cortado.cli.told import told
from cortado.cli.training import train


class _Commands(TyperGroup):
    """The commands. An error of any type is a few readable lines and exit code 1, without a traceback: see `told`."""

    def invoke(self, ctx: Any) -> Any:
        arguments = list(ctx.args)  # the command takes them away
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as stop:
            errors.print(str(stop) or "interrupted", markup=False)
            raise typer.Exit(130) from stop
        except Exception as error:
            is_usage = hasattr(error, "show")  # of typer, which tells it itself
            if os.environ.get("CORTADO_TRACEBACK") or is_usage:
                raise
            errors.print(f"[bold red]{type(error).__name__}[/]:", end=" ")
            for line in told(error, arguments):
                errors.print(line, markup=False)
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
for command in (simulate, fetch, convert, train, score, generate, run, plot, monitor, export, inspect):
    app.command()(command)
app.add_typer(imports, name="import")


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


def main() -> None:
    """Run the command."""
    app(prog_name="cortado")
