"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path: str | os.PathLike[str], *, suffix: str = ".partial") -> Iterator[Path]:
    """Write a file whole or not at all: yields a temporary name in the same folder, renamed at the end.

    On any exception, Ctrl-C included, the temporary file is removed and an earlier file of that name stays.

    Args:
        path: The file.
        suffix: Of the temporary name, for libraries that ask for their own.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: the folder {target.parent} does not exist")
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}{suffix}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
