"""Perceptrons on pairs of tracks, whose first layer is applied to the tracks: there are fewer of them than pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from cortado.models.by_multiplicity import ByMultiplicity, in_blocks
from cortado.models.layers import perceptron


class PairScores(nn.Module):
    """Perceptron on [h_i, h_j] of every pair of tracks of a jet: the psi of Set2Graph.

    Args:
        inputs: Number c of channels of a track.
        hidden: Widths of the hidden layers.
        plus: Take [h_i, h_j, sum h, and on the diagonal h_i, sum h], the five linear maps from sets to graphs.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], *, plus: bool = False) -> None:
        super().__init__()
        self.inputs, self.plus, self.width = inputs, plus, max(hidden)
        self.first = nn.Linear((5 if plus else 2) * inputs, hidden[0])
        self.rest = nn.Sequential(nn.ReLU(), *perceptron(hidden[0], hidden[1:], 1))

    def forward(self, nodes: Tensor, tracks: ByMultiplicity) -> Tensor:
        """Logits (n, p, p) of the pairs of nodes (N, c)."""
        terms = self._with_sums(nodes, tracks) if self.plus else self._terms(nodes, tracks)
        return tracks.from_pairs([in_blocks(self._scores, self.width, *group) for group in zip(*terms)])

    def _weights(self) -> tuple[Tensor, ...]:
        """Weights (e, c) of the first layer for each of its inputs, then its bias (e,)."""
        return *torch.split(self.first.weight, self.inputs, dim=1), self.first.bias

    def _terms(self, nodes: Tensor, tracks: ByMultiplicity) -> tuple[list[Tensor], ...]:
        """Terms (g, k, e) of the first layer: of the track where a pair starts, and of the one where it ends."""
        start, end, *_, bias = self._weights()
        return tracks.split(functional.linear(nodes, start, bias)), tracks.split(functional.linear(nodes, end))

    def _with_sums(self, nodes: Tensor, tracks: ByMultiplicity) -> tuple[list[Tensor], ...]:
        """The same with the sum over the jet in the first, and a third term for pairs of a track with itself."""
        _, _, of_sum, itself, of_sum_itself, _ = self._weights()
        starts, ends = self._terms(nodes, tracks)
        sums = tracks.sums(nodes)
        starts = [start + functional.linear(total, of_sum) for start, total in zip(starts, sums)]
        third = tracks.split(functional.linear(nodes, itself))
        return starts, ends, [one + functional.linear(total, of_sum_itself) for one, total in zip(third, sums)]

    def _scores(self, start: Tensor, end: Tensor, itself: Tensor | None = None) -> Tensor:
        scores: Tensor = self.rest(start.unsqueeze(2) + end.unsqueeze(1)).squeeze(-1)
        if itself is None:
            return scores
        diagonal = self.rest(start + end + itself)
        return torch.where(torch.eye(start.shape[1], dtype=torch.bool, device=start.device), diagonal, scores)


class PairMessages(nn.Module):
    """Sum over j of a perceptron on [h_i, h_j, sum h, e_ij], of a single hidden layer.

    The last layer is linear and so is the sum: it is applied to tracks, too. What is left for the pairs is one ReLU.

    Args:
        inputs: Number c of channels of a track.
        hidden: Width of the hidden layer.
        outputs: Number of channels of the message.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.widths = [inputs, inputs, inputs, 1]
        self.first, self.last = nn.Linear(sum(self.widths), hidden), nn.Linear(hidden, outputs)

    def forward(self, nodes: Tensor, edges: Sequence[Tensor], tracks: ByMultiplicity) -> Tensor:
        """Messages (N, outputs) to nodes (N, c) along the values (g, k, k) of the edges, also those to themselves."""
        start, end, of_sum, of_edge = torch.split(self.first.weight, self.widths, dim=1)
        starts = tracks.split(functional.linear(nodes, start, self.first.bias))
        starts = [one + functional.linear(total, of_sum) for one, total in zip(starts, tracks.sums(nodes))]
        ends = tracks.split(functional.linear(nodes, end))
        if torch.compiler.is_exporting():
            ends = [ends[0].masked_fill(~tracks.mask.unsqueeze(-1), -torch.inf)]  # no message from where no track is

        def heard(start: Tensor, end: Tensor, edges: Tensor) -> Tensor:
            pairs = start.unsqueeze(2) + end.unsqueeze(1) + functional.linear(edges.unsqueeze(-1), of_edge)
            return functional.relu(pairs).sum(2)

        sums = [in_blocks(heard, self.first.out_features, *group) for group in zip(starts, ends, edges)]
        counts = tracks.sums(torch.ones_like(nodes[..., :1]))
        return tracks.join(
            [functional.linear(total, self.last.weight) + count * self.last.bias for total, count in zip(sums, counts)]
        )
