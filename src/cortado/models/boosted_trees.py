"""Gradient-boosted decision trees: the classifier that is hard to beat on a few observables.

Trees are not fitted here but by scikit-learn, in one pass: see `cortado.tasks.Fit`.

References:
    Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree (2017), which scikit-learn's
    HistGradientBoostingClassifier follows; Finke et al., Tree-based algorithms for weakly supervised anomaly detection
    (2023), arXiv:2309.13111.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from cortado.models.layers import require_positive, require_width
from cortado.models.trees import Forest, Tree, sizes_of


class BoostedTrees(nn.Module):
    """Logits (n, classes) of a fitted HistGradientBoostingClassifier, equal to its own in double precision.

    Args:
        features: Number f of observables.
        trees: Number of trees: as many as iterations for two classes, times the number of classes for more.
        nodes: Number of nodes of all trees together.
        depth: Most steps from a root to a leaf.
        classes: Number of classes.

    Raises:
        ValueError: If a size is below 1, or the trees cannot be shared out to the classes.
    """

    estimators: ClassVar[tuple[str, ...]] = ("HistGradientBoostingClassifier",)

    def __init__(self, *, features: int, trees: int, nodes: int, depth: int, classes: int = 2) -> None:
        super().__init__()
        require_positive("BoostedTrees", features=features, classes=classes)
        outputs = 1 if classes == 2 else classes
        if trees % outputs:
            raise ValueError(f"BoostedTrees: {trees} trees cannot be shared out to {classes} classes")
        self.arguments = {"features": features, "trees": trees, "nodes": nodes, "depth": depth, "classes": classes}
        self.features, self.outputs = features, outputs
        self.forest = Forest(trees=trees, nodes=nodes, depth=depth)
        self.baseline = nn.Buffer(torch.zeros(outputs, dtype=torch.float64))

    @classmethod
    def of(cls, estimator: Any) -> BoostedTrees:
        """The same trees as those of a fitted estimator.

        Raises:
            ValueError: If features are categories, which are not compared with thresholds.
        """
        if estimator.is_categorical_ is not None and np.any(estimator.is_categorical_):
            raise ValueError("BoostedTrees: categorical_features are not supported, give them as numbers")
        predictors = [tree for iteration in estimator._predictors for tree in iteration]
        trees = [_tree(predictor.nodes) for predictor in predictors]
        depths = [int(predictor.nodes["depth"].max()) for predictor in predictors]
        classes, features = len(estimator.classes_), int(estimator.n_features_in_)
        model = cls(features=features, classes=classes, **sizes_of(trees, depths))
        model.forest.take(trees)
        model.baseline.copy_(torch.from_numpy(np.ravel(estimator._baseline_prediction)))
        return model.eval()

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, classes) of objects with observables (n, f); NaN counts as missing.

        Raises:
            ValueError: If f is not the number of features that the trees were fitted to.
        """
        require_width("BoostedTrees", features, self.features)
        sums = self.forest(features).unflatten(1, (-1, self.outputs)).sum(1) + self.baseline
        logits = sums if self.outputs > 1 else torch.cat([torch.zeros_like(sums), sums], dim=1)
        return logits.float()


def _tree(nodes: Any) -> Tree:
    """Nodes of a tree as scikit-learn's histogram boosting has them."""
    is_leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
    return Tree(
        feature=np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(is_leaf, 0.0, nodes["num_threshold"]),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=np.where(is_leaf, own, nodes["left"]).astype(np.int64),
        right=np.where(is_leaf, own, nodes["right"]).astype(np.int64),
        value=nodes["value"],
    )
