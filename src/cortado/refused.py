"""Objects that a representation cannot take, because of a number of theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["RefusedObjects"]


class RefusedObjects(ValueError):
    """A number of some objects cannot be shown to a network: it is not finite, or not allowed. The others may be fine.

    Attributes:
        objects: Indices of all objects that are refused for this reason, shape (k,).
        reason: What is wrong with them, as in "they have a log_pt that is not finite".
    """

    def __init__(self, message: str, objects: Any = (), reason: str = "") -> None:
        super().__init__(message)
        self.objects = np.unique(np.asarray(objects, dtype=np.int64))
        self.reason = reason
