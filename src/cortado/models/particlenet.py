"""ParticleNet: a jet is a cloud of points, joined to their neighbours and convolved along the edges.

References:
    Qu, Gouskos, ParticleNet: Jet Tagging via Particle Clouds (2020), arXiv:1902.08570.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cortado.models.edge_conv import EdgeConv
from cortado.models.layers import NodeNorm, pack, perceptron, require_positive, require_width, sum_per_jet
from cortado.models.neighbours import nearest_neighbours, node_grids

LITE = {"k": 7, "edge_convs": ((32, 32, 32), (64, 64, 64)), "hidden": 128}


class ParticleNet(nn.Module):
    def __init__(
        self,
        *,
        features: int = 7,
        classes: int = 2,
        k: int = 16,
        edge_convs: Sequence[Sequence[int]] = ((64, 64, 64), (128, 128, 128), (256, 256, 256)),
        hidden: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        require_positive("ParticleNet", features=features, classes=classes, k=k, hidden=hidden)
        self.features, self.k = features, k
        self.norm = NodeNorm(features)
        inputs = [features, *(widths[-1] for widths in edge_convs)]
        self.edge_convs = nn.ModuleList(EdgeConv(before, widths) for before, widths in zip(inputs, edge_convs))
        self.head = perceptron(inputs[-1], (hidden,), classes, dropout)

    def forward(self, points: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        require_width("ParticleNet", features, self.features)
        nodes = self.norm(pack(features, mask))
        coordinates = pack(points, mask)
        grids = node_grids(mask, self.k)
        for edge_conv in self.edge_convs:
            nodes = edge_conv(nodes, nearest_neighbours(coordinates, grids, self.k))
            coordinates = nodes
        mean = sum_per_jet(nodes, mask) / mask.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.head(mean)
        return logits


def from_weaver(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of weaver-core's ParticleNet under our names."""
    ours = {}
    for name, value in state.items():
        parts = name.removeprefix("mod.").split(".")
        match parts:
            case ["bn_fts", leaf]:
                ours[f"norm.{leaf}"] = value
            case ["edge_convs", b, "convs", l, leaf]:
                ours[f"edge_convs.{b}.edges.{l}.0.{leaf}"] = value.flatten(1)
            case ["edge_convs", b, "bns", l, leaf]:
                ours[f"edge_convs.{b}.edges.{l}.1.{leaf}"] = value
            case ["edge_convs", b, "sc", leaf]:
                ours[f"edge_convs.{b}.shortcut.0.{leaf}"] = value.flatten(1)
            case ["edge_convs", b, "sc_bn", leaf]:
                ours[f"edge_convs.{b}.shortcut.1.{leaf}"] = value
            case ["fc", "0", "0", leaf]:
                ours[f"head.0.{leaf}"] = value
            case ["fc", "1", leaf]:
                ours[f"head.3.{leaf}"] = value
    return ours
