"""What is printed, and how far a command has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False, soft_wrap=True, emoji=False)
_MINUTE = 60.0  # s
errors = Console(highlight=False, soft_wrap=True, emoji=False, stderr=True)


def show(text: str) -> None:
    """Print what a file says as plain text: neither markup nor commands to the terminal are obeyed."""
    console.print(plain(text), markup=False)


def plain(text: str) -> str:
    """A text with escapes, as `\\x1b`, in the place of characters that a terminal would obey."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar in a terminal; gives the function that moves it on by a number of steps."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def steady_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar in a terminal, elsewhere a line a minute.

    Gives the function that is told what is done, and of how much. In a log of a batch system bars would be illegible,
    and silence looks like a job that hangs.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    begin = said = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            nonlocal said
            bar.update(task, completed=done, total=total)
            if not console.is_terminal and time.monotonic() - said > _MINUTE:
                said = time.monotonic()
                share = f" ({done / total:.0%})" if total else ""
                errors.print(f"{what}: {done:,} of {total:,} entries{share} after {said - begin:.0f} s", markup=False)

        yield advance
