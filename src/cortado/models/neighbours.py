"""Nearest neighbours of each constituent in its jet, for batches of jets of any length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_JETS_PER_GRID = 32  # distances of 32 jets of 128 constituents fill 2 MB, about the cache of a core
_TINY = 1e-30  # squared distances below are equal


def node_grids(mask: Tensor, k: int) -> list[Tensor]:
    """Indices (g, q) of the nodes of g jets, q >= k; N, one past the last node, where there is none.

    Jets of similar length make one grid, so that neighbours are searched among few empty places. While exporting
    there is one grid, in which the nodes are all positions of the mask (n, p).
    """
    if torch.compiler.is_exporting():
        n, p = mask.shape
        position = torch.arange(n * p, device=mask.device).view(n, p)
        return [torch.cat([position.masked_fill(~mask, n * p), position.new_full((n, k), n * p)], dim=1)]
    counts = mask.sum(1)
    first, nodes = counts.cumsum(0) - counts, counts.sum()
    grids = []
    for jets in torch.split(counts.argsort(), _JETS_PER_GRID):
        length = max(int(counts[jets[-1]]), k) if len(jets) else k
        position = torch.arange(length, device=mask.device)
        grid = first[jets, None] + position
        grids.append(torch.where(position < counts[jets, None], grid, nodes))
    return grids


def nearest_neighbours(coordinates: Tensor, grids: Sequence[Tensor], k: int) -> Tensor:
    """Indices (N, k) of the k nearest other nodes of the same jet, for nodes at `coordinates` (N, d).

    Of nodes at equal distance those that come first are taken, so that the choice does not depend on the rest of the
    batch. Where a jet has too few nodes, the missing neighbours have index N. The order among the k is arbitrary.
    """
    nodes = coordinates.shape[0]
    coordinates = functional.pad(coordinates.detach(), (0, 0, 0, 1))
    nearest = [_nearest(_square_distances(coordinates, grid, nodes), grid, k, nodes) for grid in grids]
    if torch.compiler.is_exporting():
        return nearest[0][:, :-k].flatten(0, 1)
    neighbours = coordinates.new_empty((nodes + 1, k), dtype=torch.int64)
    for grid, of_grid in zip(grids, nearest):
        neighbours.index_copy_(0, grid.flatten(), of_grid.flatten(0, 1))
    return neighbours[:-1]


def _square_distances(coordinates: Tensor, grid: Tensor, nodes: int) -> Tensor:
    """Squared distances (g, q, q) between the nodes of a grid; infinite to a node itself and to empty places."""
    x = functional.embedding(grid, coordinates)
    if x.shape[-1] <= 3:  # differences: exact for coincident points, of which calorimeter towers make many
        distances = (x.unsqueeze(2) - x.unsqueeze(1)).square_().sum(-1)
    else:
        square = x.square().sum(-1)
        distances = torch.baddbmm(square.unsqueeze(1), x, x.mT, alpha=-2).add_(square.unsqueeze(2)).clamp_(min=0)
    itself = torch.eye(grid.shape[1], dtype=torch.bool, device=grid.device)
    return distances.masked_fill_((grid == nodes).unsqueeze(1).logical_or(itself), torch.inf)


def _nearest(distances: Tensor, grid: Tensor, k: int, nodes: int) -> Tensor:
    """Nodes (g, q, k) at the smallest distances (g, q, q), the first ones of equals; `nodes` where it is infinite.

    Selection takes any of equals. In double precision there is room below the last bit of a float to order them.
    """
    order = 1 + torch.arange(grid.shape[1], device=grid.device, dtype=torch.float64) * 2.0**-40
    nearest, column = (distances.double().clamp_(min=_TINY) * order).topk(k, largest=False, sorted=False)
    ends = grid.unsqueeze(1).expand(-1, grid.shape[1], -1).gather(2, column)
    return ends.masked_fill(nearest == torch.inf, nodes)
