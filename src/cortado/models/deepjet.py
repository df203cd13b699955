"""DeepJet: charged candidates, neutral candidates and vertices of a jet, each convolved one by one, then read in a row.

References:
    Bols, Kieseler, Verzetti, Stoye, Stakia, Jet Flavour Classification Using DeepJet (2020), arXiv:2008.10519.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from cortado.models.layers import NodeNorm, pack, require_positive

_MOMENTUM = 0.4  # Keras counts it the other way round: 0.6


class DeepJet(nn.Module):
    """Convolutions of size 1, one LSTM for each of the three collections, dense layers on its last outputs and the jet.

    The candidates of a collection come in order of importance, the padding after them. As published, each LSTM reads
    them from the last to the first, so that the most important one is read at last. The published size at six classes
    is that of the Keras model, 265,252 weights, and 1,000 more, as torch gives an LSTM a second bias; with the running
    statistics of its batch norms the Keras model counts 268,258. Deviations: neither batch norm nor LSTM see the
    padding, which the published code reads as candidates of zeros; the gates of the LSTM are exact sigmoids; the result
    is logits, not their softmax. In an exported program, where an LSTM is unrolled, lengths p go up to the largest of
    the representation.

    With the classes (b, bb, lepb, c, uds, g) the published discriminants are
    `scorer.discriminant(jets, ("b", "bb", "lepb"), ("c", "uds", "g"))` for b jets, `(jets, ("c",), ("uds", "g"))` for
    CvsL, `(jets, ("c",), ("b", "bb", "lepb"))` for CvsB and `(jets, ("uds",), ("g",))` for quarks against gluons.

    Args:
        jet_features: Number of features of the jet.
        charged_features: Number of features of a charged candidate.
        neutral_features: Number of features of a neutral candidate.
        vertex_features: Number of features of a vertex.
        hidden: Widths of the dense layers.
        classes: Number of classes.
        dropout: Probability of dropping a unit in training.

    Raises:
        ValueError: If a size is below 1, or there is no dense layer.
    """

    def __init__(
        self,
        *,
        jet_features: int = 15,
        charged_features: int = 16,
        neutral_features: int = 6,
        vertex_features: int = 12,
        hidden: Sequence[int] = (200, 100, 100, 100, 100, 100, 100, 100),
        classes: int = 6,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        require_positive("DeepJet", jet_features=jet_features, charged_features=charged_features)
        require_positive("DeepJet", neutral_features=neutral_features, vertex_features=vertex_features)
        require_positive("DeepJet", classes=classes, hidden=min(hidden, default=0))
        self.jet_norm = NodeNorm(jet_features, momentum=_MOMENTUM)
        self.charged = _Collection(charged_features, (64, 32, 32, 8), 150, dropout)
        self.neutral = _Collection(neutral_features, (32, 16, 4), 50, dropout)
        self.vertices = _Collection(vertex_features, (64, 32, 32, 8), 50, dropout)
        self.head = nn.Sequential(
            _normed_perceptron((jet_features + 250, *hidden), dropout), nn.Linear(hidden[-1], classes)
        )
        _lecun_uniform(self)

    def forward(
        self,
        jet: Tensor,
        charged: Tensor,
        charged_mask: Tensor,
        neutral: Tensor,
        neutral_mask: Tensor,
        vertices: Tensor,
        vertices_mask: Tensor,
    ) -> Tensor:
        """Logits (n, classes) of jets (n, f) with three collections (n, p, f), each with its mask (n, p).

        Raises:
            ValueError: If the number of features is another than the model was made with.
        """
        _require_widths(self, jet=jet, charged=charged, neutral=neutral, vertices=vertices)
        summaries = [
            self.jet_norm(jet),
            self.charged(charged, charged_mask),
            self.neutral(neutral, neutral_mask),
            self.vertices(vertices, vertices_mask),
        ]
        logits: Tensor = self.head(torch.cat(summaries, dim=1))
        return logits


class _Collection(nn.Module):
    """One vector (n, width) of the objects (n, p, f) of a jet: zeros, normalised, where there are none."""

    def __init__(self, features: int, convolutions: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        *inner, last = convolutions
        self.norm = NodeNorm(features, momentum=_MOMENTUM)
        self.convolutions = nn.Sequential(
            _normed_perceptron((features, *inner), dropout), nn.Linear(inner[-1], last), nn.ReLU()
        )
        self.lstm = nn.LSTM(last, width, batch_first=True)
        self.summary = nn.Sequential(NodeNorm(width, momentum=_MOMENTUM), nn.Dropout(dropout))

    def forward(self, objects: Tensor, mask: Tensor) -> Tensor:
        nodes = self.convolutions(self.norm(pack(objects, mask)))
        outputs, _ = self.lstm(_from_last_to_first(_unpack(nodes, mask), mask))
        length = mask.sum(1)
        final = (length - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, outputs.shape[-1])
        last = outputs.gather(1, final).squeeze(1).masked_fill((length == 0).unsqueeze(1), 0.0)
        summary: Tensor = self.summary(last)
        return summary


def _normed_perceptron(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers, each followed by ReLU, batch norm and dropout, in the published order."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(), NodeNorm(after, momentum=_MOMENTUM), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def _unpack(nodes: Tensor, mask: Tensor) -> Tensor:
    """Nodes (N, c) as a padded array (n, p, c): the inverse of `pack`."""
    if torch.compiler.is_exporting():
        return nodes.view(*mask.shape, nodes.shape[-1])
    padded = nodes.new_zeros(*mask.shape, nodes.shape[-1])
    padded[mask] = nodes
    return padded


def _from_last_to_first(values: Tensor, mask: Tensor) -> Tensor:
    """Turn round the objects (n, p, c) of each jet; the padding stays behind them, where an LSTM reads it too late."""
    place = (mask.sum(1, keepdim=True) - 1 - torch.arange(mask.shape[1], device=mask.device)).clamp(min=0)
    return values.gather(1, place.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def _lecun_uniform(network: nn.Module) -> None:
    """Draw the weights as the published code does (Keras `lecun_uniform`, and its defaults for an LSTM)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            bound = math.sqrt(3 / module.in_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM):
            from_input, from_state, bias, second_bias = module.parameters()
            nn.init.xavier_uniform_(from_input)
            nn.init.orthogonal_(from_state)
            for each in (bias, second_bias):
                nn.init.zeros_(each)
            nn.init.ones_(bias.data[module.hidden_size : 2 * module.hidden_size])  # of the forget gate


def _require_widths(model: DeepJet, **given: Tensor) -> None:
    norms = {"jet": model.jet_norm, "charged": model.charged.norm}
    norms |= {"neutral": model.neutral.norm, "vertices": model.vertices.norm}
    for name, values in given.items():
        if values.shape[-1] != norms[name].num_features:
            raise ValueError(
                f"DeepJet was made for {norms[name].num_features} features of {name}, "
                f"but the representation gives {values.shape[-1]} (input of shape {tuple(values.shape)})"
            )
