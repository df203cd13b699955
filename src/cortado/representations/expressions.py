"""Formulas of columns, written as Python with numpy and awkward: parsed, held against closed lists, never run as code.

Known are numbers, names of columns, arithmetic, comparisons, & | ^ ~, subscripts, the functions of `FUNCTIONS`, the
constants of `CONSTANTS`, and of vectors the numbers of `OF_VECTORS`. Numbers keep the precision of the file.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import awkward as ak
import numpy as np

from cortado.names import nearest

__all__ = ["CONSTANTS", "FUNCTIONS", "OF_VECTORS", "evaluate", "names_of", "parsed"]

_LONGEST = 5000  # letters of a formula
_TYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


def _power(base: Any, exponent: Any) -> Any:
    """Of plain numbers in floating point: whole ones have no end."""
    is_plain = isinstance(base, int) and isinstance(exponent, int)
    return float(base) ** exponent if is_plain else base**exponent


def _bounded(made: Any) -> Any:
    """The result, if it is no whole number out of all bounds, which the file of a stranger may ask for."""
    if isinstance(made, int) and abs(made) >= 2**64:
        raise OverflowError(f"a whole number of {made.bit_length()} bits, required: at most 64")
    return made


def _clip(values: Any, low: Any, high: Any) -> Any:
    return np.minimum(np.maximum(values, low), high)


def _where(condition: Any, *chosen: Any) -> Any:
    return ak.where(condition, *chosen)


def _values_astype(values: Any, to: Any) -> Any:
    if to not in _TYPES:
        raise ValueError(f"ak.values_astype to {to!r}, required: one of {', '.join(_TYPES)}")
    return ak.values_astype(values, to)


def _vector(names: tuple[str, ...], *columns: Any) -> Any:
    import vector

    return vector.zip(dict(zip(names, columns, strict=True)))


_UFUNCS = (
    "sqrt cbrt square exp expm1 log log1p log2 log10 sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh "
    "arccosh arctanh hypot abs absolute sign floor ceil trunc rint maximum minimum fmod mod power isfinite isnan isinf "
    "logical_and logical_or logical_xor logical_not deg2rad rad2deg reciprocal negative"
)
_OF_LISTS = (
    "num sum prod any all min max mean std var count count_nonzero argmin argmax sort argsort firsts local_index "
    "ones_like zeros_like nan_to_num fill_none drop_none is_none flatten"
)
_OF_BOTH = "sum any all min max mean std ones_like zeros_like nan_to_num"

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{f"np.{name}": getattr(np, name) for name in _UFUNCS.split()},
    **{f"np.{name}": getattr(ak, name) for name in _OF_BOTH.split()},
    **{f"ak.{name}": getattr(ak, name) for name in _OF_LISTS.split()},
    **{f"math.{name}": getattr(math, name) for name in ("sqrt", "exp", "log", "sin", "cos", "hypot")},
    "np.clip": _clip,
    "np.where": _where,
    "ak.where": _where,
    "ak.values_astype": _values_astype,
    "abs": abs,
    "_clip": _clip,
    "_batch_argsort": ak.argsort,
    "_batch_gather": operator.getitem,
    "_p4_from_pxpypze": partial(_vector, ("px", "py", "pz", "energy")),
    "_p4_from_ptetaphie": partial(_vector, ("pt", "eta", "phi", "energy")),
    "_p4_from_ptetaphim": partial(_vector, ("pt", "eta", "phi", "mass")),
}
"""Functions by the names that formulas have for them; `numpy` is `np` there, and `awkward` is `ak`."""

CONSTANTS: Mapping[str, float] = {
    f"{module}.{name}": getattr(math, name) for module in ("np", "math") for name in ("pi", "e", "inf")
}
"""Numbers with a name."""

OF_VECTORS = ("pt", "eta", "phi", "mass", "energy", "px", "py", "pz", "p", "rapidity", "theta")
"""What can be asked of a vector: ``_p4_from_pxpypze(...).mass``."""

_ARGUMENTS = ("axis", "keepdims", "mask_identity", "ascending", "stable", "to", "value", "nan", "posinf", "neginf")
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@lru_cache(maxsize=1024)
def parsed(text: str) -> ast.expr:
    """The formula as a tree, all of whose parts are known.

    Args:
        text: Such as ``np.log(part_pt / jet_pt)``.
    Raises:
        ValueError: If it is no Python, or has a part that is not known; names the nearest.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"formula {text[:60]}... has {len(text)} letters, required: at most {_LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        _require_known(tree, text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"formula {text!r} cannot be parsed: {type(error).__name__}: {error}") from error
    return tree


