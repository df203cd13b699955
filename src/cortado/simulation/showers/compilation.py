"""Compilation of functions over particles with numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function for the types of its arguments when it is first called, and keep it on disk.

    What is kept is renewed when the file of the function changes, not when that of another one that it calls does:
    after work on one of them delete the folder __pycache__.
    """
    return cast(Function, njit(cache=True, error_model="numpy")(function))
