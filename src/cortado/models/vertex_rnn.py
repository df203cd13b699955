"""Vertex RNN: the tracks of a jet as a sequence, read in both directions, then pair by pair.

References:
    Shlomi et al., Secondary Vertex Finding in Jets with Neural Networks (2021), arXiv:2008.02831, "RNN".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from cortado.models.by_multiplicity import by_multiplicity
from cortado.models.layers import require_positive, require_width
from cortado.models.pairs import PairScores


class VertexRNN(nn.Module):
    """Stack of bidirectional GRUs on the tracks, from the lowest pT to the highest, then a perceptron on pairs.

    Half of the channels of a layer come from each direction; each track's are divided by their length, and ReLU stands
    between the layers. Tracks are ordered here, so that their order in the file does not matter; those of equal pT keep
    it. Not for torch.export or ONNX: an exported program has no room for a number of steps that is not known before.

    Deviation: six channels at the end where the published code asks for five, which two directions cannot share.
    The default size has 1,005,147 parameters at 10 features.

    Args:
        features: Number f of features of a track.
        hidden: Widths of the layers, even numbers.
        edge_hidden: Widths of the hidden layers of the perceptron on pairs.
        pt_feature: Index of the feature by which the tracks are ordered.

    Raises:
        ValueError: If a size is below 1, there is no layer, a width is odd, or there is no such feature.
    """

    def __init__(
        self,
        *,
        features: int = 10,
        hidden: Sequence[int] = (256, 256, 256, 256, 6),
        edge_hidden: Sequence[int] = (256,),
        pt_feature: int = 4,
    ) -> None:
        super().__init__()
        require_positive("VertexRNN", features=features, hidden=min(hidden, default=0))
        require_positive("VertexRNN", edge_hidden=min(edge_hidden, default=0))
        if any(width % 2 for width in hidden):
            raise ValueError(f"VertexRNN: hidden must be even widths, half for each direction, got {tuple(hidden)}")
        if pt_feature not in range(features):
            raise ValueError(f"VertexRNN: pt_feature must be one of the {features} features from 0, got {pt_feature}")
        self.features, self.pt_feature = features, pt_feature
        widths = zip([features, *hidden], hidden)
        self.layers = nn.ModuleList(nn.GRU(before, after // 2, bidirectional=True) for before, after in widths)
        self.pairs = PairScores(hidden[-1], edge_hidden)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, p, p) that two tracks share a vertex, of tracks (n, p, f), mask (n, p); not symmetric.

        Entries of the diagonal and of missing tracks are finite and without meaning.

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("VertexRNN", features, self.features)
        tracks = by_multiplicity(mask)
        index, batch_sizes = _steps(features[..., self.pt_feature], mask)
        nodes = features.flatten(0, 1).index_select(0, index)
        if len(batch_sizes):
            nodes = self._read(nodes, batch_sizes)
        else:
            nodes = nodes.new_zeros(0, self.pairs.inputs)
        back = torch.empty(mask.numel(), dtype=torch.int64, device=mask.device)
        back[index] = torch.arange(len(index), device=mask.device)
        logits: Tensor = self.pairs(nodes.index_select(0, back[tracks.places]), tracks)
        return logits

    def _read(self, nodes: Tensor, batch_sizes: Tensor) -> Tensor:
        """Nodes (N, f), step by step of the sequences, through all layers."""
        for index, layer in enumerate(self.layers):
            sequence = PackedSequence(functional.relu(nodes) if index else nodes, batch_sizes)
            nodes = functional.normalize(layer(sequence)[0].data, dim=-1)
        return nodes


def _steps(pt: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Places (N,) among the n p of the first tracks of all jets, then of the second ones, ..., and how many each are.

    In each jet from the lowest pT (n, p) to the highest; of the jets, those with most tracks come first.
    """
    p = mask.shape[1]
    column = pt.masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)
    jets = mask.sum(1).argsort(descending=True, stable=True)
    places = (column + p * torch.arange(len(mask), device=mask.device).unsqueeze(1))[jets].T
    real = torch.arange(p, device=mask.device).unsqueeze(1) < mask.sum(1)[jets]
    batch_sizes = real.sum(1).cpu()
    return places[real], batch_sizes[batch_sizes > 0]
