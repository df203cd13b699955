"""Python files of the user's own, imported by their path: nothing that lies beside them takes the place of a library.

`study.py` in the folder `my.study` becomes the module `users_own.my_study.study`, whatever packages are called. Worker
processes find it by the same name: they inherit the list of the paths in an environment variable.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["LISTED", "imported", "install"]

LISTED = "CORTADO_OWN_FILES"
_ROOT = "users_own"


def imported(file: Path) -> ModuleType:
    """The module of a Python file; its folder is a package, from which it may import (`from .networks import ...`).

    Args:
        file: Absolute path.
    """
    install()
    folder = _listed(f"{_ROOT}.{_plain(file.parent.name)}", file.parent)
    return importlib.import_module(_listed(f"{folder}.{_plain(file.stem)}", file))


def install() -> None:
    """Have Python ask here for names that nothing else has."""
    if not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.append(_Finder())


class _Finder:
    """Of the files and folders that are listed in the environment."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Where a module is; None if it is not one of these."""
        if name == _ROOT:
            return _package(name, [])
        place = _places().get(name)
        if place is None:
            return None
        if not os.path.isdir(place):
            return importlib.util.spec_from_file_location(name, place)
        start = os.path.join(place, "__init__.py")
        if os.path.isfile(start):
            return importlib.util.spec_from_file_location(name, start, submodule_search_locations=[place])
        return _package(name, [place])


def _package(name: str, folders: list[str]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec


def _places() -> dict[str, str]:
    places: dict[str, str] = json.loads(os.environ.get(LISTED, "{}"))
    return places


def _listed(name: str, path: Path) -> str:
    """The name of a path: the one that it has, or the first that is free."""
    places, names = _places(), [name, *(f"{name}_{number}" for number in range(2, 1000))]
    free = next(each for each in names if places.get(each, str(path)) == str(path))
    os.environ[LISTED] = json.dumps({**places, free: str(path)})
    return free


def _plain(name: str) -> str:
    """A name without dots, which would be those of packages."""
    return name.replace(".", "_") or "root"
