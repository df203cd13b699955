"""Flow matching: the way from noise to showers converges, and the loss is the published one."""

import pytest
import torch

from cortado.models import CaloFlowMatching
from cortado.models.calo_flow_matching import carried

SMALL = {"layers": (5, 4), "layer_hidden": 8, "hidden": 16, "blocks": 1, "units": 4}


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return CaloFlowMatching(**SMALL).eval()


def test_more_steps_converge(model):
    noise, energy = torch.randn(50, 11, generator=torch.Generator().manual_seed(1)), torch.full((50,), 20.0)
    found = {}
    with torch.no_grad():
        for steps in (2, 4, 16, 32):
            model.steps = steps
            found[steps] = model(energy, noise)
    first, last = ((found[b] - found[a]).abs().mean() for a, b in ((2, 4), (16, 32)))
    assert last < first / 10


def test_a_velocity_that_is_known_is_followed():
    """The velocity of x = t^2 is 2t: the midpoint rule is exact."""
    noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    found = carried(lambda time, place, condition: 2 * time.expand_as(place), noise, torch.zeros(4, 1), 7)
    torch.testing.assert_close(found, noise + 1.0)


def test_noise_and_features_of_another_width_are_refused(model):
    with pytest.raises(ValueError, match=r"CaloFlowMatching .* got .*\(2, 10\)"):
        model(torch.ones(2), torch.zeros(2, 10))
    with pytest.raises(ValueError, match=r"CaloFlowMatching .* got .*\(2, 12\)"):
        model.loss(torch.ones(2), torch.zeros(2, 12))


def test_training_brings_the_mean_of_what_it_is_shown():
    generator = torch.Generator().manual_seed(3)
    features = 0.3 * torch.randn(512, 11, generator=generator) + torch.linspace(-1, 1, 11)
    energy = torch.full((512,), 20.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        model = CaloFlowMatching(**SMALL)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(150):
            optimiser.zero_grad()
            model.loss(energy, features).mean().backward()
            optimiser.step()
        with torch.no_grad():
            made = model.eval()(energy, torch.randn(512, 11))
    torch.testing.assert_close(made.mean(0), features.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(made.std(0), features.std(0), atol=0.15, rtol=0)
