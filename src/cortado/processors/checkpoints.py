"""Results of chunks on disk, so that a run goes on where it was stopped.

A result is that of its entries, its processor and all that the processor holds: bundles by their fingerprints,
settings, and the source of the user's own modules. Where any of these differs, the chunk is worked on again.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
from coffea.processor.executor import WorkItem
from coffea.util import load, save

from cortado.files import replacing

__all__ = ["identity", "keep", "kept", "place"]

_LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_OURS = Path(__file__).resolve().parents[1]


def identity(instance: Any, schema: Any) -> str:
    """What makes the results of a processor: its class, what it holds, the user's own code, versions.

    Comments and blank lines do not count, nor does what a script does outside of its functions and classes, unless
    these name it. A processor that holds sets of texts may have another identity in each process.
    """
    digest = hashlib.sha256()
    for name in ("cortado", "coffea"):
        digest.update(f"{name} {version(name)}\n".encode())
    digest.update(f"{type(instance).__qualname__} {getattr(schema, '__qualname__', schema)}\n".encode())
    digest.update(cloudpickle.dumps(getattr(instance, "__dict__", repr(instance))))
    for module in _own_modules(type(instance)):
        digest.update(module.encode())
    return digest.hexdigest()


def _own_modules(of: type) -> Iterator[str]:
    """Code of the modules that are neither installed nor ours, and of the class itself where it has no file."""
    modules = {name: each for name, each in sys.modules.items() if isinstance(each, ModuleType) and _is_own(each)}
    yield from (_code(Path(str(each.__file__)).read_text(), name) for name, each in sorted(modules.items()))
    if of.__module__ not in modules:
        try:
            yield inspect.getsource(of)
        except (OSError, TypeError):
            yield of.__qualname__


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py"):
        return False
    path = Path(file).resolve()
    return path.is_file() and not any(path.is_relative_to(folder) for folder in (_OURS, *_LIBRARIES))


def _code(source: str, module: str) -> str:
    """Functions, classes and imports of a module, and what they name of its other statements; of a script no more."""
    statements = ast.parse(source).body
    if module != "__main__":
        return ast.dump(ast.Module(statements, []))
    code = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    defined = [each for each in statements if isinstance(each, code)]
    named = {node.id for each in defined for node in ast.walk(each) if isinstance(node, ast.Name)}
    assigned = [each for each in statements if isinstance(each, ast.Assign | ast.AnnAssign) and _assigned(each) & named]
    return ast.dump(ast.Module([*defined, *assigned], []))


def _assigned(statement: ast.stmt) -> set[str]:
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def place(folder: Path, instance: str, item: WorkItem) -> Path:
    """Where the result of a chunk is kept.

    Args:
        folder: Of all results.
        instance: Identity of the processor.
        item: The chunk.
    """
    where = (item.dataset, item.filename if not item.fileuuid else item.fileuuid.hex(), item.treename)
    what = repr((instance, *where, item.entrystart, item.entrystop, sorted((item.usermeta or {}).items())))
    return folder / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.coffea"


def keep(path: Path, result: Any) -> None:
    """Write a result, whole or not at all."""
    with replacing(path, suffix=".coffea") as partial:
        save(result, str(partial))


def kept(path: Path) -> Any:
    """A result that was kept; None if there is none. A damaged one is told of, and worked on again."""
    if not path.exists():
        return None
    try:
        return load(str(path))
    except Exception as error:
        warnings.warn(f"{path} is damaged, its chunk is worked on again: {error}", stacklevel=2)
        return None
