"""Perceptron that judges edges one by one: what thins a graph before a network on graphs sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cortado.models.layers import NodeNorm, perceptron, require_positive

_LEAST_STEP = 1e-3  # of the radius [m]: two hits of one layer have no slope


class EdgeFilter(nn.Module):
    """A perceptron on both hits of an edge and its features, without messages between edges.

    Not in the paper: dphi/dr and z0, where the edge meets the beam line, are further features, as a small perceptron
    does not learn to divide; features of edges are standardised by their means over the training, as in
    `InteractionNetwork`.

    Args:
        nodes: Number of features of a hit, of which the first are r, phi and z in the units of `HitGraphInputs`.
        edges: Number of features of an edge, of which the first are their differences.
        hidden: Width of the hidden layers.
        layers: Number of the hidden layers.

    Raises:
        ValueError: If a size is below 1, or there are fewer than three features of hits or edges.

    References:
        Ju et al., Performance of a geometric deep learning pipeline for HL-LHC particle tracking (2021),
        arXiv:2103.06995, section 4.3.
    """

    reach = 0

    def __init__(self, *, nodes: int = 3, edges: int = 4, hidden: int = 64, layers: int = 3) -> None:
        super().__init__()
        require_positive("EdgeFilter", nodes=nodes, edges=edges, hidden=hidden, layers=layers)
        if min(nodes, edges) < 3:
            raise ValueError(f"EdgeFilter: nodes and edges must be at least 3, with r, phi, z, got {nodes} and {edges}")
        self.standardised = NodeNorm(edges + 2, affine=False, momentum=None)
        self.network = perceptron(2 * nodes + edges + 2, (hidden,) * layers, 1)

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) with features (E, 4) between nodes (N, 3)."""
        start, end = edge_index
        features = torch.cat([edge_features, _slope_and_z0(nodes[start], edge_features)], dim=1)
        logits: Tensor = self.network(torch.cat([nodes[start], nodes[end], self.standardised(features)], dim=1))
        return logits.squeeze(-1)


def _slope_and_z0(start: Tensor, edge_features: Tensor) -> Tensor:
    """dphi/dr, and z at r = 0 of the line through both hits, compressed, shape (E, 2)."""
    dr, dphi, dz = edge_features[:, :3].unbind(1)
    dr = torch.where(dr.abs() < _LEAST_STEP, _LEAST_STEP, dr)
    z0 = start[:, 2] - start[:, 0] * dz / dr
    return torch.stack([dphi / dr, 10 * z0], dim=1).asinh()
