"""Files that are written whole or not at all."""

from __future__ import annotations

import glob
import os
import platform
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]

_HOST = re.sub(r"\W", "-", platform.node()) or "here"
_WRITER = re.compile(r"\.(?P<host>[\w-]+)\.(?P<pid>\d+)\.[0-9a-f]{8}\.\w+$")


@contextmanager
def replacing(path: str | os.PathLike[str], *, suffix: str = ".partial") -> Iterator[Path]:
    """Write a file whole or not at all: yields a temporary name in the same folder, renamed at the end.

    On any exception, Ctrl-C included, the temporary file is removed and an earlier file of that name stays. What a
    writer left behind that was killed is removed by the next writer of that name on the same machine.

    Args:
        path: The file.
        suffix: Of the temporary name, for libraries that ask for their own.

    Raises:
        FileNotFoundError: If the folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: the folder {target.parent} does not exist")
    for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
        if _is_abandoned(left.name):
            left.unlink(missing_ok=True)
    partial = target.with_name(f".{target.name}.{_HOST}.{os.getpid()}.{uuid.uuid4().hex[:8]}{suffix}")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _is_abandoned(name: str) -> bool:
    """Whether a temporary file is of a process of this machine that has ended."""
    writer = _WRITER.search(name)
    if writer is None or writer["host"] != _HOST or os.name != "posix":
        return False
    try:
        os.kill(int(writer["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is somebody else's
        return False
    return False
