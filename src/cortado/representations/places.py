"""Where in their jet the constituents are that a representation takes in the order of falling pT."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado.representations.constituents import descending, flat, longest, mask_of, padded

__all__ = ["places_by_pt"]


def places_by_pt(jets: ak.Array, max_constituents: int, *, caller: str) -> NDArray[np.int64]:
    """Index in the jet's own list of each constituent that is taken, shape (n, p); -1 where there is none.

    Args:
        jets: With `constituents.pt`, shape (n,).
        max_constituents: The softest beyond this number are in no place.
        caller: The representation that asks, for messages.

    Raises:
        KeyError: If the field is missing.
        ValueError: If the jets are nested, or a pT is negative or not finite.
    """
    constituents = flat(jets, ("constituents.pt",), caller=caller, by_pt=False)
    counts = constituents.counts
    order = descending(constituents.own("pt"), counts) - constituents.first[constituents.owner]
    length = longest(counts, max_constituents)
    return np.where(mask_of(counts, length), padded(order, counts, length), -1)
