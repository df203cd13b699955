"""Interaction network on graphs of hits: which segments between layers are pieces of a track."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cortado.models.graph_layers import graph_layers
from cortado.models.layers import NodeNorm, perceptron, require_positive


class InteractionNetwork(nn.Module):
    """One interaction: edges, then nodes, then edges again.

    A relation of each edge with its two hits, (10, 40, 40, 4), is summed where the edge ends; the hits are updated,
    (7, 40, 40, 3), and a last relation gives the logit of the edge, (10, 40, 40, 1). All hidden layers have ReLU.

    Not in the paper: features of edges are standardised by their means over the training, which has no parameters.
    Azimuths differ by a hundredth of what radii do, and a few graphs do not suffice to learn that.

    Args:
        nodes: Number of features of a hit.
        edges: Number of features of an edge.
        hidden: Width of the hidden layers.
        effect: Width of the relation.

    Raises:
        ImportError: If the extra `graphs` is not installed.
        ValueError: If a size is below 1.

    References:
        DeZoort et al., Charged particle tracking via edge-classifying interaction networks (2021), arXiv:2103.16701.
    """

    reach = 1

    def __init__(self, *, nodes: int = 3, edges: int = 4, hidden: int = 40, effect: int = 4) -> None:
        super().__init__()
        require_positive("InteractionNetwork", nodes=nodes, edges=edges, hidden=hidden, effect=effect)
        layers: Any = graph_layers("InteractionNetwork")
        self.standardised = NodeNorm(edges, affine=False, momentum=None)
        self.interaction = layers.Interaction(nodes=nodes, edges=edges, hidden=hidden, effect=effect, outputs=nodes)
        self.last = perceptron(2 * nodes + effect, (hidden, hidden), 1)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) with features (E, 4) between nodes (N, 3)."""
        updated, effects = self.interaction(nodes, edge_index, self.standardised(edge_features))
        start, end = edge_index
        logits: Tensor = self.last(torch.cat([updated[end], updated[start], effects], dim=1))
        return logits.squeeze(-1)
