"""Methods that a task or use may have, and what holds where it has none.

Shapes: n objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cortado.tasks.task import Rival, Task, Use

T = TypeVar("T")


def category(task: Task, objects: ak.Array) -> NDArray[np.int64]:
    """Index of the category of each object as it was read, shape (n,); -1 leaves the object out.

    Args:
        task: Its `category(objects)`; 0 for all without it.
        objects: Shape (n,).
    """
    given: NDArray[np.int64] = _own(task, "category", lambda each: np.zeros(len(each), np.int64))(objects)
    return given


def arguments(task: Task) -> dict[str, Any]:
    """Keyword arguments of the network that follow from a task: {"classes": 2}.

    Args:
        task: Its `arguments()`; none without it.
    """
    given: dict[str, Any] = _own(task, "arguments", dict)()
    return given


def rivals(task: Task) -> Mapping[str, Rival]:
    """Further networks of the training by name.

    Args:
        task: Its `rivals()`; none without it.
    """
    given: Mapping[str, Rival] = _own(task, "rivals", dict)()
    return given


def learned(task: Task, category: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which training objects the task learns from, shape (n,): a scaling is fitted to these alone.

    Args:
        task: Its `learned(category)`; all objects that are of a category without it.
        category: Of each, shape (n,).
    """
    given: NDArray[np.bool_] = _own(task, "learned", lambda each: each >= 0)(category)
    return given


def sums(task: Task, objects: ak.Array, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """What `fitted` needs to know of training objects, such that it can be added up; any shape.

    Args:
        task: Its `sums(objects, weight)`; nothing without it.
        objects: Shape (n,).
        weight: Of each.
    """
    given: NDArray[np.float64] = _own(task, "sums", lambda objects, weight: np.zeros(0))(objects, weight)
    return given


def fitted(task: T, total: NDArray[np.float64]) -> T:
    """The task with all that follows from the training objects.

    Args:
        task: Its `fitted(sums)`; the task itself without it.
        total: The `sums` of all training objects.
    """
    given: T = _own(task, "fitted", lambda total: task)(total)
    return given


def seen(task: Task, outputs: Tensor, inputs: Any) -> Tensor:
    """What an adversary sees of the outputs of a network, shape (n, features).

    Args:
        task: Its `seen(outputs, inputs)`; the outputs themselves without it.
        outputs: Of the network, float32, shape (n, ...).
        inputs: NamedTuple of the tensors that it was given.
    """
    given: Tensor = _own(task, "seen", lambda outputs, inputs: outputs.flatten(1))(outputs, inputs)
    return given


def scaled(use: Use, scaling: Any) -> Use:
    """The use of a network whose features are scaled.

    Args:
        use: Its `scaled(scaling)`; the use itself without it.
        scaling: Of the features, None without.
    """
    given: Use = _own(use, "scaled", lambda scaling: use)(scaling)
    return given


def _own(task: Any, name: str, other: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a task or use, or what takes its place."""
    method: Callable[..., Any] = getattr(task, name, other)
    return method
