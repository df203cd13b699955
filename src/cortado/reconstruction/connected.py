"""Connected components of graphs that are given by their edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

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
    edges = coo_matrix((np.ones(np.size(one), dtype=np.bool_), (one, other)), shape=(nodes, nodes))
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.int64)
