"""What a training depends on, as plain values: written into bundles, and compared before a training is resumed.

A function is its name, its source, and what the source takes from outside: arguments of a `functools.partial`, values
of the enclosing function, constants, and functions, classes and modules of the user's own, wherever they stand. So
neither two lambdas that were swapped nor an edited function of the same name are taken for what they were. Of installed
packages, cortado among them, the names count; of files their size, too.
"""

from __future__ import annotations

import ast
import dataclasses
import dis
import functools
import hashlib
import inspect
import linecache
import os
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cortado import bundle as bundles
from cortado.bundle.length_units import lengths_of
from cortado.training.study import Study

__all__ = ["describe", "difference_to", "first_difference", "is_own", "resolved"]

_DIGITS = 12  # of a hash
_PLAIN = (str, int, float, bool, type(None))


def describe(study: Study) -> dict[str, Any]:
    """All that a training depends on, JSON-able.

    Frozen bundles are named by their fingerprint. Mappings become lists of pairs: their order is that of the classes.

    Raises:
        ValueError: If a function has no source, or a value is neither plain nor a dataclass.
        FileNotFoundError: If a frozen bundle is not there.
    """
    fields = {field.name: getattr(study, field.name) for field in dataclasses.fields(study)}
    frozen = {part: bundles.fingerprint(path)[:_DIGITS] for part, path in study.frozen.items()}
    described = {name: _described(value, name) for name, value in (fields | {"frozen": frozen}).items()}
    paths = (*study.objects.files, *study.objects.validation_files)
    # A training that was begun when lengths of CMS files were in cm must not go on with mm.
    if lengths_of(getattr(study.representation, "fields", ()), study.objects.collection):
        described["lengths"] = "mm"
    return described | {"bytes": [[path, os.path.getsize(path)] for path in paths if os.path.isfile(path)]}


def resolved(description: Mapping[str, Any]) -> dict[str, Any]:
    """A description whose files are named by their real paths: the same from any folder, relative or absolute."""
    objects = dict(description["objects"])
    for name in ("files", "validation_files"):
        objects[name] = [_real(path) for path in objects[name]]
    objects["samples"] = [[name, _real(pattern)] for name, pattern in objects["samples"]]
    return {**description, "objects": objects, "bytes": [[_real(path), size] for path, size in description["bytes"]]}


def _real(path: str) -> str:
    return path if "://" in path or path.startswith("*") else os.path.realpath(path)


