"""Jet flavour from tracks and from which of them share a vertex.

References:
    Shlomi et al., Secondary Vertex Finding in Jets with Neural Networks (2021), arXiv:2008.02831, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.by_multiplicity import ByMultiplicity, by_multiplicity
from cortado.models.layers import NodeNorm, perceptron, require_positive, require_width
from cortado.models.pairs import PairMessages
from cortado.models.set2graph import DeepSet, SetToGraph
from cortado.models.track_pair import TrackPair
from cortado.models.vertex_rnn import VertexRNN

_FINDERS: dict[str, type[nn.Module]] = {"SetToGraph": SetToGraph, "TrackPair": TrackPair, "VertexRNN": VertexRNN}


class FlavourTagger(nn.Module):
    """Flavour with the edges that a trained vertex finder sees, or without any.

    The finder is a part of the model but not of its training: it has no gradients and stays in evaluation. Whoever
    trains loads its weights into `finder`. The value of an edge is the sigmoid of the finder's symmetrised logit (the
    published code takes the logit), 0 without finder; that of a track with itself is 0.

    Args:
        features: Number f of features of a track; the last ones are those of its jet.
        jet_features: Number of features of the jet.
        finder: Name of the vertex model, SetToGraph, TrackPair or VertexRNN; None for none.
        finder_arguments: Its arguments; `features` is taken from here unless given.
        classes: Number of classes.

    Raises:
        ValueError: If a size is below 1, no feature is a track's own, or the finder is unknown, or has arguments but no
            name.
    """

    def __init__(
        self,
        *,
        features: int = 10,
        jet_features: int = 4,
        finder: str | None = None,
        finder_arguments: Mapping[str, Any] | None = None,
        classes: int = 3,
    ) -> None:
        super().__init__()
        require_positive("FlavourTagger", features=features, jet_features=jet_features, classes=classes)
        if finder is not None and finder not in _FINDERS:
            raise ValueError(f"FlavourTagger: finder must be one of {', '.join(_FINDERS)} or None, got {finder!r}")
        if finder is None and finder_arguments:
            raise ValueError(f"FlavourTagger: finder_arguments {dict(finder_arguments)} need a finder")
        self.finder: nn.Module | None = None
        if finder is not None:
            self.finder = _FINDERS[finder](**{"features": features, **(finder_arguments or {})})
            self.finder.requires_grad_(False).eval()
        self.tagger = EdgeFlavourTagger(features=features, jet_features=jet_features, classes=classes)

    def train(self, mode: bool = True) -> Self:
        """As in any module, but for the finder, which stays in evaluation."""
        super().train(mode)
        if self.finder is not None:
            self.finder.eval()
        return self

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Logits (n, classes) of jets with tracks (n, p, f), mask (n, p).

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("FlavourTagger", features, self.tagger.features)
        logits: Tensor = self.tagger(features, mask, self._edges(features, mask))
        return logits

    @torch.no_grad()
    def _edges(self, features: Tensor, mask: Tensor) -> Tensor:
        if self.finder is None:
            return features.new_zeros(1, 1, 1).expand(*mask.shape, mask.shape[1])
        logits = self.finder(features, mask)
        return torch.sigmoid((logits + logits.mT) / 2).to(features.dtype)


class EdgeFlavourTagger(nn.Module):
    """Flavour from tracks with given edges: a deep set, then messages along the edges, then the sum over the tracks.

    The published classifier, with 328,741 parameters at 10 features. Deviation: the edge of a track with itself is 0.

    Args:
        features: Number f of features of a track; the last ones are those of its jet.
        jet_features: Number of features of the jet.
        classes: Number of classes.
        hidden: Widths of the layers of the deep set.
        message_passings: Number of rounds of messages.
        message_hidden: Width of the hidden layer of both perceptrons of a round, on edges and on tracks.
        message: Number of channels of a message.
        head: Widths of the hidden layers of the classifier.

    Raises:
        ValueError: If a size is below 1, or all features are the jet's.
    """

    def __init__(
        self,
        *,
        features: int = 10,
        jet_features: int = 4,
        classes: int = 3,
        hidden: Sequence[int] = (126, 126, 126, 126),
        message_passings: int = 3,
        message_hidden: int = 100,
        message: int = 20,
        head: Sequence[int] = (100, 50),
    ) -> None:
        super().__init__()
        sizes = {"features": features, "jet_features": jet_features, "classes": classes, "message": message}
        sizes |= {"message_passings": message_passings, "message_hidden": message_hidden}
        require_positive("EdgeFlavourTagger", **sizes, hidden=min(hidden, default=0), head=min(head, default=1))
        if jet_features >= features:
            raise ValueError(
                f"EdgeFlavourTagger: jet_features must be less than features={features}, got {jet_features}"
            )
        self.features, self.jet_features = features, jet_features
        self.deep_set = DeepSet(features, hidden)
        rounds = [MessagePassing(hidden[-1], message_hidden, message) for _ in range(message_passings)]
        self.messages = nn.ModuleList(rounds)
        layers: list[nn.Module] = []
        for before, after in zip([jet_features + hidden[-1], *head], head):
            layers += [nn.Linear(before, after, bias=False), NodeNorm(after), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.Linear([jet_features + hidden[-1], *head][-1], classes))

    def forward(self, features: Tensor, mask: Tensor, edges: Tensor) -> Tensor:
        """Logits (n, classes) of jets with tracks (n, p, f), mask (n, p), and values (n, p, p) of their edges.

        Raises:
            ValueError: If f is not the number of features that the model was made with.
        """
        require_width("EdgeFlavourTagger", features, self.features)
        tracks = by_multiplicity(mask)
        inputs = tracks.nodes(features)
        nodes = self.deep_set(inputs, tracks)
        itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        pairs = tracks.pairs(edges.masked_fill(itself, 0.0))
        for messages in self.messages:
            nodes = messages(nodes, pairs, tracks)
        # The jet's features are the same for all of its tracks; the mean does not ask which places are filled.
        of_jet = tracks.from_sums(tracks.sums(inputs[..., -self.jet_features :]))
        of_jet = of_jet / mask.sum(1, keepdim=True).clamp(min=1)
        logits: Tensor = self.head(torch.cat([of_jet, tracks.from_sums(tracks.sums(nodes))], dim=1))
        return logits


class MessagePassing(nn.Module):
    """One round of messages: each track takes the sum of those from its jet, and is divided by its length.

    Args:
        inputs: Number c of channels of a track.
        hidden: Width of the hidden layers.
        message: Number of channels of a message.
    """

    def __init__(self, inputs: int, hidden: int, message: int) -> None:
        super().__init__()
        self.edge = PairMessages(inputs, hidden, message)
        self.node = perceptron(inputs + message, (hidden,), inputs)

    def forward(self, nodes: Tensor, edges: Sequence[Tensor], tracks: ByMultiplicity) -> Tensor:
        """Nodes (N, c) to nodes (N, c), with the values (g, k, k) of the edges."""
        received = self.edge(nodes, edges, tracks)
        return functional.normalize(self.node(torch.cat([nodes, received], dim=-1)), dim=-1)
