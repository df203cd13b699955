import pytest
import torch
from models.cases import cloud

from cortado.models.neighbours import nearest_neighbours, node_grids


def search(jets, k):
    """Neighbours by sorting, one node after the other."""
    nodes, first, neighbours = sum(map(len, jets)), 0, []
    for jet in jets:
        for i, point in enumerate(jet):
            distance = [
                (float((point - other).double().square().sum()), first + j) for j, other in enumerate(jet) if j != i
            ]
            near = [index for _, index in sorted(distance)[:k]]
            neighbours.append(sorted(near + [nodes] * (k - len(near))))
        first += len(jet)
    return torch.tensor(neighbours).reshape(-1, k)


@pytest.mark.parametrize("dimensions", [2, 5])
@pytest.mark.parametrize("lengths", [[9, 4, 0, 1, 20, 5, 6], [5] * 70, [0, 0], [], [1]], ids=str)
def test_equals_the_search_one_by_one(lengths, dimensions):
    _, features, mask = cloud(lengths)
    points = features[..., :dimensions]
    neighbours = nearest_neighbours(points[mask], node_grids(mask, 4), 4)
    assert torch.equal(neighbours.sort(1).values, search([p[m] for p, m in zip(points, mask)], 4))


def test_of_coincident_points_the_first_are_taken_and_never_the_node_itself():
    points, mask = torch.zeros(1, 6, 2), torch.ones(1, 6, dtype=torch.bool)
    neighbours = nearest_neighbours(points[mask], node_grids(mask, 3), 3)
    assert neighbours.sort(1).values.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
