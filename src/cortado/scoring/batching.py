"""Jets in batches of like length, the shortest first, so that little is padded and memory is bounded."""

import contextlib
import re
from collections.abc import Iterator

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cortado import bundle as bundles

_BATCH_CONSTITUENTS = 32  # a batch is never larger than batch_size jets of so many constituents


def lengths(jets: ak.Array, tagger: bundles.Bundle) -> NDArray[np.int64]:
    """Constituents that a jet takes in a batch; 1 for representations that do not use them."""
    found = bundles.lengths(jets)
    longest = getattr(tagger.representation, "max_constituents", None)
    return found if longest is None else np.minimum(found, longest)


def batches(scored: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Indices of the jets to score together."""
    order = scored[np.argsort(lengths[scored], kind="stable")]
    start = 0
    while start < len(order):
        batch = order[start : start + batch_size]
        # The jets rise in length: keep those at which a batch that ends there still fits.
        padded = np.arange(1, len(batch) + 1) * lengths[batch]
        fits = max(1, int(np.count_nonzero(padded <= batch_size * _BATCH_CONSTITUENTS)))
        yield batch[:fits]
        start += fits


@contextlib.contextmanager
def numbered(batch: NDArray[np.int64]) -> Iterator[None]:
    """Have errors about a jet of a batch, which count there, name it by its number among all jets.

    Raises:
        ValueError: The same with the other number.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(re.sub(r"\bjet (\d+)", lambda found: f"jet {batch[int(found[1])]}", str(error))) from error
