"""Connected components of graphs that are given by their edges."""

from __future__ import annotations

import numpy as np
import scipy  # its parts, half a second, are imported when they are first used
from numpy.typing import ArrayLike, NDArray

__all__ = ["connected"]


def connected(one: ArrayLike, other: ArrayLike, nodes: int) -> NDArray[np.int64]:
    """Number of the component of each node, from 0 on, shape (nodes,).

    Args:
        one: Node at one end of each edge, shape (e,).
        other: Node at the other end, shape (e,).
        nodes: Number of nodes.
    """
    if not nodes:
        return np.zeros(0, dtype=np.int64)
    # Not coo_array: with its 64-bit indices csgraph of scipy 1.11 gives rubbish, and no error.
    edges = scipy.sparse.coo_matrix((np.ones(np.size(one), dtype=np.bool_), (one, other)), shape=(nodes, nodes))
    return np.asarray(scipy.sparse.csgraph.connected_components(edges, directed=False)[1], dtype=np.int64)
