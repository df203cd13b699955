"""Rivals of the networks made for tracks: convolution and attention on the same graphs of hits.

Edges pass messages in both directions, and each layer has a linear shortcut in the place of an edge of a hit to itself;
then a perceptron judges the two ends and the features of each edge. As in `InteractionNetwork` these are standardised.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.graph_layers import graph_layers
from cortado.models.layers import NodeNorm, perceptron, require_positive


class GraphConvolution(nn.Module):
    """Graph convolutions, with edges weighted by the number of neighbours of their ends.

    Args:
        nodes: Number of features of a hit.
        edges: Number of features of an edge.
        hidden: Width of the layers.
        layers: Number of convolutions.

    Raises:
        ImportError: If the extra `graphs` is not installed.
        ValueError: If a size is below 1.

    References:
        Kipf and Welling, Semi-supervised classification with graph convolutional networks (2017), arXiv:1609.02907.
    """

    def __init__(self, *, nodes: int = 3, edges: int = 4, hidden: int = 40, layers: int = 3) -> None:
        super().__init__()
        require_positive("GraphConvolution", nodes=nodes, edges=edges, hidden=hidden, layers=layers)
        self.reach = layers + 1  # of the last neighbours the number of edges counts
        graph: Any = graph_layers("GraphConvolution")
        widths = [nodes] + (layers - 1) * [hidden]
        self.standardised = NodeNorm(edges, affine=False, momentum=None)
        self.messages = nn.ModuleList(graph.GCNConv(width, hidden, add_self_loops=False) for width in widths)
        self.shortcuts = nn.ModuleList(nn.Linear(width, hidden, bias=False) for width in widths)
        self.ends = perceptron(2 * hidden + edges, (hidden, hidden), 1)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) with features (E, 4) between nodes (N, 3)."""
        both = _both_directions(edge_index)
        for message, shortcut in zip(self.messages, self.shortcuts):
            nodes = functional.relu(message(nodes, both) + shortcut(nodes))
        return _of_edges(self.ends, nodes, edge_index, self.standardised(edge_features))


class GraphAttention(nn.Module):
    """Graph attention: each hit weighs its neighbours by both hits and the features of the edge.

    Args:
        nodes: Number of features of a hit.
        edges: Number of features of an edge.
        hidden: Width of the layers, shared by the heads.
        layers: Number of attentions.
        heads: Number of heads.

    Raises:
        ImportError: If the extra `graphs` is not installed.
        ValueError: If a size is below 1, or the heads do not share the width evenly.

    References:
        Velickovic et al., Graph attention networks (2018), arXiv:1710.10903.
    """

    def __init__(self, *, nodes: int = 3, edges: int = 4, hidden: int = 40, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        require_positive("GraphAttention", nodes=nodes, edges=edges, hidden=hidden, layers=layers, heads=heads)
        if hidden % heads:
            raise ValueError(f"GraphAttention: hidden must be a multiple of heads = {heads}, got {hidden}")
        self.reach = layers
        graph: Any = graph_layers("GraphAttention")
        widths, each = [nodes] + (layers - 1) * [hidden], hidden // heads
        self.standardised = NodeNorm(edges, affine=False, momentum=None)
        self.messages = nn.ModuleList(
            graph.GATConv(width, each, heads=heads, edge_dim=edges, add_self_loops=False) for width in widths
        )
        self.shortcuts = nn.ModuleList(nn.Linear(width, hidden, bias=False) for width in widths)
        self.ends = perceptron(2 * hidden + edges, (hidden, hidden), 1)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) with features (E, 4) between nodes (N, 3)."""
        # Seen from the other end, all differences change their sign; the distance, the last feature, does not.
        turned = torch.cat([-edge_features[:, :-1], edge_features[:, -1:]], dim=1)
        both, features = _both_directions(edge_index), self.standardised(torch.cat([edge_features, turned]))
        for message, shortcut in zip(self.messages, self.shortcuts):
            nodes = functional.relu(message(nodes, both, features) + shortcut(nodes))
        return _of_edges(self.ends, nodes, edge_index, features[: edge_features.shape[0]])


def _both_directions(edge_index: Tensor) -> Tensor:
    """Each edge also from its end to its start, (2, 2 E)."""
    return torch.cat([edge_index, edge_index.flip(0)], dim=1)


def _of_edges(ends: nn.Module, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
    start, end = edge_index
    logits: Tensor = ends(torch.cat([nodes[start], nodes[end], edge_features], dim=1))
    return logits.squeeze(-1)
