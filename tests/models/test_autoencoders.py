"""Autoencoders: published sizes, and what they promise of their outputs."""

import pytest
import torch
from models.cases import AUTOENCODERS

from cortado.models import (
    DenseAutoencoder,
    DenseImageAutoencoder,
    HeimelAutoencoder,
    ImageAutoencoder,
    SetAutoencoder,
    VariationalAutoencoder,
)


def images(number=3, size=40):
    torch.manual_seed(1)
    made = torch.rand(number, 1, size, size)
    return made / made.sum((1, 2, 3), keepdim=True)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [(ImageAutoencoder, 1_425_223), (HeimelAutoencoder, 1_687_785), (DenseImageAutoencoder, 1_363_806)],
)
def test_image_autoencoders(model, parameters):
    network, given = model().eval(), images()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    made = network(given)
    assert made.shape == given.shape
    torch.testing.assert_close(made.sum((1, 2, 3)), torch.ones(3))
    torch.testing.assert_close(network(given[1:2]), made[1:2])
    assert network(given[:0]).shape == given[:0].shape


def test_images_of_any_channels_and_sides():
    network = ImageAutoencoder(size=(8, 12), channels=2, filters=4, hidden=4, latent=2, softmax=False)
    made = network(torch.rand(5, 2, 8, 12))
    assert made.shape == (5, 2, 8, 12)
    assert (network(-100 * torch.rand(5, 2, 8, 12)).sum((1, 2, 3)) - 1).abs().min() > 0.01


def given_to(model):
    torch.manual_seed(4)
    if model is SetAutoencoder:
        return torch.randn(5, 4, 3), torch.arange(4) < torch.tensor([[4], [2], [1], [3], [4]])
    of_images = any(kind in model.__name__ for kind in ("Image", "Heimel", "Histogram"))
    return (images(5, size=8),) if of_images else (torch.randn(5, 3),)


@pytest.mark.parametrize("model", AUTOENCODERS, ids=lambda model: model.__name__)
def test_laws(model):
    """Inputs stay as they are, gradients reach all parameters, the weights alone make the same network."""
    inputs = given_to(model)
    torch.manual_seed(4)
    network = model(**AUTOENCODERS[model])
    before = [array.clone() for array in inputs]
    outputs = network.penalised(*inputs)[0] if hasattr(network, "penalised") else network(*inputs)
    (outputs * torch.randn_like(outputs)).sum().backward()
    assert all(torch.equal(one, other) for one, other in zip(before, inputs))
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    copy = model(**AUTOENCODERS[model])
    copy.load_state_dict(network.state_dict())
    torch.testing.assert_close(copy.eval()(*inputs), network.eval()(*inputs))


@pytest.mark.parametrize("network", [DenseAutoencoder(features=4), VariationalAutoencoder(features=4)])
def test_features_are_reproduced_with_practice(network):
    """Four numbers that are made of two."""
    torch.manual_seed(2)
    code = torch.randn(500, 2)
    given = torch.stack([code[:, 0], code[:, 1], code.sum(1) / 1.5, code[:, 0] - code[:, 1]], dim=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(300):
        made, penalty = network.penalised(given) if hasattr(network, "penalised") else (network(given), 0.0)
        loss = (torch.square(made - given).sum(1) + penalty).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    left = torch.square(network.eval()(given) - given).mean()
    assert left < 0.1 * torch.square(given).mean()


def test_only_training_draws():
    network, given = VariationalAutoencoder(features=3), torch.randn(20, 3)
    first, penalty = network.penalised(given)
    assert not torch.equal(first, network.penalised(given)[0])
    assert (penalty >= 0).all()
    made, again = network.eval().penalised(given)
    torch.testing.assert_close(made, network(given))
    torch.testing.assert_close(again, penalty)


def test_the_divergence_is_that_of_normal_distributions():
    network, given = VariationalAutoencoder(features=3, beta=2.0), torch.randn(20, 3)
    mean, log_variance = network.encoder(given).chunk(2, dim=1)
    codes = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(codes, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(network.penalised(given)[1], 2 * expected)


def test_sets_in_any_order_and_with_any_padding():
    torch.manual_seed(3)
    network = SetAutoencoder(features=3, particles=6).eval()
    features, mask = torch.randn(4, 7, 3), torch.arange(7) < torch.tensor([[7], [3], [1], [0]])
    made = network(features, mask)
    assert made.shape == (4, 6, 3)
    order = torch.randperm(7)
    torch.testing.assert_close(network(features[:, order], mask[:, order]), made)
    wider = torch.nn.functional.pad(features, (0, 0, 0, 4), value=9.0), torch.nn.functional.pad(mask, (0, 4))
    torch.testing.assert_close(network(*wider), made)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImageAutoencoder(size=(10, 12)), r"ImageAutoencoder: size must be multiples of 4, got \(10, 12\)"),
        (lambda: ImageAutoencoder(latent=0), "ImageAutoencoder: latent must be an integer of at least 1, got 0"),
        (lambda: ImageAutoencoder()(images(size=8)), r"made for images of \(1, 40, 40\), got \(1, 8, 8\)"),
        (lambda: HeimelAutoencoder(pixels=5), "HeimelAutoencoder: pixels must be an even number, got 5"),
        (lambda: HeimelAutoencoder()(images(size=8)), r"made for images of \(1, 40, 40\), got \(1, 8, 8\)"),
        (lambda: DenseImageAutoencoder()(images(size=8)), r"made for images of \(1, 40, 40\), got \(1, 8, 8\)"),
        (lambda: DenseAutoencoder(features=2, latent=0), "DenseAutoencoder: latent must be an integer of at least 1"),
        (lambda: DenseAutoencoder(features=2)(torch.zeros(1, 3)), "DenseAutoencoder was made with features=2"),
        (lambda: VariationalAutoencoder(features=2, beta=-1.0), r"beta must be a number of at least 0, got -1\.0"),
        (lambda: VariationalAutoencoder(features=2)(torch.zeros(1, 3)), "was made with features=2"),
        (lambda: SetAutoencoder(features=2, phi=()), "SetAutoencoder: phi must have one layer or more"),
        (lambda: SetAutoencoder(features=2, particles=0), "SetAutoencoder: particles must be an integer of at least 1"),
        (lambda: SetAutoencoder(features=2)(torch.zeros(1, 4, 3), torch.ones(1, 4).bool()), "made with features=2"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