def difference_to(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Where a study differs from the one of a training that was begun, in words; None if it may go on with it.

    The number of loader processes may be another: it only orders the objects.

    Args:
        before: Description that was written when the training began.
        now: Description of the study.
    """
    before, now = (resolved(each) for each in (before, now))
    workers = {"workers": now["recipe"]["workers"]}
    return first_difference({**before, "recipe": before["recipe"] | workers}, now)


def first_difference(before: Any, now: Any, where: str = "") -> str | None:
    """Where two descriptions differ first, in words; None if they do not."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in (*before, *(name for name in now if name not in before)):
            inner = f"{where}.{name}" if where else str(name)
            if difference := first_difference(before.get(name), now.get(name), inner):
                return difference
        return None
    if _are_pairs(before) and _are_pairs(now) and [name for name, _ in before] == [name for name, _ in now]:
        return first_difference(dict(before), dict(now), where)
    return None if before == now else f"{where} was {_shown(before)}, is {_shown(now)}"


def _are_pairs(value: Any) -> bool:
    is_pair = isinstance(value, list) and all(isinstance(x, list) and len(x) == 2 for x in value)
    return is_pair and all(isinstance(name, str) for name, _ in value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _described(value: Any, where: str) -> Any:
    """A value as JSON has it.

    Raises:
        ValueError: If it cannot be described; `where` names its place in the study.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.item() if value.ndim == 0 else [str(value.dtype), list(value.shape), _digest(value.tobytes())]
    if isinstance(value, functools.partial):
        named = {name: _described(x, f"{where}.{name}") for name, x in value.keywords.items()}
        positional = {"positional": [_described(x, where) for x in value.args]} if value.args else {}
        return {"kind": _name(value.func, where), **positional, "arguments": named}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        named = {name: _described(x, f"{where}.{name}") for name, x in fields.items()}
        return {"kind": _name(type(value), where), **named}
    if isinstance(value, Mapping):
        return [[str(name), _described(x, f"{where}.{name}")] for name, x in value.items()]
    if isinstance(value, tuple | list):
        return [_described(x, where) for x in value]
    return _name(value, where)


def _name(value: Any, where: str) -> str:
    """Name of a class or function; of those outside of cortado with a hash of all that they do."""
    if isinstance(value, type) and not is_own(value):
        return value.__qualname__
    if isinstance(value, types.ModuleType):
        return f"{value.__name__} {_hash(value, where)}" if is_own(value) else value.__name__
    if isinstance(value, types.FunctionType | type):
        return f"{value.__qualname__} {_hash(value, where)}"
    if isinstance(value, types.BuiltinFunctionType | np.ufunc):
        return f"{getattr(value, '__module__', '')}.{value.__name__}"
    raise ValueError(
        f"{where} = {value!r} cannot be described, so a resumed training would not know it again; required: a function "
        "with a source, a functools.partial of one, a frozen dataclass or a plain value"
    )


def _hash(value: Any, where: str) -> str:
    return _digest("\n".join(_sources(value, where, set())).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _sources(value: Any, where: str, seen: set[int]) -> Iterator[str]:
    """The source of a function or class, without comments and layout, and what it takes from outside."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, type):
        yield from (_source_of_class(each, where) for each in value.__mro__ if is_own(each))
        return
    if isinstance(value, types.ModuleType):
        yield ast.unparse(ast.parse("".join(linecache.getlines(str(value.__file__)))))
        return
    yield ast.unparse(_node(value, where))
    for name, taken in sorted(_taken(value).items()):
        if isinstance(taken, types.ModuleType | type | types.FunctionType) and is_own(taken):
            yield from _sources(taken, where, seen)
        elif isinstance(taken, types.ModuleType | type | types.FunctionType):
            yield f"{name} = {taken.__name__}"
        else:
            yield f"{name} = {_described(taken, f'{where}: {name}')!r}"


def _taken(function: types.FunctionType) -> dict[str, Any]:
    """What a function takes from outside, by name: globals, values of the enclosing function, defaults."""
    names = {name for name in _global_names(function.__code__) if name in function.__globals__}
    taken = {name: function.__globals__[name] for name in names}
    cells = zip(function.__code__.co_freevars, function.__closure__ or ())
    defaults = {f"default {index}": value for index, value in enumerate(function.__defaults__ or ())}
    return taken | {name: cell.cell_contents for name, cell in cells} | defaults | (function.__kwdefaults__ or {})


def _global_names(code: types.CodeType) -> Iterator[str]:
    """Names that a code reads as globals; attributes of the same name are none."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def is_own(value: Any) -> bool:
    """Whether a function, class or module is the user's own: of no installed package and not of Python's library."""
    module = value if isinstance(value, types.ModuleType) else sys.modules.get(value.__module__)
    if module is None or module.__name__ == "__main__":
        return True
    if module.__name__.partition(".")[0] in (*sys.stdlib_module_names, "cortado"):
        return False
    file = getattr(module, "__file__", None)
    return file is not None and not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _source_of_class(value: type, where: str) -> str:
    try:
        return ast.unparse(ast.parse(inspect.cleandoc("\n" + inspect.getsource(value))))
    except (OSError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"{where}: {value.__qualname__} has no source, so a resumed training would not know it again; put "
            f"it into a module ({error})"
        ) from error


def _node(function: types.FunctionType, where: str) -> ast.AST:
    """The syntax tree of a function or lambda: `inspect.getsource` cannot tell two lambdas of one line apart.

    Raises:
        ValueError: If the source is not there.
    """
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise ValueError(
            f"{where}: {function.__qualname__} has no source ({code.co_filename} is not there), so a resumed training "
            "would not know it again; put it into a module"
        )
    kinds = (ast.Lambda,) if function.__name__ == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.walk(ast.parse("".join(lines)))
    nodes = [node for node in tree if isinstance(node, kinds) and _is_of(code, node)]
    if not nodes:
        raise ValueError(f"{where}: {code.co_filename} was edited since {function.__qualname__} was read: start anew")
    return nodes[-1]


def _is_of(code: types.CodeType, node: Any) -> bool:
    """Whether a code was made of a node: both begin in the same line, and what it does stands inside of the node."""
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    if first != code.co_firstlineno:
        return False
    begin, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    places = ((line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None)
    beginning = (code.co_firstlineno, 0)  # of the function as a whole
    return all(begin <= place <= end or place == beginning for place in places)
