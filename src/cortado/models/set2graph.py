"""Set2Graph: which tracks of a jet share a vertex, as a graph on the set of its tracks.

References:
    Serviansky et al., Set2Graph: Learning Graphs From Sets (2020), arXiv:2002.08772.
    Shlomi et al., Secondary Vertex Finding in Jets with Neural Networks (2021), arXiv:2008.02831.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.by_multiplicity import ByMultiplicity, by_multiplicity
from cortado.models.layers import require_positive, require_width
from cortado.models.pairs import PairScores


class SetToGraph(nn.Module):
    r"""Edges :math:`\psi(h_i, h_j)` on a deep set with attention, :math:`h = \phi(tracks)`.

    The published sizes have 457,449 (Set2Graph) and 461,289 parameters (Set2Graph+) at 10 features. What the papers and
    their code call the Frobenius norm runs over the channels of each track alone, so neither the padding nor the other
    jets of a batch enter it.

    Args:
        features: Number f of features of a track.
        hidden: Widths of the layers of the deep set.
        edge_hidden: Widths of the hidden layers of the perceptron on pairs.
        plus: Set2Graph+, all five terms of the linear maps from sets to graphs: beside h_i and h_j the sum over the
            jet, and h_i and the sum again on the diagonal only. A loss that ignores the diagonal does not train these.

    Raises:
        ValueError: If a size is below 1, or there is no layer.
    """

    def __init__(
        self,
        *,
        features: int = 10,
        hidden: Sequence[int] = (256, 256, 256, 256, 5),
        edge_hidden: Sequence[int] = (256,),
        plus: bool = False,
    ) -> None:
        super().__init__()
        require_positive("SetToGraph", features=features, hidden=min(hidden, default=0))
        require_positive("SetToGraph", edge_hidden=min(edge_hidden, default=0))
        self.features = features
        self.deep_set = DeepSet(features, hidden)
        self.pairs = PairScores(hidden[-1], edge_hidden, plus=plus)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, p, p) that two tracks share a vertex, of tracks (n, p, f), mask (n, p); not symmetric.

        Entries of the diagonal and of missing tracks are finite and without meaning.

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("SetToGraph", features, self.features)
        tracks = by_multiplicity(mask)
        logits: Tensor = self.pairs(self.deep_set(tracks.nodes(features), tracks), tracks)
        return logits


class DeepSet(nn.Module):
    """Layers of `SetLayer` with ReLU between.

    Args:
        features: Number of features of a track.
        hidden: Width of each layer.
    """

    def __init__(self, features: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SetLayer(*widths) for widths in zip([features, *hidden], hidden))

    def forward(self, nodes: Tensor, tracks: ByMultiplicity) -> Tensor:
        """Nodes (N, f) to nodes (N, c)."""
        for index, layer in enumerate(self.layers):
            nodes = layer(functional.relu(nodes) if index else nodes, tracks)
        return nodes


class SetLayer(nn.Module):
    """Equivariant map of a set: a linear map of each track plus one of what it attends to, divided by its length.

    Deviation from scaled dot-product attention: the query passes through tanh, the values are the inputs themselves,
    and the softmax runs over the queries.

    Args:
        inputs: Number of channels before.
        outputs: Number of channels after.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        width = max(inputs // 10, 1)
        self.scale = 1 / math.sqrt(width)
        self.query, self.key = nn.Linear(inputs, width), nn.Linear(inputs, width)
        self.own, self.attended = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, nodes: Tensor, tracks: ByMultiplicity) -> Tensor:
        """Nodes (N, inputs) to nodes (N, outputs)."""
        queries = tracks.split(torch.tanh(self.query(nodes)) * self.scale)
        groups = zip(queries, tracks.split(self.key(nodes)), tracks.split(nodes))
        seen = tracks.join([attend(*group, tracks.mask) for group in groups])
        return functional.normalize(self.own(nodes) + self.attended(seen), dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Mean (g, k, c) of the values of the tracks of each jet, as each track weighs them."""
    weight = key @ query.mT
    if torch.compiler.is_exporting():
        weight = weight.masked_fill(~mask.unsqueeze(1), torch.finfo(weight.dtype).min)
    return weight.softmax(-1).to(value.dtype) @ value
