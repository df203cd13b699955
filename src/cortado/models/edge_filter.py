"""Perceptron that judges edges one by one: what thins a graph before a network on graphs sees it."""

import torch
from torch import Tensor, nn

from cortado.models.layers import NodeNorm, perceptron, require_positive


class EdgeFilter(nn.Module):
    """A perceptron on both hits of an edge and its features, without messages between edges.

    Not in the paper: features of edges are standardised by their means over the training, as in `InteractionNetwork`.

    Args:
        nodes: Number of features of a hit.
        edges: Number of features of an edge.
        hidden: Width of the hidden layers.
        layers: Number of the hidden layers.

    Raises:
        ValueError: If a size is below 1.

    References:
        Ju et al., Performance of a geometric deep learning pipeline for HL-LHC particle tracking (2021),
        arXiv:2103.06995, section 4.3.
    """

    def __init__(self, *, nodes: int = 3, edges: int = 4, hidden: int = 64, layers: int = 3) -> None:
        super().__init__()
        require_positive("EdgeFilter", nodes=nodes, edges=edges, hidden=hidden, layers=layers)
        self.standardised = NodeNorm(edges, affine=False, momentum=None)
        self.network = perceptron(2 * nodes + edges, (hidden,) * layers, 1)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) with features (E, 4) between nodes (N, 3)."""
        start, end = edge_index
        ends = torch.cat([nodes[start], nodes[end], self.standardised(edge_features)], dim=1)
        logits: Tensor = self.network(ends)
        return logits.squeeze(-1)
