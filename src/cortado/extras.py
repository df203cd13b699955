"""Packages that only parts of cortado need: extras of its installation, and what is said where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["extra"]


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Have imports in a `with` block say which extra has the package that is missing, and how it is installed.

    Args:
        name: Of the extra, in pyproject.toml.
        what: What needs it: the beginning of a sentence.
    Raises:
        ImportError: If a package that is not ours is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "cortado"):
            raise
        raise ImportError(
            f'{what} needs {package}, of the extra `{name}`: pip install ".[{name}]" in your clone of cortado'
        ) from error
