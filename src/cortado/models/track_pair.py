"""Track pair: the same perceptron sees each of two tracks, another one both; no pair knows of the rest of the jet.

References:
    Serviansky et al., Set2Graph: Learning Graphs From Sets (2020), arXiv:2002.08772, baseline "Siamese".
    Shlomi et al., Secondary Vertex Finding in Jets with Neural Networks (2021), arXiv:2008.02831, "track pair".
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cortado.models.by_multiplicity import by_multiplicity
from cortado.models.layers import perceptron, require_positive, require_width
from cortado.models.pairs import PairScores


class TrackPair(nn.Module):
    """Siamese perceptron on tracks, then a perceptron on pairs.

    The default size has 452,742 parameters at 10 features, about those of Set2Graph.

    Args:
        features: Number f of features of a track.
        hidden: Widths of the perceptron on tracks; no ReLU behind the last.
        edge_hidden: Widths of the hidden layers of the perceptron on pairs.

    Raises:
        ValueError: If a size is below 1, or there is no layer.
    """

    def __init__(
        self,
        *,
        features: int = 10,
        hidden: Sequence[int] = (384, 384, 384, 384, 5),
        edge_hidden: Sequence[int] = (256,),
    ) -> None:
        super().__init__()
        require_positive("TrackPair", features=features, hidden=min(hidden, default=0))
        require_positive("TrackPair", edge_hidden=min(edge_hidden, default=0))
        self.features = features
        self.track: nn.Module = perceptron(features, hidden[:-1], hidden[-1])
        self.pairs = PairScores(hidden[-1], edge_hidden)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, p, p) that two tracks share a vertex, of tracks (n, p, f), mask (n, p); not symmetric.

        Entries of the diagonal and of missing tracks are finite and without meaning.

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("TrackPair", features, self.features)
        tracks = by_multiplicity(mask)
        logits: Tensor = self.pairs(self.track(tracks.nodes(features)), tracks)
        return logits
