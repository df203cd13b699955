"""Isolation forest: random cuts separate strange objects from the others sooner.

References:
    Liu, Ting, Zhou, Isolation Forest (2008), doi:10.1109/ICDM.2008.17.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from cortado.models.layers import require_positive, require_width
from cortado.models.trees import Forest, Tree, sizes_of

_EULER = float(np.euler_gamma)


class IsolationForest(nn.Module):
    """Anomaly (n,) of a fitted scikit-learn IsolationForest: 0.5 for the average object, up to 1 for the strangest.

    It is 2^(-d / c): d is the mean number of cuts that isolate the object, c that of an object of the sample. The same
    as -score_samples of scikit-learn.

    Args:
        features: Number f of observables.
        trees: Number of trees.
        nodes: Number of nodes of all trees together.
        depth: Most steps from a root to a leaf.
        samples: Objects that each tree was grown with.

    Raises:
        ValueError: If a size is below 1, or a tree has seen a single object.
    """

    estimators: ClassVar[tuple[str, ...]] = ("IsolationForest",)

    def __init__(self, *, features: int, trees: int, nodes: int, depth: int, samples: int) -> None:
        super().__init__()
        require_positive("IsolationForest", features=features, samples=samples)
        if samples < 2:
            raise ValueError(f"IsolationForest: samples must be at least 2, got {samples}: one object is isolated")
        self.arguments = {"features": features, "trees": trees, "nodes": nodes, "depth": depth, "samples": samples}
        self.features = features
        self.forest = Forest(trees=trees, nodes=nodes, depth=depth)
        self.usual = float(_average_path(np.array([samples]))[0])

    @classmethod
    def of(cls, estimator: Any) -> IsolationForest:
        """The same trees as those of a fitted estimator."""
        grown = zip(estimator.estimators_, estimator.estimators_features_)
        trees = [_tree(each.tree_, np.asarray(features)) for each, features in grown]
        depths = [int(each.tree_.max_depth) for each in estimator.estimators_]
        features, samples = int(estimator.n_features_in_), int(estimator.max_samples_)
        model = cls(features=features, samples=samples, **sizes_of(trees, depths))
        model.forest.take(trees)
        return model.eval()

    def forward(self, features: Tensor) -> Tensor:
        """Anomaly (n,) of objects with observables (n, f).

        Raises:
            ValueError: If f is not the number of features that the trees were grown with.
        """
        require_width("IsolationForest", features, self.features)
        paths: Tensor = self.forest(features).mean(1)
        return (2 ** (-paths / self.usual)).float()


def _tree(tree: Any, features: Any) -> Tree:
    """A tree whose leaves know their path: steps from the root, and those that would isolate the objects in them."""
    is_leaf, own = tree.children_left < 0, np.arange(tree.node_count)
    steps = np.zeros(tree.node_count)
    for node in own[~is_leaf]:  # parents come before their children
        steps[[tree.children_left[node], tree.children_right[node]]] = steps[node] + 1
    return Tree(
        feature=np.where(is_leaf, 0, features[np.maximum(tree.feature, 0)]).astype(np.int64),
        threshold=np.where(is_leaf, 0.0, tree.threshold),
        missing_left=np.zeros(tree.node_count, dtype=bool),
        left=np.where(is_leaf, own, tree.children_left).astype(np.int64),
        right=np.where(is_leaf, own, tree.children_right).astype(np.int64),
        value=steps + _average_path(tree.n_node_samples),
    )


def _average_path(samples: Any) -> Any:
    """Mean path of an unsuccessful search in a binary tree of so many objects, eq. (1) of the paper."""
    number = np.maximum(samples, 3).astype(np.float64)
    path = 2 * (np.log(number - 1) + _EULER) - 2 * (number - 1) / number
    return np.where(samples > 2, path, np.where(samples == 2, 1.0, 0.0))
