"""ParticleNet: a jet is a cloud of points, joined to their neighbours and convolved along the edges.

References:
    Qu, Gouskos, ParticleNet: Jet Tagging via Particle Clouds (2020), arXiv:1902.08570.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cortado.models.edge_conv import EdgeConv
from cortado.models.layers import NodeNorm, pack, perceptron, require_positive, require_width, sum_per_jet
from cortado.models.neighbours import nearest_neighbours, node_grids

LITE: dict[str, Any] = {"k": 7, "edge_convs": ((32, 32, 32), (64, 64, 64)), "hidden": 128}
"""Arguments of ParticleNet-Lite (26,416 parameters at 7 features): `ParticleNet(**LITE)`."""


class ParticleNet(nn.Module):
    """Edge convolutions on the k nearest neighbours, mean over the constituents, one hidden layer.

    Neighbours are nearest in (eta, phi) for the first edge convolution, and in the features that the one before
    gives for the others. The published size has 366,160 parameters at 7 features. With the same weights the logits are
    those of weaver-core's network in evaluation, up to rounding and to the order of coincident points. Deviations:
    a constituent is never its own neighbour (there, one of several coincident constituents may be); in training,
    batch norm does not see the padding, which moves the statistics with the longest jet of a batch; a missing
    neighbour is a constituent of zeros, for jets of any length.

    Args:
        features: Number f of features of a constituent.
        classes: Number of classes.
        k: Number of neighbours.
        edge_convs: Widths of the edge perceptron of each edge convolution.
        fusion: Width of a layer on what all edge convolutions give, before the mean; None takes the last one alone.
        hidden: Width of the layer on the mean.
        dropout: Probability of dropping a unit of that layer in training.

    Raises:
        ValueError: If a size is below 1, or there is no edge convolution or one without layers.
    """

    def __init__(
        self,
        *,
        features: int = 7,
        classes: int = 2,
        k: int = 16,
        edge_convs: Sequence[Sequence[int]] = ((64, 64, 64), (128, 128, 128), (256, 256, 256)),
        fusion: int | None = None,
        hidden: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        require_positive("ParticleNet", features=features, classes=classes, k=k, hidden=hidden)
        if not edge_convs or not all(edge_convs):
            raise ValueError(
                f"ParticleNet: edge_convs must hold the widths of at least one edge convolution, each of at least one "
                f"layer, got {edge_convs!r}"
            )
        require_positive("ParticleNet", **{f"edge_convs[{i}]": min(widths) for i, widths in enumerate(edge_convs)})
        self.features, self.k = features, k
        self.norm = NodeNorm(features)
        inputs = [features, *(widths[-1] for widths in edge_convs)]
        self.edge_convs = nn.ModuleList(EdgeConv(width, widths) for width, widths in zip(inputs, edge_convs))
        self.fusion = None if fusion is None else _fusion(sum(inputs[1:]), fusion)
        self.head = perceptron(fusion or inputs[-1], (hidden,), classes, dropout)

    def forward(self, points: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, classes) of jets with points (n, p, 2), features (n, p, f), mask (n, p).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("ParticleNet", features, self.features)
        coordinates, nodes = pack(points, mask), self.norm(pack(features, mask))
        grids = node_grids(mask, self.k)
        convolved = []
        for edge_conv in self.edge_convs:
            coordinates = nodes = edge_conv(nodes, nearest_neighbours(coordinates, grids, self.k))
            convolved.append(nodes)
        if self.fusion is not None:
            nodes = self.fusion(torch.cat(convolved, dim=1))
        count = mask.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.head(sum_per_jet(nodes, mask) / count)
        return logits


def _fusion(inputs: int, outputs: int) -> nn.Sequential:
    require_positive("ParticleNet", fusion=outputs)
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), NodeNorm(outputs), nn.ReLU())


def from_weaver(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict for our `ParticleNet` from one of weaver-core's (one hidden layer, feature batch norm).

    Names may start with `mod.`, as those that weaver's example networks save.

    Raises:
        ValueError: If a name is none of that network's.
    """
    return {_our_name(name.removeprefix("mod.")): _our_shape(value) for name, value in state.items()}


def _our_shape(value: Tensor) -> Tensor:
    """Weights of convolutions of size 1 as those of linear layers."""
    return value.flatten(1) if value.ndim > 2 else value


def _our_name(name: str) -> str:
    match name.split("."):
        case ["bn_fts", leaf]:
            return f"norm.{leaf}"
        case ["edge_convs", block, "convs", layer, leaf]:
            return f"edge_convs.{block}.edges.{layer}.0.{leaf}"
        case ["edge_convs", block, "bns", layer, leaf]:
            return f"edge_convs.{block}.edges.{layer}.1.{leaf}"
        case ["edge_convs", block, "sc", leaf]:
            return f"edge_convs.{block}.shortcut.0.{leaf}"
        case ["edge_convs", block, "sc_bn", leaf]:
            return f"edge_convs.{block}.shortcut.1.{leaf}"
        case ["fusion_block", ("0" | "1") as layer, leaf]:
            return f"fusion.{layer}.{leaf}"
        case ["fc", "0", "0", leaf]:
            return f"head.0.{leaf}"
        case ["fc", "1", leaf]:
            return f"head.3.{leaf}"
    raise ValueError(f"{name!r} is no weight of a weaver ParticleNet with one hidden layer")
