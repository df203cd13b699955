"""Distance to the nearest neighbours: strange is what has nothing like it in the sample.

References:
    Ramaswamy, Rastogi, Shim, Efficient algorithms for mining outliers from large data sets (2000),
    doi:10.1145/342009.335437; the mean over the k neighbours is that of Angiulli, Pizzuti (2002),
    doi:10.1007/3-540-45681-3_2.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from cortado.models.layers import require_positive, require_width

_AT_ONCE = 8_192  # references whose distances are in memory: 32 MB for 512 objects


class NearestNeighbours(nn.Module):
    """Mean Euclidean distance (n,) to the k nearest objects of a sample, which the model keeps in whole.

    Args:
        features: Number f of observables, standardised by a `Scaling`: distances add them up.
        references: Number of objects of the sample.
        neighbours: Number k of those that count.

    Raises:
        ValueError: If a size is below 1, or there are fewer references than neighbours.
    """

    estimators: ClassVar[tuple[str, ...]] = ("NearestNeighbors",)

    def __init__(self, *, features: int, references: int, neighbours: int = 5) -> None:
        super().__init__()
        require_positive("NearestNeighbours", features=features, references=references, neighbours=neighbours)
        if references < neighbours:
            raise ValueError(f"NearestNeighbours: {neighbours} neighbours of {references} references: they are too few")
        self.arguments = {"features": features, "references": references, "neighbours": neighbours}
        self.features, self.neighbours = features, neighbours
        self.references = nn.Buffer(torch.zeros(references, features))

    @classmethod
    def of(cls, estimator: Any) -> NearestNeighbours:
        """The same sample as that of a fitted estimator.

        Raises:
            ValueError: If its distances are not Euclidean.
        """
        if estimator.effective_metric_ != "euclidean":
            raise ValueError(
                f"NearestNeighbours: metric = {estimator.effective_metric_!r}, required: 'euclidean' (minkowski, p=2)"
            )
        sample = np.asarray(estimator._fit_X, dtype=np.float32)
        model = cls(features=sample.shape[1], references=len(sample), neighbours=int(estimator.n_neighbors))
        model.references.copy_(torch.from_numpy(sample))
        return model.eval()

    def forward(self, features: Tensor) -> Tensor:
        """Mean distance (n,) of objects with observables (n, f); one that is in the sample is its own neighbour.

        Raises:
            ValueError: If f is not the number of features of the sample.
        """
        require_width("NearestNeighbours", features, self.features)
        nearest = features.new_zeros((features.shape[0], 0), dtype=torch.float64)
        for part in torch.split(self.references.double(), _AT_ONCE):
            both = torch.cat([nearest, _distances(features.double(), part)], dim=1)
            nearest = both.topk(min(self.neighbours, both.shape[1]), dim=1, largest=False).values
        return nearest.mean(1).float()


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distances (n, m), not by matrix products, which lose the digits of small ones."""
    if torch.compiler.is_exporting():  # ONNX has no cdist
        return (one.unsqueeze(1) - other).square().sum(-1).sqrt()
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")
