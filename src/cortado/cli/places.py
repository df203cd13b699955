"""Where in the user's own files an error comes from."""

from __future__ import annotations

import linecache
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import NamedTuple

OURS = Path(__file__).resolve().parents[1]
INSTALLED = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class Place(NamedTuple):
    """A line of a file.

    Attributes:
        file: Its path.
        line: Its number.
        code: The line itself.
        raised_here: The line raises the error, not something that it calls.
    """

    file: str
    line: int
    code: str
    raised_here: bool


def place(error: BaseException) -> Place | None:
    """The innermost line of the user's own that an error has passed; None if there is none."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        code = (error.text or linecache.getline(error.filename, error.lineno)).strip()
        return Place(error.filename, error.lineno, code, True) if _is_own(error.filename) else None
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<frozen")]
    for frame in reversed(frames):
        if _is_own(frame.filename):
            return Place(frame.filename, frame.lineno or 0, frame.line or "", frame is frames[-1])
    return None


def innermost(error: BaseException) -> Place | None:
    """The line of cortado that an error has passed last, or else that which raised it, in whatever library."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(OURS)]
    for frame in reversed(ours or frames):
        return Place(frame.filename, frame.lineno or 0, frame.line or "", frame is frames[-1])
    return None


def _is_own(filename: str) -> bool:
    path = Path(filename).resolve()
    if not path.is_file() or path == Path(sys.argv[0]).resolve():
        return False
    return not any(path.is_relative_to(folder) for folder in (OURS, *INSTALLED))
