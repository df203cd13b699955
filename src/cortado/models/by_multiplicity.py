"""Tracks of a batch, jets of equal multiplicity together: sets and pairs without padding.

Jets have few tracks, and their number varies much. In an array (n, p, p) of all pairs most entries are padding. Here
the tracks are the rows of one array (N, c), *nodes*, ordered such that those of jets with k tracks follow one another:
a slice of it, seen as (g, k, c), is g whole sets. All that looks at several tracks of a jet does so on these *groups*.

An exported program (torch.export, ONNX) has no ragged arrays: there the nodes are (n, p, c), one group with its mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

_BLOCK_VALUES = 2**19  # of one activation in a block, for each thread: 2 MB, which stay near a core


class ByMultiplicity(NamedTuple):
    """Where the tracks of a batch are.

    Attributes:
        mask: True where there is a track, shape (n, p).
        jets: Jets that are in a group, in the order of the groups, shape (m,); without tracks a jet is in none.
        places: Place of each node among the n p positions, shape (N,).
        sizes: Number g of jets and k of tracks of each group.
    """

    mask: Tensor
    jets: Tensor
    places: Tensor
    sizes: list[tuple[int, int]]

    def nodes(self, values: Tensor) -> Tensor:
        """Values (n, p, f) of the tracks as nodes (N, f)."""
        if torch.compiler.is_exporting():
            return values.masked_fill(~self.mask.unsqueeze(-1), 0.0)
        return values.flatten(0, 1).index_select(0, self.places)

    def split(self, nodes: Tensor) -> list[Tensor]:
        """Nodes (N, c) as groups, (g, k, c) each."""
        if torch.compiler.is_exporting():
            return [nodes]
        parts = torch.split(nodes, [jets * tracks for jets, tracks in self.sizes])
        return [part.view(*size, part.shape[-1]) for part, size in zip(parts, self.sizes)]

    def join(self, groups: Sequence[Tensor]) -> Tensor:
        """The reverse of `split`."""
        if torch.compiler.is_exporting():
            return groups[0]
        return torch.cat([group.flatten(0, 1) for group in groups])

    def pairs(self, edges: Tensor) -> list[Tensor]:
        """Values (n, p, p) of the pairs as groups, (g, k, k) each."""
        if torch.compiler.is_exporting():
            return [edges.masked_fill(~(self.mask.unsqueeze(1) & self.mask.unsqueeze(2)), 0.0)]
        flat = edges.flatten()
        return [flat.index_select(0, indices.flatten()).view_as(indices) for indices in self._pair_places()]

    def from_pairs(self, groups: Sequence[Tensor]) -> Tensor:
        """The reverse of `pairs`; 0 where there is no pair."""
        if torch.compiler.is_exporting():
            return groups[0]
        n, p = self.mask.shape
        values = torch.cat([group.flatten() for group in groups])
        place = torch.cat([indices.flatten() for indices in self._pair_places()])
        return values.new_zeros(n * p * p).index_copy(0, place, values).view(n, p, p)

    def sums(self, nodes: Tensor) -> list[Tensor]:
        """Sums of nodes (N, c) over the tracks of each jet as groups, (g, 1, c) each."""
        groups = self.split(nodes)
        if torch.compiler.is_exporting():
            groups = [groups[0].masked_fill(~self.mask.unsqueeze(-1), 0.0)]
        return [group.sum(1, keepdim=True) for group in groups]

    def from_sums(self, groups: Sequence[Tensor]) -> Tensor:
        """Sums (g, 1, c) as rows (n, c) of the batch; 0 for a jet without tracks."""
        if torch.compiler.is_exporting():
            return groups[0].squeeze(1)
        sums = torch.cat([group.squeeze(1) for group in groups])
        return sums.new_zeros(len(self.mask), sums.shape[1]).index_copy(0, self.jets, sums)

    def _pair_places(self) -> list[Tensor]:
        """Places of the pairs of each group among the n p p, (g, k, k) each."""
        p = self.mask.shape[1]
        tracks = torch.split(self.places, [jets * tracks for jets, tracks in self.sizes])
        rows = [part.view(size) for part, size in zip(tracks, self.sizes)]
        return [row.unsqueeze(2) * p + (row % p).unsqueeze(1) for row in rows]


def by_multiplicity(mask: Tensor) -> ByMultiplicity:
    """Group the jets with mask (n, p) by their number of tracks."""
    positions = torch.arange(mask.numel(), device=mask.device)
    if torch.compiler.is_exporting():
        return ByMultiplicity(mask, positions, positions, [])
    counts = mask.sum(1)
    order = counts.argsort(stable=True)
    order = order[int((counts == 0).sum()) :]
    places = positions.view(mask.shape)[order][mask[order]]
    tracks, jets = torch.unique_consecutive(counts[order], return_counts=True)
    sizes = list(zip(jets.tolist(), tracks.tolist())) or [(0, 1)]  # one empty group keeps shapes and gradients
    return ByMultiplicity(mask, order, places, sizes)


def in_blocks(of_pairs: Callable[..., Tensor], width: int, *groups: Tensor) -> Tensor:
    """A function of whole sets, such as of activations (g, k, k, width) of their pairs, a few jets at a time.

    These activations are the largest arrays by far. They are not kept for the backward pass: made again, block by
    block, they never leave the cache.

    Args:
        of_pairs: Takes blocks of the groups and gives a tensor with as many rows.
        width: Values of a pair.
        groups: Tensors with g rows, the first of shape (g, k, c).
    """
    if torch.compiler.is_exporting() or groups[0].device.type != "cpu":
        return of_pairs(*groups)
    step = max(_BLOCK_VALUES * torch.get_num_threads() // (width * groups[0].shape[1] ** 2), 1)
    blocks = zip(*(torch.split(group, step) for group in groups))
    if not torch.is_grad_enabled():
        return torch.cat([of_pairs(*block) for block in blocks])
    kept = [checkpoint(of_pairs, *block, use_reentrant=False, preserve_rng_state=False) for block in blocks]
    return torch.cat(kept)