def names_of(tree: ast.expr) -> tuple[str, ...]:
    """Names of the columns in a formula, each once."""
    return tuple(dict.fromkeys(_names(tree)))


def _names(tree: ast.AST) -> Iterator[str]:
    if isinstance(tree, ast.Name):
        yield tree.id
    elif _named(tree) not in CONSTANTS:
        children = (*tree.args, *tree.keywords) if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
        for child in children:
            yield from _names(child)


def evaluate(tree: ast.AST, column: Callable[[str], Any]) -> Any:
    """Value of a formula that `parsed` gave.

    Args:
        tree: The formula.
        column: Gives a column by its name.
    """
    value = partial(evaluate, column=column)
    match tree:
        case ast.Constant(constant):
            return constant
        case ast.Name(name):
            return column(name)
        case ast.Attribute(owner, attribute):
            constant = CONSTANTS.get(_named(tree))
            return getattr(value(owner), attribute) if constant is None else constant
        case ast.BinOp(left, binary, right):
            return _bounded(_BINARY[type(binary)](value(left), value(right)))
        case ast.UnaryOp(unary, operand):
            return _UNARY[type(unary)](value(operand))
        case ast.Compare(left, [comparison], [right]):
            return _COMPARISONS[type(comparison)](value(left), value(right))
        case ast.Subscript(owner, index):
            return value(owner)[value(index)]
        case ast.Slice(lower, upper, step):
            return slice(*(None if each is None else value(each) for each in (lower, upper, step)))
        case ast.Tuple(parts):
            return tuple(value(part) for part in parts)
        case ast.Call(function, arguments, keywords):
            named = {str(keyword.arg): value(keyword.value) for keyword in keywords}
            return FUNCTIONS[_named(function)](*map(value, arguments), **named)
    raise AssertionError(f"{ast.dump(tree)} was let through")


def _is_sequence(tree: ast.AST) -> bool:
    """Whether a multiple of this would be a repetition."""
    return isinstance(tree, ast.Tuple) or (isinstance(tree, ast.Constant) and isinstance(tree.value, str))


def _named(tree: ast.AST) -> str:
    """Name of a function or constant, "np.log"; "" of anything else."""
    match tree:
        case ast.Name(name):
            return name
        case ast.Attribute(ast.Name(module), name) if module in ("np", "numpy", "ak", "awkward", "math"):
            return f"{ {'numpy': 'np', 'awkward': 'ak'}.get(module, module) }.{name}"
    return ""


def _require_known(tree: ast.AST, text: str) -> None:
    """Go through all parts of a formula.

    Raises:
        ValueError: At the first one that is not known.
    """
    parts: list[ast.AST]
    match tree:
        case ast.Constant(constant):
            known, parts = constant is None or isinstance(constant, bool | int | float | str), []
        case ast.Name(name):
            known, parts = not name.startswith("__"), []
        case ast.BinOp(left, binary, right):
            known, parts = type(binary) in _BINARY and not any(map(_is_sequence, (left, right))), [left, right]
        case ast.UnaryOp(unary, operand):
            known, parts = type(unary) in _UNARY, [operand]
        case ast.Compare(left, comparisons, others):
            known, parts = len(comparisons) == 1 and type(comparisons[0]) in _COMPARISONS, [left, *others]
        case ast.Subscript(owner, index):
            known, parts = True, [owner, index]
        case ast.Slice(lower, upper, step):
            known, parts = True, [each for each in (lower, upper, step) if each is not None]
        case ast.Tuple(members):
            known, parts = True, list(members)
        case ast.Attribute(owner, attribute):
            if named := _named(tree):
                _require(named, CONSTANTS, "constant", text)
                return
            _require(attribute, OF_VECTORS, "number of a vector", text)
            known, parts = True, [owner]
        case ast.Call(function, arguments, keywords):
            _require(_named(function) or ast.unparse(function), FUNCTIONS, "function", text)
            for keyword in keywords:
                _require(str(keyword.arg), _ARGUMENTS, "argument", text)
            known, parts = True, [*arguments, *(keyword.value for keyword in keywords)]
        case _:
            known, parts = False, []
    if not known:
        raise ValueError(
            f"formula {text!r}: {ast.unparse(tree)!r} is {type(tree).__name__}, known are numbers, columns, functions, "
            "subscripts, + - * / // % **, one of < <= > >= == != at a time, and & | ^ ~ in the place of and, or, not"
        )
    for part in parts:
        _require_known(part, text)


def _require(name: str, known: Any, what: str, text: str) -> None:
    if name not in known:
        raise ValueError(f"formula {text!r}: {name!r} is no {what} that is known; {nearest(name, known)}")
