"""Decision trees as arrays: what boosted trees and isolation forests share.

Shapes: n objects, f features, t trees, m nodes of all trees together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cortado.models.layers import require_positive

__all__ = ["Forest", "Tree", "sizes_of"]

_INTEGERS = ("feature", "left", "right")


class Tree(NamedTuple):
    """One tree, whose root is node 0; arrays of the shape (nodes,). A leaf has itself as left and right."""

    feature: Any  # index of the feature that is compared; 0 at leaves
    threshold: Any  # float64: go left if the feature is not greater
    missing_left: Any  # go left if the feature is NaN
    left: Any
    right: Any
    value: Any  # float64


class Forest(nn.Module):
    """The leaf values of trees, in double precision: a threshold that is rounded sends objects to other leaves.

    Args:
        trees: Number t of trees.
        nodes: Number m of nodes of all of them.
        depth: Most steps from a root to a leaf.

    Raises:
        ValueError: If a size is below 1.
    """

    feature: Tensor
    left: Tensor
    right: Tensor
    threshold: Tensor
    value: Tensor
    missing_left: Tensor

    def __init__(self, *, trees: int, nodes: int, depth: int) -> None:
        super().__init__()
        require_positive("Forest", trees=trees, nodes=nodes, depth=depth)
        self.depth = depth
        self.roots = nn.Buffer(torch.zeros(trees, dtype=torch.int64))
        for name in _INTEGERS:
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.int64))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(nodes, dtype=torch.float64))
        self.register_buffer("missing_left", torch.zeros(nodes, dtype=torch.bool))

    def forward(self, features: Tensor) -> Tensor:
        """Value of the leaf of each tree, float64, shape (n, t), for features (n, f)."""
        values = features.double()
        node = self.roots.expand(features.shape[0], -1)
        for _ in range(self.depth):
            feature = values.gather(1, self.feature[node])
            is_left = (feature <= self.threshold[node]) | (feature.isnan() & self.missing_left[node])
            node = torch.where(is_left, self.left[node], self.right[node])
        leaves: Tensor = self.value[node]
        return leaves

    def take(self, trees: Iterable[Tree]) -> None:
        """Take over the nodes of trees, which are as many as this was made for."""
        trees = list(trees)
        sizes = [len(tree.value) for tree in trees]
        first = np.cumsum([0, *sizes[:-1]])
        self.roots.copy_(torch.from_numpy(first))
        moved = [tree._replace(left=tree.left + start, right=tree.right + start) for tree, start in zip(trees, first)]
        for name in Tree._fields:
            joined = np.concatenate([np.asarray(getattr(tree, name)) for tree in moved])
            buffer: Tensor = getattr(self, name)
            buffer.copy_(torch.from_numpy(joined))


def sizes_of(trees: Iterable[Tree], depths: Iterable[int]) -> Mapping[str, int]:
    """Arguments of a `Forest` that holds trees of these depths; a tree of one leaf counts as one step deep."""
    trees = list(trees)
    return {"trees": len(trees), "nodes": sum(len(tree.value) for tree in trees), "depth": max(1, *depths)}
