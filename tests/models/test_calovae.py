import math

import pytest
import torch

from cortado.models import CaloVAE


def showers(n, features=5, seed=0):
    """Incident energies and features, both far from what an untrained model makes."""
    generator = torch.Generator().manual_seed(seed)
    energy = 1 + 99 * torch.rand(n, generator=generator)
    return energy, 0.5 + 1.5 * torch.randn(n, features, generator=generator)


def linear(features=5, code=2, seed=0):
    """Linear maps in place of perceptrons: the density of the features is a multivariate normal."""
    torch.manual_seed(seed)
    model = CaloVAE(features=features, code=code, hidden=()).eval()
    with torch.no_grad():
        model.decoder[0].weight.normal_()
        model.log_width.normal_(-0.5, 0.2)
    return model


def normal(model, energy):
    """The exact density of the features at an energy: mean W c + b + v log10(E / 10), covariance W W^T + widths^2."""
    weight, bias = model.decoder[0].weight, model.decoder[0].bias
    mean = bias + weight[:, -1] * torch.log10(energy / 10).unsqueeze(1)
    covariance = weight[:, :-1] @ weight[:, :-1].T + torch.diag(model.log_width.exp() ** 2)
    return torch.distributions.MultivariateNormal(mean, covariance)


def set_posterior(model):
    """Let the encoder give the exact distribution of the codes, whose covariance must be diagonal, of each shower."""
    weight, bias = model.decoder[0].weight, model.decoder[0].bias
    precision = (model.log_width.exp() ** -2).unsqueeze(1)
    inverse = torch.linalg.inv(torch.eye(model.code) + weight[:, :-1].T @ (precision * weight[:, :-1]))
    of_features = inverse @ (precision * weight[:, :-1]).T
    layer = model.encoder[0]
    layer.weight.zero_(), layer.bias.zero_()
    layer.weight[: model.code] = torch.cat([of_features, -of_features @ weight[:, -1:]], dim=1)
    layer.bias[: model.code] = -of_features @ bias
    layer.bias[model.code :] = inverse.diagonal().log()


def mean_loss(model, energy, features, draws=1000):
    """Mean loss (n,) over many codes of each shower."""
    model.train()
    losses = model.loss(energy.repeat(draws), features.repeat(draws, 1))
    return losses.view(draws, -1).mean(0)


@torch.no_grad()
def test_loss_bounds_the_exact_density_and_reaches_it_with_the_exact_encoder():
    model, (energy, features) = linear(code=1), showers(30)
    exact = normal(model, energy).log_prob(features)
    assert (mean_loss(model, energy, features) > -exact - 0.1).all()
    assert (mean_loss(model, energy, features) > -exact + 0.5).float().mean() > 0.5
    set_posterior(model)
    torch.testing.assert_close(mean_loss(model, energy, features), -exact, rtol=0, atol=0.1)


@torch.no_grad()
def test_showers_have_mean_and_covariance_of_the_density():
    model, n = linear(), 100_000
    energy = torch.full((n,), 20.0)
    made = model(energy, torch.randn(n, model.latent, generator=torch.Generator().manual_seed(0)))
    exact = normal(model, energy[:1])
    torch.testing.assert_close(made.mean(0), exact.mean[0], rtol=0, atol=0.03)
    torch.testing.assert_close(made.T.cov(), exact.covariance_matrix[0], rtol=0.03, atol=0.05)


@torch.no_grad()
def test_divergence_is_that_of_two_normal_distributions():
    (energy, features), weighty = showers(8), CaloVAE(features=5, code=3, hidden=(6,), beta=3.0).eval()
    plain = CaloVAE(features=5, code=3, hidden=(6,)).eval()
    plain.load_state_dict(weighty.state_dict())
    means, log_variances = plain.encode(energy, features)
    codes = torch.distributions.Normal(means, (log_variances / 2).exp())
    expected = torch.distributions.kl_divergence(codes, torch.distributions.Normal(0.0, 1.0)).sum(1)
    divergence = (weighty.loss(energy, features) - plain.loss(energy, features)) / 2
    torch.testing.assert_close(divergence, expected)


@torch.no_grad()
def test_loss_in_evaluation_depends_on_the_shower_alone():
    torch.manual_seed(0)
    model, (energy, features) = CaloVAE(features=5, code=3, hidden=(6,)).eval(), showers(40)
    alone = torch.cat([model.loss(energy[i : i + 1], features[i : i + 1]) for i in range(40)])
    torch.testing.assert_close(alone, model.loss(energy, features))
    assert not torch.equal(model.train().loss(energy, features), model.loss(energy, features))


def test_learns_a_response_that_grows_with_energy_and_its_width():
    torch.manual_seed(0)
    model = CaloVAE(features=3, code=2, hidden=(32,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        energy = 10 ** (2 * torch.rand(128))
        features = energy.log10().unsqueeze(1) + 0.3 * torch.randn(128, 1) + 0.3 * torch.randn(128, 3)
        optimizer.zero_grad()
        model.loss(energy, features).mean().backward()
        optimizer.step()
    with torch.no_grad():
        for energy in (2.0, 10.0, 50.0):
            made = model(torch.full((4000,), energy), torch.randn(4000, model.latent))
            torch.testing.assert_close(made.mean(0), torch.full((3,), math.log10(energy)), rtol=0, atol=0.1)
            torch.testing.assert_close(made.std(0), torch.full((3,), math.hypot(0.3, 0.3)), rtol=0.15, atol=0)


def test_bfloat16_is_close():
    torch.manual_seed(0)
    model, (energy, features) = CaloVAE(features=5, code=3, hidden=(6,)).eval(), showers(40)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(energy, features)
    torch.testing.assert_close(loss, model.loss(energy, features), rtol=0.05, atol=0.05)


def test_refuses_wrong_sizes():
    with pytest.raises(ValueError, match="CaloVAE: code must be an integer of at least 1, got 0"):
        CaloVAE(code=0)
    with pytest.raises(ValueError, match=r"CaloVAE: hidden\[1\] must be an integer of at least 1, got -3"):
        CaloVAE(hidden=(5, -3))
    with pytest.raises(ValueError, match=r"CaloVAE: beta must be a number of at least 0, got -1\.0"):
        CaloVAE(beta=-1.0)
    with pytest.raises(ValueError, match="CaloVAE was made with features=507, but the representation gives 5 features"):
        CaloVAE().loss(*showers(3))
