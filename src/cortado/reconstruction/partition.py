"""From scores of pairs of tracks to vertices: connected components."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cortado.reconstruction.connected import connected

__all__ = ["components"]


def components(edge_scores: ArrayLike, mask: ArrayLike, threshold: float = 0.5) -> NDArray[np.int32]:
    """Vertex of each track: tracks joined by a chain of pairs above threshold share one.

    The score of a pair is the mean of its two directions.

    Args:
        edge_scores: Score that two tracks share a vertex, shape (n, p, p): probabilities, or logits with the
            threshold 0; what stands on the diagonal and for padding is ignored.
        mask: True where there is a track, shape (n, p).
        threshold: Above which a pair is joined, on the scale of the scores.

    Returns:
        Index of the vertex of each track, shape (n, p), in the order of their first tracks; a track joined to none has
        an index of its own, and padding has -1.

    Raises:
        ValueError: If shapes do not match, or the score of two real tracks is NaN.

    Example:
        >>> scores = [[[0.0, 0.9, 0.1], [0.8, 0.0, 0.2], [0.1, 0.0, 0.0]]]
        >>> print(components(scores, [[True, True, True]]))
        [[0 0 1]]
    """
    scores, real = np.asarray(edge_scores), np.asarray(mask, dtype=np.bool_)
    if scores.ndim != 3 or scores.shape != (*real.shape, real.shape[-1]):
        raise ValueError(f"edge_scores {scores.shape} and mask {real.shape} must have shapes (n, p, p) and (n, p)")
    n, p = real.shape
    pairs = real[:, :, np.newaxis] & real[:, np.newaxis, :] & ~np.eye(p, dtype=np.bool_)
    if (bad := np.isnan(scores) & pairs).any():
        jet, one, other = np.argwhere(bad)[0]
        raise ValueError(f"the score of tracks {one} and {other} of jet {jet} is NaN, must be a number")
    # Ignored entries may be anything, and the mean of inf and -inf has no value.
    known = np.where(pairs, scores, -np.inf)
    joined = (known + np.swapaxes(known, 1, 2)) / 2 > threshold
    jet, one, other = np.nonzero(joined)
    vertex = connected(jet * p + one, jet * p + other, n * p)
    _, first, vertex = np.unique(vertex, return_index=True, return_inverse=True)
    first = (first[vertex] % max(p, 1)).reshape(n, p)
    leads = (first == np.arange(p)) & real
    number = np.cumsum(leads, axis=-1) - 1
    return np.where(real, np.take_along_axis(number, first, axis=-1), -1).astype(np.int32)
