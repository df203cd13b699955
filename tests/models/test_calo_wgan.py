"""The dense Wasserstein GAN and its critic, one shower after the other, and what they refuse."""

import math

import pytest
import torch

from cortado.models import CaloWGAN, CaloWGANCritic
from cortado.models.layers import fold_batch_norm


def shaken(model):
    """In evaluation, with other parameters and running statistics than the initial ones."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for values in [*model.parameters(), *model.buffers()]:
            if values.is_floating_point():
                values += 0.3 * torch.rand(values.shape, generator=generator)
    return model.eval()


def seeds(number, width):
    generator = torch.Generator().manual_seed(1)
    return 1 + 99 * torch.rand(number, generator=generator), torch.randn(number, width, generator=generator)


def slow_shower(model, energy, noise):
    shared, own = noise[: model.shared], noise[model.shared :]
    values = torch.cat([0.5 + 0.5 * shared, torch.tensor([math.log10(energy / 10)])])
    for linear, norm, _ in zip(*[iter(model.hidden)] * 3):
        values = linear.weight @ values + linear.bias
        values = (values - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        values = values / (1 + (-values).exp())
    mean, log_width = (layer.weight @ values + layer.bias for layer in (model.place, model.log_width))
    return mean + own * log_width.exp()


@pytest.mark.parametrize("hidden", [(), (6,), (7, 5)])
def test_showers_are_made_one_after_the_other(hidden):
    model = shaken(CaloWGAN(features=4, latent=3, hidden=hidden))
    energy, noise = seeds(5, 7)
    expected = torch.stack([slow_shower(model, float(e), z) for e, z in zip(energy, noise)])
    torch.testing.assert_close(model(energy, noise), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(fold_batch_norm(model)(energy, noise), expected, rtol=1e-4, atol=1e-5)


def test_each_feature_has_a_random_number_that_no_other_sees():
    model = shaken(CaloWGAN(features=4, latent=3, hidden=(6,)))
    energy, noise = seeds(1, 7)
    moved = model(energy.expand(4), noise + torch.eye(7)[3:])
    changed = (moved - model(energy, noise)).abs() > 1e-6
    assert torch.equal(changed, torch.eye(4, dtype=torch.bool))


def test_a_critic_wants_high_scores_of_simulated_showers_and_a_generator_of_its_own():
    critic, (energy, features) = shaken(CaloWGANCritic(features=4, hidden=(6, 5))), seeds(5, 4)
    scores = critic.score(energy, features)
    assert scores.shape == (5,)
    assert torch.equal(critic.loss(energy, features, real=True), -scores)
    assert torch.equal(critic.loss(energy, features, real=False), scores)
    assert (critic.score(energy / 2, features) - scores).abs().min() > 1e-6
    assert torch.equal(critic.summary(energy, features), features)


@pytest.mark.parametrize("model", [CaloWGAN, CaloWGANCritic])
def test_impossible_sizes_are_refused(model):
    with pytest.raises(ValueError, match=rf"{model.__name__}: features must be an integer of at least 1, got 0"):
        model(features=0)
    with pytest.raises(ValueError, match=rf"{model.__name__}: hidden\[1\] must be an integer of at least 1, got -3"):
        model(hidden=(5, -3))


def test_a_generator_needs_numbers_that_all_features_share():
    with pytest.raises(ValueError, match="CaloWGAN: latent must be an integer of at least 1, got 0"):
        CaloWGAN(latent=0)


def test_other_features_than_those_of_the_critic_are_refused():
    with pytest.raises(ValueError, match="CaloWGANCritic was made with features=504, but the representation gives 5"):
        CaloWGANCritic()(torch.ones(2), torch.ones(2, 5))
