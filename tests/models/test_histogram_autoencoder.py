import pytest
import torch

from cortado.models import HistogramAutoencoder
from cortado.tasks.reconstruction_losses import object_losses


def counts(n=40, bins=12, hits=400.0, seed=1):
    """Gaussian peaks that move."""
    generator = torch.Generator().manual_seed(seed)
    centre = 5 + 2 * torch.rand(n, 1, 1, 1, generator=generator)
    shape = torch.exp(-0.5 * ((torch.arange(bins) - centre) / 1.5) ** 2) + 0.01
    return torch.poisson(hits * shape / shape.sum(3, keepdim=True), generator=generator)


def test_its_size():
    assert sum(parameter.numel() for parameter in HistogramAutoencoder().parameters()) == 31_006


def test_rates_add_up_to_the_entries_of_each_histogram():
    network, given = HistogramAutoencoder(size=(1, 12)).eval(), counts()
    given[3] = 0
    made = network(given)
    assert made.shape == given.shape
    torch.testing.assert_close(made.exp().sum((1, 2, 3)), given.sum((1, 2, 3)).clamp(min=1))
    torch.testing.assert_close(network(given[5:6]), made[5:6])
    assert network(given[:0]).shape == given[:0].shape


def test_the_shape_does_not_depend_on_the_entries():
    network, given = HistogramAutoencoder(size=(1, 12)).eval(), counts()
    torch.testing.assert_close(network(7 * given), network(given) + torch.log(torch.tensor(7.0)))


def test_with_practice_the_deviance_is_that_of_poisson_counts():
    """Peaks that move in one direction: what is left of a trained network is noise, of a mean shape it is not."""
    torch.manual_seed(2)
    network, given, others = HistogramAutoencoder(size=(1, 12), latent=1), counts(2000), counts(2000, seed=3)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.005)
    for _ in range(400):
        loss = object_losses("poisson", 0.0, network(given), given, None).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        left = object_losses("poisson", 0.0, network(others), others, None).mean()
        share = given.sum(0) / given.sum()
        rates = torch.log(share * others.sum((1, 2, 3), keepdim=True))
        classical = object_losses("poisson", 0.0, rates, others, None).mean()
    # About a degree of freedom a bin, less for those of few entries.
    assert 8 < left < 13.5
    assert classical > 2.5 * left


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: HistogramAutoencoder(latent=0),
            "HistogramAutoencoder: latent must be an integer of at least 1, got 0",
        ),
        (
            lambda: HistogramAutoencoder()(torch.zeros(2, 1, 1, 3)),
            r"made for maps of \(1, 1, 100\), got \(1, 1, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
