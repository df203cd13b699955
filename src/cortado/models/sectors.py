"""Large graphs of hits through a network one sector of azimuth after the other, with the answers of the whole."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["MAX_EDGES", "BySectors"]

MAX_EDGES = 500_000
"""Edges up to which a graph is seen at once; the networks of this package then take below 1 GB."""


class BySectors(nn.Module):
    """A network of edges that sees a large graph in sectors of azimuth.

    A sector is the edges that begin in it, together with all that the network can see of their surroundings: so the
    logits are those of the whole graph, and no track ends at the border of a sector.

    Args:
        network: Its `reach` is the number of steps along edges from which a logit can depend on hits.
        max_edges: Most edges that begin in a sector; smaller graphs are seen whole.

    Raises:
        ValueError: If `max_edges` is below 1.
    """

    def __init__(self, network: nn.Module, *, max_edges: int = MAX_EDGES) -> None:
        super().__init__()
        if max_edges < 1:
            raise ValueError(f"max_edges must be at least 1, got {max_edges}")
        self.network, self.max_edges = network, max_edges

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_features: Tensor) -> Tensor:
        """Logits (E,) of edges (2, E) with features (E, f) between nodes (N, 3), of which the second is phi / pi."""
        edges = edge_index.shape[1]
        if edges <= self.max_edges:
            whole: Tensor = self.network(nodes, edge_index, edge_features)
            return whole
        logits = nodes.new_empty(edges)
        for own in nodes[edge_index[0], 1].argsort().tensor_split(math.ceil(edges / self.max_edges)):
            near, used = self._surroundings(own, edge_index, nodes.shape[0])
            place = edge_index.new_zeros(nodes.shape[0]).scatter_(0, used, torch.arange(len(used), device=nodes.device))
            seen = self.network(nodes[used], place[edge_index[:, near]], edge_features[near])
            logits[near] = torch.where(_among(near, own, edges), seen.to(logits.dtype), logits[near])
        return logits

    def _surroundings(self, own: Tensor, edge_index: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
        """Indices of all edges and of all nodes on which the logits of some edges depend, rising."""
        start, end = edge_index
        reached = torch.zeros(nodes, dtype=torch.bool, device=own.device)
        reached[edge_index[:, own]] = True
        for _ in range(int(self.network.reach)):  # type: ignore[arg-type]
            near = reached[start] | reached[end]
            reached[edge_index[:, near]] = True
        return (reached[start] & reached[end]).nonzero().squeeze(1), reached.nonzero().squeeze(1)


def _among(some: Tensor, chosen: Tensor, size: int) -> Tensor:
    """Which of some indices below a size are chosen."""
    mask = torch.zeros(size, dtype=torch.bool, device=chosen.device)
    mask[chosen] = True
    return mask[some]
