"""Checks of what a user has written into a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray


def require(holds: bool, owner: object, field: str, required: str) -> None:
    """Refuse a field of a dataclass.

    Raises:
        ValueError: If it does not hold; names the value and what is required.
    """
    if not holds:
        raise ValueError(f"{type(owner).__name__}: {field} = {getattr(owner, field)!r}, required: {required}")


def mask_of(name: str, function: Callable[[ak.Array], Any], objects: ak.Array) -> NDArray[np.bool_]:
    """The mask (n,) that a user's function gives of objects (n,).

    Args:
        name: Of the function in the study, for messages.
        function: Objects -> mask.
        objects: Shape (n,).
    Raises:
        ValueError: If it asks for a field that is not there, or gives something else than n times True or False.
    """
    try:
        mask = function(objects)
    except AttributeError as error:
        raise ValueError(f"{name}: {error}; the objects have {', '.join(ak.fields(objects))}") from error
    array = ak.to_numpy(mask, allow_missing=True) if isinstance(mask, ak.Array) and mask.ndim == 1 else mask
    if not isinstance(array, np.ndarray) or array.dtype != np.bool_ or array.shape != (len(objects),):
        what = ak.type(mask) if isinstance(mask, ak.Array | np.ndarray) else repr(mask)
        raise ValueError(f"{name} gives {what!s:.80}, required: True or False for each of {len(objects)} objects")
    if missing := int(np.ma.getmaskarray(array).sum()):
        raise ValueError(f"{name} gives None for {missing} of {len(objects)} objects: fill_none first")
    return np.asarray(array)
