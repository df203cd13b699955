"""Python files of the user's own: studies, and the classes and readers that `--module` gives to a command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import typer

from cortado.names import nearest
from cortado.own_files import imported

READER = ("NAME", "FORMS", "branches", "record")
"""What a module needs to be a reader, see `cortado.readers`."""

Modules = Annotated[
    list[Path] | None,
    typer.Option(
        "--module", help="Python file with representations, models, uses or a reader of your own; can be repeated"
    ),
]
DialectName = Annotated[
    str | None, typer.Option("--dialect", help="of the ntuple, if it shall not be guessed; NAME of a reader")
]
Lengths = Annotated[
    Literal["mm", "cm"] | None,
    typer.Option(help="unit of the impact parameters that the network was shown; for old bundles that do not say it"),
]


def classes(modules: Iterable[Path] | None) -> dict[str, Any]:
    """Classes that bundles may use: representations, models, uses, as `cortado.load` takes them.

    Those of a module are what its `__all__` lists, or all that are defined in it.

    Args:
        modules: Python files.
    """
    every = [each for file in modules or () for each in _classes_of(_module(file))]
    models = tuple(each for each in every if hasattr(each, "state_dict"))
    uses = tuple(each for each in every if hasattr(each, "answers") and hasattr(each, "columns"))
    others = tuple(each for each in every if each not in (*models, *uses))
    return {"representations": others, "models": models, "uses": uses}


def reader(modules: Iterable[Path] | None, name: str | None) -> str | ModuleType | None:
    """The dialect of the ntuples, as `cortado.reading` takes it: a reader of the user's own is the one that is used.

    Args:
        modules: Python files, of which any may be a reader.
        name: Of the dialect that is wanted: one of them or of `cortado.readers`.
    Raises:
        ValueError: If there are several readers, and none is named.
    """
    every = [_module(file) for file in modules or ()]
    own = {module.NAME: module for module in every if all(hasattr(module, part) for part in READER)}
    if name is not None:
        return own.get(name, name)
    if len(own) > 1:
        raise ValueError(f"--module gives the readers {', '.join(own)}: --dialect NAME says which reads the files")
    return next(iter(own.values()), None)


@contextmanager
def told_of_module() -> Iterator[None]:
    """Have errors about classes that a bundle needs name the option of the commands.

    Raises:
        ValueError: The same in these words.
    """
    try:
        yield
    except ValueError as error:
        said = re.sub(r"pass \w+=\((\w+),\)", r"name the file that defines \1: --module FILE.py", str(error))
        raise ValueError(said) from error


def _module(file: Path) -> ModuleType:
    path = file.resolve()
    if path.suffix != ".py":
        raise ValueError(f"--module {file}: a Python file, NAME.py, is needed")
    if not path.is_file():
        there = sorted(other.name for other in path.parent.glob("*.py"))
        raise FileNotFoundError(f"--module {file} does not exist; in its folder, {nearest(path.name, there)}")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for what it imports from beside it; behind all packages
    return imported(path)


def _classes_of(module: ModuleType) -> list[type]:
    listed: Any = getattr(module, "__all__", None)
    if listed is not None:
        return [each for name in listed if isinstance(each := getattr(module, name), type)]
    return [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
