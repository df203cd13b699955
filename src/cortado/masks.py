"""Arrays that may have masks: what is behind a mask is no number, and must not be taken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["unmasked"]


def unmasked(values: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """A plain array of a user's values; `numpy.asarray` would show what stands behind a mask.

    Args:
        values: Of any form. `ak.to_numpy` of an option type gives a masked array.
        dtype: Of the result.
    Raises:
        ValueError: If a value is masked.

    Example:
        >>> unmasked(np.ma.masked_array([1, 2], [False, False]))
        array([1, 2])
    """
    masked = int(np.ma.getmaskarray(values).sum()) if isinstance(values, np.ma.MaskedArray) else 0
    if masked:
        raise ValueError(f"{masked} of {values.size} values are masked (missing): select without them, or fill them")
    return np.asarray(values, dtype=dtype)
