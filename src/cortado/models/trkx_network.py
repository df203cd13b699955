"""Graph network of the HEP.TrkX project: edges and hits take turns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cortado.models.graph_layers import graph_layers
from cortado.models.layers import perceptron, require_positive


class TrkXNetwork(nn.Module):
    """Edges are weighted by their hits, hits are updated by their weighted neighbours inwards and outwards.

    In each of the iterations an edge has the weight that a perceptron gives its two ends; a hit takes in the weighted
    sum of those before it, of those behind it, and itself. The coordinates are joined to the hidden features before
    every iteration. The features of edges are not used. All layers but the last have tanh.

    Args:
        nodes: Number of features of a hit.
        hidden: Width of the layers; 64, and 128 for all transverse momenta.
        iterations: Number of updates of the hits; 4, and 6 for all transverse momenta.

    Raises:
        ImportError: If the extra `graphs` is not installed.
        ValueError: If a size is below 1.

    References:
        Farrell et al., Novel deep learning methods for track reconstruction (2018), arXiv:1810.06111, section 4.
    """

    def __init__(self, *, nodes: int = 3, hidden: int = 64, iterations: int = 4) -> None:
        super().__init__()
        require_positive("TrkXNetwork", nodes=nodes, hidden=hidden, iterations=iterations)
        layers: Any = graph_layers("TrkXNetwork")
        width = nodes + hidden
        self.iterations = self.reach = iterations
        self.first = perceptron(nodes, (hidden,), activation=nn.Tanh)
        self.edge = perceptron(2 * width, (hidden,), 1, activation=nn.Tanh)
        self.node = perceptron(3 * width, (hidden, hidden), activation=nn.Tanh)
        self.before = layers.WeightedSum("source_to_target")
        self.behind = layers.WeightedSum("target_to_source")

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) between nodes (N, 3)."""
        hits = torch.cat([self.first(nodes), nodes], dim=1)
        for _ in range(self.iterations):
            weight = torch.sigmoid(self._logits(hits, edge_index))
            sums = [direction(hits, edge_index, weight) for direction in (self.before, self.behind)]
            hits = torch.cat([self.node(torch.cat([*sums, hits], dim=1)), nodes], dim=1)
        return self._logits(hits, edge_index)

    def _logits(self, hits: Tensor, edge_index: Tensor) -> Tensor:
        start, end = edge_index
        logits: Tensor = self.edge(torch.cat([hits[start], hits[end]], dim=1))
        return logits.squeeze(-1)
