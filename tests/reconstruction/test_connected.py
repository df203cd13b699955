import numpy as np
import pytest

from cortado.reconstruction.connected import connected


def slow(one, other, nodes):
    """Labels spread along the edges until nothing changes; numbered by their first node."""
    label = list(range(nodes))
    while True:
        before = list(label)
        for a, b in zip(one, other):
            label[a] = label[b] = min(label[a], label[b])
        if label == before:
            return [sorted(set(label)).index(each) for each in label]


@pytest.mark.parametrize("kind", [np.int64, np.int32])
@pytest.mark.parametrize(("nodes", "edges"), [(1, 0), (7, 0), (12, 5), (40, 30), (40, 200)])
def test_components_are_those_of_the_slow_twin(nodes, edges, kind):
    one, other = np.random.default_rng(edges).integers(0, nodes, (2, edges)).astype(kind)
    numbers = connected(one, other, nodes)
    _, first = np.unique(numbers, return_index=True)
    assert np.argsort(np.argsort(first))[numbers].tolist() == slow(one, other, nodes)
    assert numbers.dtype == np.int64


def test_no_nodes_have_no_component():
    assert connected([], [], 0).shape == (0,)
