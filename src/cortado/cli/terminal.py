"""What is printed, and how far a command has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False, soft_wrap=True, emoji=False)
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
