import torch

from cortado.models.draws import draws


def showers(n, seed=0):
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


def test_evaluation_gives_a_shower_the_same_numbers_in_any_batch():
    features = showers(200)
    uniform, normal = draws(features, 7, training=False)
    alone = [draws(features[i : i + 1], 7, training=False) for i in range(200)]
    assert torch.equal(torch.cat([one for one, _ in alone]), uniform)
    assert torch.equal(torch.cat([one for _, one in alone]), normal)


def test_evaluation_gives_other_showers_other_numbers_of_the_same_distributions():
    uniform, normal = draws(showers(20_000), 7, training=False)
    assert len(uniform.unique()) == 256
    counts, _ = torch.histogram(uniform, bins=8, range=(0.0, 1.0))
    torch.testing.assert_close(counts, torch.full((8,), 2500.0), rtol=0.1, atol=0)
    torch.testing.assert_close(normal.mean(0), torch.zeros(7), rtol=0, atol=0.25)
    torch.testing.assert_close(normal.std(0), torch.ones(7), rtol=0.2, atol=0)


def test_training_spreads_uniform_numbers_evenly_over_the_batch():
    torch.manual_seed(0)
    uniform, normal = draws(showers(50), 7, training=True)
    assert torch.equal((uniform * 50).floor(), torch.arange(50.0))
    again, others = draws(showers(50), 7, training=True)
    assert not torch.equal(uniform, again)
    assert not torch.equal(normal, others)


def test_numbers_do_not_tell_the_shower():
    features = showers(2000)
    uniform, _ = draws(features, 1, training=False)
    near, _ = draws(1.001 * features, 1, training=False)
    for other in (near, features.sum(1)):
        assert abs(torch.corrcoef(torch.stack([uniform, other]))[0, 1]) < 0.1
