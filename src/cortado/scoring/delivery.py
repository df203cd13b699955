"""Bundles for workers that have no disk in common with this process: they travel by their content."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cloudpickle

from cortado import bundle as bundles
from cortado.scoring import process

__all__ = ["delivery"]


def delivery(holder: Any) -> Callable[[], None]:
    """What a worker calls to have all bundles that an object holds, a processor for instance.

    Args:
        holder: What will be sent to the workers: it holds predictors, directly or not.
    Raises:
        FileNotFoundError, ValueError: If a bundle is no longer there, or damaged.
    """
    with process.packed() as paths:
        cloudpickle.dumps(holder)
    return partial(process.receive, [bundles.read(path) for path in paths.values()])
