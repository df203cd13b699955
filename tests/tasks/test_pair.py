"""Pairs: the loss, and what a network answers of the constituents that belong together."""

import numpy as np
import pytest
import torch

from cortado.tasks import Pair
from cortado.tasks.pair import NO_PARTITION, pair_loss, total_loss


def toy_pairs(n=7, p=5, seed=1):
    rng = torch.Generator().manual_seed(seed)
    partition = torch.randint(0, 3, (n, p), generator=rng)
    partition[torch.arange(p) >= torch.randint(0, p + 1, (n, 1), generator=rng)] = NO_PARTITION
    return torch.randn(n, p, p, generator=rng), partition, torch.rand(n, generator=rng) + 0.5


def slow_loss(logits, partition, weight):
    """The same, pair by pair."""
    pairs = entropy = both = size = 0.0
    for jet in range(len(partition)):
        for i in range(partition.shape[1]):
            for j in range(partition.shape[1]):
                if i == j or NO_PARTITION in (partition[jet, i], partition[jet, j]):
                    continue
                p, w = torch.sigmoid(logits[jet, i, j]).item(), weight[jet].item()
                same = float(partition[jet, i] == partition[jet, j])
                pairs += w
                entropy -= w * np.log(p if same else 1 - p)
                both += w * p * same
                size += w * (p + same)
    return entropy / pairs - 2 * both / size


def test_loss_equals_a_slow_count():
    logits, partition, weight = toy_pairs()
    assert total_loss(*pair_loss(logits, partition, weight)).item() == pytest.approx(
        slow_loss(logits, partition, weight), rel=1e-5
    )


def test_loss_does_not_see_padding_nor_the_diagonal():
    logits, partition, weight = toy_pairs()
    expected = total_loss(*pair_loss(logits, partition, weight))
    more = torch.nn.functional.pad(logits, (0, 2, 0, 2), value=torch.inf)
    more[:, range(5), range(5)] = 1e30
    longer = torch.nn.functional.pad(partition, (0, 2), value=NO_PARTITION)
    torch.testing.assert_close(total_loss(*pair_loss(more, longer, weight)), expected)


def test_loss_of_a_perfect_network_is_minus_one_and_of_no_pairs_nought():
    _, partition, weight = toy_pairs()
    perfect = torch.where(partition.unsqueeze(1) == partition.unsqueeze(2), 50.0, -50.0)
    assert total_loss(*pair_loss(perfect, partition, weight)).item() == pytest.approx(-1, abs=1e-5)
    alone = torch.full((3, 2), NO_PARTITION)
    assert total_loss(*pair_loss(torch.zeros(3, 2, 2), alone, torch.ones(3))).item() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partition": "vertex_index"}, r"partition = 'vertex_index', required: a field of constituents"),
        ({"shown": "b"}, r"shown = 'b', required: one of None"),
        ({"classes": {"b": len}, "shown": "c"}, r"shown = 'c', required: one of None, b"),
        ({"threshold": 1.0}, r"threshold = 1.0, required: a probability in \(0, 1\)"),
    ],
)
def test_pairs_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        Pair(**changes)
