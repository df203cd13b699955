"""Which code made a bundle: the revisions of the study's own files and of cortado, where they are kept by git."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cortado import __version__
from cortado.training.identity import is_own
from cortado.training.study import Study

__all__ = ["revisions"]

_PACKAGE = Path(__file__).resolve().parents[1]


def revisions(study: Study) -> dict[str, Any]:
    """For the provenance: revision of the repository that the study's file belongs to, version and revision of cortado.

    None where a file is in no repository; a repository in which it merely lies does not count.
    """
    files = dict.fromkeys(_own_files(study))
    known = (found for file in files if (found := revision_of(file)) is not None)
    ours = {"version": __version__, "git_revision": revision_of(Path(__file__).resolve())}
    return {"git_revision": next(known, None), "cortado": ours}


def revision_of(file: Path) -> str | None:
    """Revision of the repository that keeps a file, "-dirty" with changes; None if none does."""
    git = ["git", "-C", str(file.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", file.name], capture_output=True, check=True)
        described = [*git, "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(described, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None


def _own_files(value: Any) -> Iterator[Path]:
    """Files of the user's own functions and classes that a study is made of, then the script that runs."""
    yield from _files_of(value)
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None and not Path(script).resolve().is_relative_to(_PACKAGE):
        yield Path(script).resolve()


def _files_of(value: Any) -> Iterator[Path]:
    if isinstance(value, types.FunctionType | type):
        file = value.__code__.co_filename if isinstance(value, types.FunctionType) else _file_of_class(value)
        if file is not None and is_own(value) and Path(file).is_file():
            yield Path(file).resolve()
    elif isinstance(value, functools.partial):
        yield from _files_of((value.func, *value.args, value.keywords))
    elif dataclasses.is_dataclass(value):
        yield from _files_of((type(value), *(getattr(value, field.name) for field in dataclasses.fields(value))))
    elif isinstance(value, Mapping):
        yield from _files_of(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _files_of(each)


def _file_of_class(value: type) -> str | None:
    return getattr(sys.modules.get(value.__module__), "__file__", None)
