"""What a command says of an error: a few lines with the cause and the files, whatever its type."""

from __future__ import annotations

from collections.abc import Sequence
from glob import has_magic
from pathlib import Path

from cortado.cli.places import OURS, innermost, place

MOST_LINES, LONGEST = 5, 700  # lines, letters of a line
SAYS_ITSELF = (OSError, ValueError, KeyError, ImportError, RuntimeError)
"""Types of errors that our rooms raise with a message; of others the line that raises them tells more."""
OUTPUTS = ("--out", "-o", "--plots", "--module")
HINT = "  CORTADO_TRACEBACK=1 shows all of it"


def told(error: BaseException, arguments: Sequence[str]) -> list[str]:
    """The message, where in the user's own code it was, and the files of the command, if nothing named them.

    Args:
        error: Of any type.
        arguments: Of the command.
    Returns:
        At most five lines, to be printed behind the type of the error.
    """
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    message = [line.rstrip() for line in text.splitlines() if line.strip()] or ["it says nothing more"]
    behind = [f"  {note.splitlines()[0]}" for note in getattr(error, "__notes__", ())[:1]]
    says_itself, where = isinstance(error, SAYS_ITSELF) and bool(str(error)), place(error)
    if where and (where.raised_here or not says_itself):
        behind.append(f"  {where.file}, line {where.line}: {where.code}")
    elif not says_itself and (inner := innermost(error)):
        behind.append(f"  {_short(inner.file)}, line {inner.line}: {inner.code}")
    every = "\n".join((*message, *behind))
    if (files := _inputs(arguments)) and not any(_name(file) in every for file in files):
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        behind.append(f"  while at {', '.join(files[:3])}{more}")
    return _few(message, behind, with_hint=not (says_itself or where))


def _few(message: list[str], behind: list[str], *, with_hint: bool) -> list[str]:
    """The first lines of a message and its last one, which says what to do, before what else is known."""
    room = MOST_LINES - len(behind) - with_hint
    if len(message) > room:
        with_hint, room = True, MOST_LINES - len(behind) - 1
        message = [*message[: room - 1], message[-1]] if room > 1 else message[:1]
    lines = [*message, *behind, *([HINT] if with_hint else [])]
    return [line if len(line) <= LONGEST else f"{line[:LONGEST]} ..." for line in lines]


def _inputs(arguments: Sequence[str]) -> list[str]:
    """Arguments that are files to be read; folders are studies, which errors name themselves."""
    before = ("", *arguments)
    given = [each for each, option in zip(arguments, before) if option not in OUTPUTS]
    return [each for each in given if "://" in each or has_magic(each) or _path(each).is_file()]


def _name(given: str) -> str:
    return given if has_magic(given) else _path(given).name


def _path(given: str) -> Path:
    """Of a file, with or without a tree behind it."""
    return Path(given) if Path(given).exists() else Path(given.rpartition(":")[0])


def _short(file: str) -> str:
    return str(Path(file).relative_to(OURS.parent)) if Path(file).is_relative_to(OURS.parent) else file
