"""Layers on PyTorch Geometric's `MessagePassing`: the only file that imports it, when a network is made.

Sums run by torch's own `index_add` and `scatter_reduce`, so exported networks need no extension.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import GATConv, GCNConv, MessagePassing

from cortado.models.layers import perceptron

__all__ = ["GATConv", "GCNConv", "Interaction", "WeightedSum"]


class Interaction(MessagePassing):  # type: ignore[misc]
    """Relations of edges, whose sum at the node where they end updates this node.

    Args:
        nodes: Width of the nodes.
        edges: Width of the edges.
        hidden: Width of the two hidden layers of both perceptrons.
        effect: Width of the updated edges.
        outputs: Width of the updated nodes.
    """

    def __init__(self, *, nodes: int, edges: int, hidden: int, effect: int, outputs: int) -> None:
        super().__init__(aggr="sum")
        self.relation = perceptron(2 * nodes + edges, (hidden, hidden), effect)
        self.object = perceptron(nodes + effect, (hidden, hidden), outputs)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> tuple[Tensor, Tensor]:
        """Updated nodes (N, outputs) and edges (E, effect)."""
        start, end = edge_index
        effects = self.relation(torch.cat([nodes[end], nodes[start], edge_features], dim=1))
        received = self.propagate(edge_index, effects=effects, size=(nodes.shape[0], nodes.shape[0]))
        return self.object(torch.cat([nodes, received], dim=1)), effects

    def message(self, effects: Tensor) -> Tensor:
        """The effect of the edge."""
        return effects


class WeightedSum(MessagePassing):  # type: ignore[misc]
    """Sum over the edges of a node of what stands at their other end, times their weight.

    Args:
        flow: "source_to_target" for the edges that end at the node, "target_to_source" for those that start there.
    """

    def __init__(self, flow: str) -> None:
        super().__init__(aggr="sum", flow=flow)

    def forward(self, nodes: Tensor, edge_index: Tensor, weight: Tensor) -> Tensor:
        """Sums (N, c) of nodes (N, c) by weights (E,)."""
        summed: Tensor = self.propagate(edge_index, nodes=nodes, weight=weight, size=(nodes.shape[0], nodes.shape[0]))
        return summed

    def message(self, nodes_j: Tensor, weight: Tensor) -> Tensor:
        """The other end, weighted."""
        return weight.unsqueeze(-1) * nodes_j
