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
from cortado.cli.inspection import inspect
from cortado.cli.monitoring import monitor
from cortado.cli.places import place
from cortado.cli.samples import fetch, simulate
from cortado.cli.scoring import score
from cortado.cli.terminal import console, errors
from cortado.cli.training import train

TOLD = (OSError, ValueError, KeyError, ImportError, RuntimeError)
"""Errors that say themselves what is wrong; of others, only those in the user's own files can be told."""


class _Commands(TyperGroup):
    """The commands. An error that a user can mend is one readable line and exit code 1, without a traceback.

    An error of the user's own code, such as a study.py, has a second line: where it is.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as stop:
            errors.print(str(stop) or "interrupted", markup=False)
            raise typer.Exit(130) from stop
        except Exception as error:
            told, where = isinstance(error, TOLD), place(error)
            if os.environ.get("CORTADO_TRACEBACK") or not (told or where):
                raise
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            errors.print(f"[bold red]{type(error).__name__}[/]:", end=" ")
            errors.print(str(text), markup=False)
            if where and (where.raised_here or not told):
                errors.print(f"  {where.file}, line {where.line}: {where.code}", markup=False)
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
